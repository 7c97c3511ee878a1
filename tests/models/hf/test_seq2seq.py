"""Seq2seq models as players, on a tiny T5 with random weights."""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.imitation.demonstrations import Demonstration
from londi.models.hf.scoring import Candidates
from londi.models.hf.seq2seq import Seq2SeqModel
from models.hf.tiny import UNEVEN

MakeLM = Callable[..., Seq2SeqModel]


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """States of different lengths."""
    states = [prompt for episode in demonstrations[:3] for prompt, _ in episode.examples(3)][:10]
    return [Prompt(p.goal, UNEVEN, p.observations, p.past) for p in states]


def logits_of(lm: Seq2SeqModel, text: str, target: list[int]) -> torch.Tensor:
    """Logits `[T, V]` of a target after a text: one plain forward pass, nothing shared."""
    ids = torch.tensor([lm.tokenizer(text)["input_ids"]])
    shifted = torch.tensor([[lm.model.config.decoder_start_token_id, *target[:-1]]])
    with torch.inference_mode():
        return lm.model(input_ids=ids, decoder_input_ids=shifted, use_cache=False).logits[0]


def naive_logprob(lm: Seq2SeqModel, text: str, action: str) -> float:
    """log p(action, end | text), token by token."""
    target = lm.tokenizer(action)["input_ids"]
    assert target[-1] == lm.tokenizer.eos_token_id
    logits = logits_of(lm, text, target)
    total = 0.0
    for t, token in enumerate(target):
        total += float(logits[t, token] - torch.logsumexp(logits[t], 0))
    return total


def naive_glam(lm: Seq2SeqModel, text: str, action: str, width: int) -> float:
    """GLAM's score: raw logits, no end token, 1.0 for each place up to the longest candidate."""
    target = lm.tokenizer(action)["input_ids"][:-1]
    logits = logits_of(lm, text, target)
    picked = [float(logits[t, token]) for t, token in enumerate(target)]
    return sum(picked) + 1.0 * (width - len(target))


def scores(lm: Seq2SeqModel, prompts: list[Prompt]) -> torch.Tensor:
    """The batched scores `[B, C]`."""
    tokens = [lm.tokenizer(p.text())["input_ids"] for p in prompts]
    own = lm.listed(prompts[0].actions)
    with torch.inference_mode():
        found = lm.scores(*lm._encode(tokens), Candidates([own] * len(prompts), lm.model.device))
    return found.view(len(prompts), -1) + torch.from_numpy(own.padding)


def test_candidates_differ_in_length(make_lm: MakeLM) -> None:
    assert len({len(make_lm().tokenizer(a)["input_ids"]) for a in UNEVEN}) >= 3


