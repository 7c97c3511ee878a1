"""Chunks of texts that Hugging Face models write: where they end, what they cost, how they read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp
from unittest import mock

import pytest
import torch

from londi.envs.generate.prompt import WritingPrompt
from londi.envs.prompt import Chunk, Prompt
from londi.imitation.demonstrations import Demonstration
from londi.imitation.examples import Examples
from londi.models.check import check_model
from londi.models.hf.choice import Choice
from londi.models.hf.onnx.backend import use_backend
from londi.models.hf.reader import Reader
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.hf.transformer import TransformerModel
from londi.types import Array
from models.hf.tiny import CHAT, TOKENIZERS, MakeCausal

MakeLM = Callable[..., Seq2SeqModel]

FREE = Chunk((), 24)
LINE = Chunk(("\n",), 24)
LETTERS = Chunk(("gh", "MH", " wall", "ard"), 24)
"""Stops that a model with random weights comes to."""


@pytest.fixture(params=["t5", "llama", "chat"])
def lm(
    request: pytest.FixtureRequest, make_lm: MakeLM, make_causal: MakeCausal
) -> TransformerModel:
    if request.param == "t5":
        return make_lm()
    return make_causal(chat=CHAT if request.param == "chat" else None)


@pytest.fixture
def texts(prompts: list[Prompt]) -> list[WritingPrompt]:
    """Texts of different lengths that are to be gone on with."""
    return [
        WritingPrompt(prompt.goal, (), ("go to a wall\n" * k,), chunk=FREE)
        for k, prompt in enumerate(prompts)
    ]


def bounded(texts: list[WritingPrompt], chunk: Chunk) -> list[Prompt]:
    return [replace(text, chunk=chunk) for text in texts]


def written(lm: TransformerModel, prompts: list[Prompt]) -> list[list[int]]:
    """The token ids that the model writes for prompts of one kind."""
    writing = lm.writings.of(prompts[0].chunk)
    choices, made = writing.choices, list[list[int]]()

    def seen(tokens: Array, logprobs: Array) -> list[Choice]:
        found = choices(tokens, logprobs)
        made.extend(row[: one.tokens] for row, one in zip(tokens.tolist(), found, strict=True))
        return found

    with mock.patch.object(writing, "choices", seen):
        for prompt in prompts:
            lm.act([prompt])
    return made


@pytest.mark.parametrize("chunk", [LINE, LETTERS])
@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_a_model_stops_where_a_chunk_is_closed(
    kind: str, chunk: Chunk, make_lm: MakeLM, make_causal: MakeCausal, texts: list[WritingPrompt]
) -> None:
    lm = make_lm() if kind == "t5" else make_causal()
    closed = 0
    for whole, part in zip(
        written(lm, list(texts)), written(lm, bounded(texts, chunk)), strict=True
    ):
        said, before = lm.writings.chunk(chunk).texts([part, part[:-1]])
        assert whole[: len(part)] == part
        # Its last token closes it, none before has, or it is over in the same way.
        assert not chunk.goes_on(before)
        assert chunk.goes_on(said) or part == whole
        closed += chunk.goes_on(said)
    assert closed > 0, "no chunk was closed, so that nothing was tested"


def test_a_chunk_of_n_tokens_has_no_more(lm: TransformerModel, texts: list[WritingPrompt]) -> None:
    for most in (1, 5):
        replies = lm.act(bounded(texts, Chunk((), most)))
        assert {reply.usage.output_tokens for reply in replies} <= set(range(1, most + 1))
        assert most in {reply.usage.output_tokens for reply in replies}


@torch.inference_mode()
def test_the_probability_of_a_chunk_is_that_of_its_tokens(
    lm: TransformerModel, texts: list[WritingPrompt]
) -> None:
    """By one pass over prompt and chunk, as in a training."""
    asked = bounded(texts[3:4], LINE)
    (reply,), made = lm.act(asked), written(lm, asked)
    (ids,), labels = lm.reader.read(asked), torch.tensor(made)
    prompt = torch.tensor([ids])
    loss = lm.loss(prompt, torch.ones_like(prompt), labels)
    assert reply.logprob == pytest.approx(-float(loss) * labels.shape[1], rel=1e-3)
    assert reply.confidence == pytest.approx(exp(reply.logprob), rel=1e-3)
    assert reply.usage.output_tokens == labels.shape[1] and reply.usage.tokens == len(ids)


@pytest.mark.parametrize("kind", ["t5", "llama"])
@pytest.mark.parametrize("chunk", [FREE, LINE, LETTERS])
def test_onnx_runtime_writes_the_same(
    kind: str, chunk: Chunk, make_lm: MakeLM, make_causal: MakeCausal, texts: list[WritingPrompt]
) -> None:
    lm = make_lm() if kind == "t5" else make_causal()
    wanted = lm.act(bounded(texts, chunk))
    use_backend(lm, "onnx")
    for one, other in zip(wanted, lm.act(bounded(texts, chunk)), strict=True):
        assert one.action == other.action
        assert one.logprob == pytest.approx(other.logprob, rel=1e-3, abs=1e-3)
        assert one.usage.output_tokens == other.usage.output_tokens


def test_chunks_of_different_bounds_and_actions_share_a_batch(
    lm: TransformerModel, texts: list[WritingPrompt], prompts: list[Prompt]
) -> None:
    mixed = [*prompts[:2], *bounded(texts[:2], LINE), *texts[:2], *bounded(texts[:2], LETTERS)]
    together = lm.act(mixed)
    for prompt, reply in zip(mixed, together, strict=True):
        (alone,) = lm.act([prompt])
        assert alone.action == reply.action
        assert alone.usage.output_tokens == reply.usage.output_tokens
    check_model(lm, mixed)


def test_a_chat_template_has_the_text_so_far_behind_its_answers_beginning(
    make_causal: MakeCausal,
) -> None:
    lm = make_causal(chat=CHAT)
    text = WritingPrompt("say it", (), ("one\n two",), chunk=LINE)
    (ids,) = lm.reader.read([text])
    assert lm.tokenizer.decode(ids) == "<user> say it <turn> <assistant> one\n two"
    plain = make_causal()
    (ids,) = plain.reader.read([replace(text, observations=("one\n",))])
    assert plain.tokenizer.decode(ids) == "say it\none\n", "the line break at its end is kept"


@pytest.mark.parametrize("reads", TOKENIZERS)
@pytest.mark.parametrize("text", ["go on", " go on", "  a wall", "\n", "a\n\n b", ". You"])
def test_white_space_of_a_chunk_is_kept(make_causal: MakeCausal, reads: str, text: str) -> None:
    if reads == "like_llama2" and ("\n" in text or not text.startswith(" ")):
        pytest.skip("this tokenizer has no line break, and begins every text with a space")
    lm = make_causal(reads=reads)
    writing = lm.writings.chunk(LINE)
    (ids,) = writing.ids([text])
    ended = not LINE.goes_on(text)
    assert writing.texts([ids])[0].lstrip(" ") == text.lstrip(" ")
    if reads != "like_llama2":
        assert writing.texts([ids]) == [text]
    assert (ids[-1] in lm.stop_ids) == ended


def test_a_space_before_a_word_is_kept_by_a_tokenizer_that_hides_it(
    make_causal: MakeCausal,
) -> None:
    lm = make_causal(reads="like_llama2")
    two = lm.tokenizer.convert_tokens_to_ids(["▁t", "u"])
    assert lm.tokenizer.decode(two) == "tu", "as this kind of tokenizer does"
    assert lm.writings.chunk(FREE).texts([two]) == [" tu"]


def test_a_letter_that_was_cut_is_left_for_the_next_chunk(make_causal: MakeCausal) -> None:
    writing = make_causal().writings.chunk(FREE)
    (ids,) = writing.ids(["a é"])
    assert writing.texts([ids, ids[:-1]]) == ["a é", "a "]


def test_a_chunk_fits_into_the_context(make_causal: MakeCausal) -> None:
    lm = make_causal("gpt2", max_tokens=1024)  # a context of 512
    long = WritingPrompt("x", (), ("go to a wall\n" * 200,), chunk=Chunk((), 100))
    with pytest.warns(UserWarning, match="is cut to"):
        (reply,) = lm.act([long])
    assert reply.usage.tokens + reply.usage.output_tokens <= 512
    assert lm.room(400, 100) == 100 and lm.room(480, 100) == 32


def test_of_a_long_text_the_middle_is_left_out() -> None:
    def words(texts: list[str]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]

    text = WritingPrompt("1 2", (), (" ".join(str(k) for k in range(3, 101)),), chunk=LINE)
    with pytest.warns(UserWarning, match="a prompt of 100 tokens is cut to 10"):
        assert Reader(words, 1, 10).read([text]) == [[1, 2, 3, 4, 5, 96, 97, 98, 99, 100]]


def test_a_chunk_is_learned_as_it_follows_a_text(make_causal: MakeCausal, make_lm: MakeLM) -> None:
    states = tuple({"chunk": {"stops": ["\n"], "tokens": 9}} for _ in range(2))
    labels = ("go to a wall\n", "the end")
    episode = Demonstration(
        "say", (), ("", labels[0]), labels, labels, True, history="writing", states=states
    )
    for lm in (make_causal(), make_lm()):
        examples = Examples()
        examples.add(lm, [episode])
        first, last = (ids.tolist() for ids in examples._labels)
        assert lm.tokenizer.decode(first) == labels[0], "no space before it, no end behind it"
        assert lm.tokenizer.decode(last[:-1]) == labels[1] and last[-1] in lm.stop_ids