def test_scores_are_the_sums_of_log_probabilities(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    assert len({len(lm.tokenizer(p.text())["input_ids"]) for p in prompts}) > 2
    naive = torch.tensor([[naive_logprob(lm, p.text(), a) for a in UNEVEN] for p in prompts])
    torch.testing.assert_close(scores(lm, prompts), naive, atol=2e-4, rtol=1e-4)


def test_glams_scores_are_as_published(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm(scoring="glam")
    width = max(len(lm.tokenizer(a)["input_ids"]) - 1 for a in UNEVEN)
    naive = torch.tensor([[naive_glam(lm, p.text(), a, width) for a in UNEVEN] for p in prompts])
    torch.testing.assert_close(scores(lm, prompts), naive, atol=2e-4, rtol=1e-4)


def test_a_candidate_of_one_token_can_be_scored(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    for scoring, naive in (("glam", lambda *a: naive_glam(*a, 1)), ("logprob", naive_logprob)):
        lm = make_lm(scoring=scoring)
        alone = Prompt("g", ("x",), prompts[0].observations)
        assert float(scores(lm, [alone])) == pytest.approx(naive(lm, alone.text(), "x"), abs=1e-4)


@pytest.mark.parametrize("scoring", ["logprob", "glam"])
def test_a_reply_is_the_best_candidate(
    make_lm: MakeLM, prompts: list[Prompt], scoring: str
) -> None:
    lm = make_lm(scoring=scoring)
    for reply, row in zip(lm.act(prompts), scores(lm, prompts), strict=True):
        assert reply.action == UNEVEN[int(row.argmax())]
        assert reply.logprob == pytest.approx(float(row.max()), abs=1e-3)
        share = float(torch.exp(row.max() - torch.logsumexp(row, 0)))
        assert reply.confidence == pytest.approx(share, abs=1e-3)


def test_an_answer_does_not_depend_on_its_batch(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    together = make_lm().act(prompts)
    for batch_size in (1, 3, 64):
        lm = make_lm(batch_size=batch_size)
        order = np.random.default_rng(batch_size).permutation(len(prompts))
        for i, reply in zip(order, lm.act([prompts[i] for i in order]), strict=True):
            assert reply.action == together[i].action
            assert reply.logprob == pytest.approx(together[i].logprob, abs=1e-3)
            assert reply.confidence == pytest.approx(together[i].confidence, abs=1e-3)
            np.testing.assert_allclose(reply.embedding, together[i].embedding, atol=1e-4)


def test_prompts_of_one_batch_may_have_different_actions(
    make_lm: MakeLM, prompts: list[Prompt]
) -> None:
    lm = make_lm()
    some = Prompt("g", ("drop", "toggle"), ("You see a wall 1 step forward",))
    replies = lm.act([prompts[0], some, prompts[1]])
    assert replies[1].action in some.actions
    assert [r.action for r in replies] == [
        lm.act([p])[0].action for p in (prompts[0], some, prompts[1])
    ]


def test_the_embedding_is_the_mean_of_the_encoder_states(
    make_lm: MakeLM, prompts: list[Prompt]
) -> None:
    lm = make_lm()
    for prompt, reply in zip(prompts, lm.act(prompts), strict=True):
        ids = torch.tensor([lm.tokenizer(prompt.text())["input_ids"]])
        with torch.inference_mode():
            states = lm.model.get_encoder()(input_ids=ids).last_hidden_state[0]
        assert reply.embedding is not None and reply.embedding.dtype == np.float32
        assert reply.embedding.shape == (lm.embedding_size,)
        np.testing.assert_allclose(reply.embedding, states.mean(0).numpy(), atol=1e-4)


def test_generation_says_what_greedy_decoding_says(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm(choose="generate", max_new_tokens=5)
    for prompt, reply in zip(prompts, lm.act(prompts), strict=True):
        made: list[int] = []
        total = 0.0
        for _ in range(5):
            row = logits_of(lm, prompt.text(), [*made, 0])[-1].log_softmax(-1)
            made.append(int(row.argmax()))
            total += float(row.max())
            if made[-1] == lm.tokenizer.eos_token_id:
                break
        assert reply.action == lm.tokenizer.decode(made, skip_special_tokens=True).strip()
        assert reply.logprob == pytest.approx(total, abs=1e-3)
        assert reply.confidence == pytest.approx(np.exp(total), abs=1e-3)


def test_usage_counts_what_was_done(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    for prompt, reply in zip(prompts, lm.act(prompts), strict=True):
        assert reply.usage.calls == 1
        assert reply.usage.tokens == len(lm.tokenizer(prompt.text())["input_ids"])
        assert reply.usage.seconds > 0
        steps = 1 + sum(len(lm.tokenizer(action)["input_ids"]) - 1 for action in prompt.actions)
        assert reply.usage.flops == lm.flops(reply.usage.tokens, steps)


@pytest.mark.parametrize("width", [16, 64])
def test_flops_are_those_that_torch_counts(
    make_lm: MakeLM, prompts: list[Prompt], width: int
) -> None:
    lm = make_lm(config={"d_model": width, "d_ff": 3 * width, "decoder_layers": 2})
    prompt = prompts[-1]
    lm.model.set_attn_implementation("eager")  # the counter sees every product
    with FlopCounterMode(display=False) as counter:
        reply = lm.act([prompt])[0]
    # A batch of candidates is padded, and padding is not charged: count it out.
    rows = [len(lm.tokenizer(a)["input_ids"]) - 1 for a in UNEVEN]
    padded = len(rows) * max(rows)
    config = lm.model.config
    inner, tokens = config.num_heads * config.d_kv, reply.usage.tokens
    layer = 4 * width * inner + 2 * width * 3 * width + 2 * width * inner + 2 * tokens * inner
    extra = 2.0 * (padded - sum(rows)) * (2 * layer + width * config.vocab_size)
    assert reply.usage.flops == pytest.approx(counter.get_total_flops() - extra, rel=0.1)


def test_one_that_is_no_t5_plays_as_well(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    tokenizer = make_lm().tokenizer
    torch.manual_seed(0)
    shape: dict[str, int] = {
        f"{side}_{what}": size
        for side in ("encoder", "decoder")
        for what, size in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 48))
    }
    ends = {
        "forced_eos_token_id": 1,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 1,
        "decoder_start_token_id": 1,
    }
    config = BartConfig(vocab_size=len(tokenizer), d_model=32, **shape, **ends)
    lm = Seq2SeqModel(BartForConditionalGeneration(config), tokenizer, "bart")
    naive = torch.tensor([[naive_logprob(lm, p.text(), a) for a in UNEVEN] for p in prompts])
    torch.testing.assert_close(scores(lm, prompts), naive, atol=2e-4, rtol=1e-4)
    lm = Seq2SeqModel(lm.model, tokenizer, "bart", choose="generate", max_new_tokens=6)
    lm.model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        (reply,) = lm.act(prompts[-1:])
    assert reply.usage.flops == pytest.approx(counter.get_total_flops(), rel=0.1)


def one_line(error: pytest.ExceptionInfo[ModelError], path: Path) -> None:
    assert len(str(error.value).splitlines()) == 1
    assert str(path) in str(error.value)


def test_pickled_weights_are_refused(make_lm: MakeLM, tmp_path: Path) -> None:
    lm = make_lm()
    lm.save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(lm.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError) as error:
        Seq2SeqModel.load(str(tmp_path))
    one_line(error, tmp_path)


def test_a_pickle_is_not_even_opened(make_lm: MakeLM, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    make_lm().save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError):
        Seq2SeqModel.load(str(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_a_missing_path_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        Seq2SeqModel.load(str(tmp_path / "nothing"))
    one_line(error, tmp_path / "nothing")


@pytest.mark.parametrize("content", [{}, {"README.md": "hello"}, {"config.json": "{}"}])
def test_a_folder_that_is_no_model_is_one_line(tmp_path: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError) as error:
        Seq2SeqModel.load(str(tmp_path))
    one_line(error, tmp_path)


def test_torn_weights_are_one_line(make_lm: MakeLM, tmp_path: Path) -> None:
    make_lm().save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError) as error:
        Seq2SeqModel.load(str(tmp_path))
    one_line(error, tmp_path)


def test_a_model_like_flan_t5_loads(make_lm: MakeLM, prompts: list[Prompt], tmp_path: Path) -> None:
    """Its head is not tied to its embeddings, and its feed-forward layers are gated."""
    tiny = make_lm()
    config = T5Config(
        vocab_size=len(tiny.tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=tiny.tokenizer.pad_token_id,
        pad_token_id=tiny.tokenizer.pad_token_id,
        eos_token_id=tiny.tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    Seq2SeqModel(T5ForConditionalGeneration(config), tiny.tokenizer, "flan").save(tmp_path)
    lm = Seq2SeqModel.load(str(tmp_path))
    assert lm.model.config.is_gated_act
    naive = torch.tensor([[naive_logprob(lm, p.text(), a) for a in UNEVEN] for p in prompts])
    torch.testing.assert_close(scores(lm, prompts), naive, atol=2e-4, rtol=1e-4)
    assert lm.act(prompts[:1])[0].usage.flops > 0


def test_nothing_is_warned_of_or_logged(
    make_lm: MakeLM,
    prompts: list[Prompt],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    # transformers says a thing once a process: forget what it has said.
    from transformers.utils import logging as theirs

    theirs.warning_once.cache_clear()
    library, listener = logging.getLogger("transformers"), Listener(logging.WARNING)
    library.addHandler(listener)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_lm().act(prompts)
            make_lm(choose="generate").act(prompts)
    finally:
        library.removeHandler(listener)
    assert said == []
    assert capfd.readouterr() == ("", "")
