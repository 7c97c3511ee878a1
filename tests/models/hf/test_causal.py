"""Causal models as players, on tiny ones with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerFast,
)

from londi.config import FinetuneConfig, TrainConfig
from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.evaluation.evaluate import play
from londi.imitation.demonstrations import Demonstration
from londi.imitation.examples import Examples
from londi.imitation.finetune import finetune
from londi.imitation.tokenizer import learn_tokenizer
from londi.learning.trainer import train
from londi.models.hf.causal import CausalModel
from londi.models.hf.transformer import IGNORED
from londi.models.pair import load_pair
from londi.models.registry import load_model, load_transformer
from londi.switching.budget import Budget
from londi.switching.switcher import Switcher

# Words that the tokenizer knows, and words that it has to spell.
UNEVEN = ("turn left", "go forward", "pick up", "zigzag quickly around", "x")

CHAT = (
    "{% for said in messages %}<{{ said['role'] }}> {{ said['content'] }} <turn> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% if enable_thinking is not defined or"
    " enable_thinking %}<think> {% endif %}{% endif %}"
)

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "eos_token_id": 1,
}

KINDS: dict[str, Callable[[int], Any]] = {
    # Rotary positions and shared keys; a window shorter than a prompt; experts; layers that keep
    # other things than keys and values; learned positions; no positions.
    "llama": lambda size: LlamaForCausalLM(LlamaConfig(vocab_size=size, **SMALL)),
    "mistral": lambda size: MistralForCausalLM(
        MistralConfig(vocab_size=size, sliding_window=8, **SMALL)
    ),
    "mixtral": lambda size: MixtralForCausalLM(
        MixtralConfig(vocab_size=size, num_local_experts=4, num_experts_per_tok=2, **SMALL)
    ),
    "lfm2": lambda size: Lfm2ForCausalLM(
        Lfm2Config(vocab_size=size, layer_types=["conv", "full_attention"], **SMALL)
    ),
    "gpt2": lambda size: GPT2LMHeadModel(
        GPT2Config(vocab_size=size, eos_token_id=1, n_embd=32, n_layer=2, n_head=4, n_positions=512)
    ),
    "bloom": lambda size: BloomForCausalLM(
        BloomConfig(vocab_size=size, eos_token_id=1, hidden_size=32, n_layer=2, n_head=4)
    ),
}

MakeLM = Callable[..., CausalModel]


def merging(texts: list[str]) -> Any:
    """Has one token for a colon and a space, adds an end token, and has one to pad with."""
    return learn_tokenizer(texts, (), 300)


def like_gpt2(texts: list[str]) -> Any:
    """Spaces begin words; nothing is added, and nothing to pad with."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<end>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def like_llama2(texts: list[str]) -> Any:
    """Every text begins with a space of its own, behind a start token; nothing to pad with."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    special = ["<unk>", "</s>", "<s>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([*texts, *UNEVEN], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


TOKENIZERS = {make.__name__: make for make in (merging, like_gpt2, like_llama2)}


@pytest.fixture(scope="module")
def make_causal(
    demonstrations: list[Demonstration], tmp_path_factory: pytest.TempPathFactory
) -> MakeLM:
    """Make a tiny model with random weights, saved and loaded again."""
    texts = [p.text() for e in demonstrations for p, _ in e.examples(3)]
    folders: dict[Any, Path] = {}

    def make(
        kind: str = "llama", reads: str = "like_gpt2", chat: str | None = None, **settings: Any
    ) -> CausalModel:
        key = kind, reads, chat
        if key not in folders:
            tokenizer = TOKENIZERS[reads](texts)
            if chat:
                tokenizer.chat_template = chat
                tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
            torch.manual_seed(0)
            model = KINDS[kind](len(tokenizer))
            for parameter in model.parameters():
                if parameter.ndim == 2:  # far enough from uniform that a mistake shows
                    torch.nn.init.normal_(parameter, std=0.3)
            folders[key] = tmp_path_factory.mktemp(kind)
            CausalModel(model, tokenizer, "tiny").save(folders[key])
        lm = load_transformer(str(folders[key]), **settings)
        assert isinstance(lm, CausalModel)
        return lm

    return make


@pytest.fixture
def prompts(demonstrations: list[Demonstration]) -> list[Prompt]:
    """States of different lengths."""
    states = [prompt for episode in demonstrations[:3] for prompt, _ in episode.examples(3)][:8]
    return [Prompt(p.goal, UNEVEN, p.observations, p.past) for p in states]


def ids_of(lm: CausalModel, text: str) -> list[int]:
    found: list[int] = lm.tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def asked(lm: CausalModel, prompt: Prompt) -> list[int]:
    """The prompt as it is read: up to the colon behind which the action belongs."""
    if lm.tokenizer.chat_template:
        return ids_of(lm, f"<user> {prompt.text()} <turn> <assistant> ")
    assert prompt.text().endswith(": ")
    start = [lm.tokenizer.bos_token_id] if lm.tokenizer.bos_token else []
    return start + ids_of(lm, prompt.text()[:-1])


def answer(lm: CausalModel, prompt: Prompt, action: str) -> list[int]:
    """The tokens of an action behind its prompt."""
    if lm.tokenizer.chat_template:
        return [*ids_of(lm, action), lm.tokenizer.convert_tokens_to_ids("<turn>")]
    before, whole = ids_of(lm, prompt.text()[:-1]), ids_of(lm, prompt.text() + action)
    parted = whole[: len(before)] == before  # in all but `merging`
    own = whole[len(before) :] if parted else ids_of(lm, " " + action)
    return [*own, lm.tokenizer.eos_token_id]


def logits_of(lm: CausalModel, ids: list[int]) -> torch.Tensor:
    """Logits `[T, V]`: one plain pass, nothing padded or shared."""
    with torch.inference_mode():
        logits: torch.Tensor = lm.model(torch.tensor([ids]), use_cache=False).logits[0]
    return logits


def naive(lm: CausalModel, prompt: Prompt, action: str) -> float:
    """log p(action, end | prompt), token by token."""
    before, target = asked(lm, prompt), answer(lm, prompt, action)
    logits = logits_of(lm, before + target)[len(before) - 1 : -1].log_softmax(-1)
    return float(sum(logits[t, token] for t, token in enumerate(target)))


@pytest.mark.parametrize(
    "made",
    [(kind,) for kind in KINDS]
    + [("llama", reads) for reads in TOKENIZERS]
    + [("llama", "like_gpt2", CHAT)],
    ids=lambda made: "-".join(made)[:20],
)
def test_scores_are_the_sums_of_log_probabilities(
    make_causal: MakeLM, prompts: list[Prompt], made: tuple[str, ...]
) -> None:
    lm = make_causal(*made)
    read = lm.reader.read(prompts)
    assert read == [asked(lm, prompt) for prompt in prompts]
    assert len(set(map(len, read))) > 2
    with torch.inference_mode():
        found, _ = lm.scores(*lm._padded(read, front=True), UNEVEN)
    expected = torch.tensor([[naive(lm, p, a) for a in UNEVEN] for p in prompts])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)
    for reply, row in zip(lm.act(prompts), expected, strict=True):
        assert reply.action == UNEVEN[int(row.argmax())]
        assert reply.logprob == pytest.approx(float(row.max()), abs=1e-3)
        assert reply.confidence == pytest.approx(float(row.softmax(0).max()), abs=1e-3)


@pytest.mark.parametrize("choose", ["score", "generate"])
def test_an_answer_does_not_depend_on_its_batch(
    make_causal: MakeLM, prompts: list[Prompt], choose: str
) -> None:
    together = make_causal(choose=choose).act(prompts)
    for reply, prompt in zip(together, prompts, strict=True):
        (alone,) = make_causal(choose=choose, batch_size=1).act([prompt])
        assert reply.action == alone.action
        assert reply.logprob == pytest.approx(alone.logprob, abs=1e-3)
        np.testing.assert_allclose(reply.embedding, alone.embedding, atol=1e-4)


def test_the_embedding_is_the_last_state_of_the_prompt(
    make_causal: MakeLM, prompts: list[Prompt]
) -> None:
    for choose in ("score", "generate"):
        lm = make_causal(choose=choose)
        for prompt, reply in zip(prompts, lm.act(prompts), strict=True):
            with torch.inference_mode():
                states = lm.model.model(torch.tensor([asked(lm, prompt)])).last_hidden_state
            assert reply.embedding is not None and reply.embedding.shape == (lm.embedding_size,)
            np.testing.assert_allclose(reply.embedding, states[0, -1].numpy(), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_generation_is_greedy_and_ends_with_the_line(
    make_causal: MakeLM, prompts: list[Prompt], kind: str
) -> None:
    lm = make_causal(kind, choose="generate", max_new_tokens=6)
    for prompt, reply in zip(prompts, lm.act(prompts), strict=True):
        made: list[int] = []
        total = 0.0
        for _ in range(6):
            row = logits_of(lm, asked(lm, prompt) + made)[-1].log_softmax(-1)
            made.append(int(row.argmax()))
            total += float(row.max())
            if made[-1] == lm.tokenizer.eos_token_id or "\n" in lm.tokenizer.decode(made):
                break
        text = lm.tokenizer.decode(made, skip_special_tokens=True).strip()
        assert reply.action == text.partition("\n")[0].strip()
        assert reply.logprob == pytest.approx(total, abs=1e-3)


def test_generation_ends_with_any_end_token_of_the_model(
    make_causal: MakeLM, prompts: list[Prompt]
) -> None:
    lm = make_causal(choose="generate")
    first = int(logits_of(lm, asked(lm, prompts[0]))[-1].argmax())
    lm.model.generation_config.eos_token_id = [1, first]
    again = CausalModel(lm.model, lm.tokenizer, "two ends", choose="generate")
    (reply,) = again.act(prompts[:1])
    assert reply.usage.flops == lm.flops(reply.usage.tokens, 1)


def test_what_a_checkpoint_brings_for_its_own_way_of_generating_is_left_out(
    make_causal: MakeLM, prompts: list[Prompt]
) -> None:
    plain, other = make_causal(choose="generate"), make_causal(choose="generate")
    other.model.generation_config.repetition_penalty = 3.0
    other = CausalModel(other.model, other.tokenizer, "penalised", choose="generate")
    actions = [reply.action for reply in plain.act(prompts)]
    assert [reply.action for reply in other.act(prompts)] == actions


def test_prompts_of_one_batch_may_have_different_actions(
    make_causal: MakeLM, prompts: list[Prompt]
) -> None:
    lm = make_causal()
    mixed = [prompts[0], replace(prompts[1], actions=("drop", "toggle")), prompts[2]]
    together, alone = lm.act(mixed), [lm.act([prompt])[0] for prompt in mixed]
    assert [reply.action for reply in together] == [reply.action for reply in alone]
    assert together[1].action in ("drop", "toggle")


def test_half_precision_answers_nearly_as_well(make_causal: MakeLM, prompts: list[Prompt]) -> None:
    full, half = make_causal().act(prompts), make_causal(dtype="bfloat16").act(prompts)
    for one, other in zip(full, half, strict=True):
        assert other.logprob == pytest.approx(one.logprob, rel=0.05)
        assert other.embedding is not None and other.embedding.dtype == np.float32


def test_a_state_that_is_too_long_still_asks_for_the_action(make_causal: MakeLM) -> None:
    for chat, end in ((None, "Action 0:"), (CHAT, "<turn> <assistant> ")):
        lm = make_causal(chat=chat, max_tokens=60)
        state = Prompt("go", UNEVEN, ("You see a ball " * 40,))
        with pytest.warns(UserWarning, match="is cut to 60"):
            (ids,) = lm.reader.read([state])
        assert len(ids) == 60
        assert lm.tokenizer.decode(ids).endswith(end)


@pytest.mark.filterwarnings("ignore:a prompt of")
@pytest.mark.parametrize("choose", ["score", "generate"])
def test_there_is_room_for_the_action_behind_a_full_context(
    make_causal: MakeLM, choose: str
) -> None:
    lm = make_causal("gpt2", choose=choose)
    long = Prompt("go", UNEVEN[:3], ("You see a ball " * 400,))
    (reply,) = lm.act([long])
    assert reply.usage.tokens == 512 - 16


@pytest.mark.filterwarnings("ignore:a prompt of")
def test_a_longer_action_is_refused_where_there_is_no_room(make_causal: MakeLM) -> None:
    lm = make_causal("gpt2")
    long = Prompt("go", UNEVEN, ("You see a ball " * 400,))
    with pytest.raises(ModelError, match=r"an action of \d+ tokens .* in the context of 512"):
        lm.act([long])


def test_a_turn_ends_an_answer_where_there_are_turns(make_causal: MakeLM) -> None:
    chat, plain = make_causal(chat=CHAT), make_causal()
    turn = chat.tokenizer.convert_tokens_to_ids("<turn>")
    assert chat.action_ids(["x"])[0][-1] == turn != chat.tokenizer.eos_token_id
    assert plain.action_ids(["x"])[0][-1] == plain.tokenizer.eos_token_id


def test_the_fingerprint_is_of_all_that_answers_depend_on(make_causal: MakeLM) -> None:
    other = make_causal("mistral")
    other.model.config.sliding_window = 9
    made = [
        make_causal(),
        make_causal(reads="like_llama2"),
        make_causal(chat=CHAT),
        make_causal(chat=CHAT + " "),
        make_causal("mistral"),
        other,
    ]
    assert len({lm.fingerprint for lm in made}) == len(made)
    lm = make_causal()
    lm.tokenizer(["a", "a b"], padding=True, truncation=True, max_length=1)
    assert lm.fingerprint == made[0].fingerprint


def test_a_tokenizer_without_an_end_is_refused(make_causal: MakeLM) -> None:
    lm = make_causal()
    lm.tokenizer.eos_token = None
    with pytest.raises(ModelError, match="'endless': its tokenizer has no end token"):
        CausalModel(lm.model, lm.tokenizer, "endless")


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_flops_are_those_that_torch_counts(
    make_causal: MakeLM, prompts: list[Prompt], kind: str
) -> None:
    lm = make_causal(kind, choose="generate", max_new_tokens=4)
    lm.model.set_attn_implementation("eager")  # the counter sees every product
    with FlopCounterMode(display=False) as counter:
        (reply,) = lm.act(prompts[-1:])
    assert reply.usage.tokens == len(asked(lm, prompts[-1]))
    assert reply.usage.flops == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_of_several_experts_those_that_are_asked_are_counted(make_causal: MakeLM) -> None:
    # Two layers, two of four experts, and three matrices of an expert for the one of a llama.
    one, four = make_causal("llama"), make_causal("mixtral")
    more = four.flops(100, 1) - one.flops(100, 1)
    router = 100 * 2 * 32 * 4
    assert more == 2.0 * (100 * 2 * (2 - 1) * 3 * 32 * 64 + router)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_over_the_tokens_of_actions(
    make_causal: MakeLM, demonstrations: list[Demonstration], kind: str
) -> None:
    lm = make_causal(kind)
    examples = Examples()
    examples.add(lm, demonstrations[:1])
    pairs = demonstrations[0].examples(lm.history)
    batch = next(examples.batches(len(examples), np.random.default_rng(0), pad=0))
    assert batch[1].sum(1).unique().numel() > 1
    with torch.inference_mode():
        loss = float(lm.loss(*batch))
    total = -sum(naive(lm, prompt, action) for prompt, action in pairs)
    assert loss == pytest.approx(total / int((batch[2] != IGNORED).sum()), rel=1e-4)


def test_a_causal_model_learns_to_act(
    make_causal: MakeLM, tiny_config: FinetuneConfig, tmp_path: Path
) -> None:
    lm = make_causal()
    config = replace(tiny_config, base=lm.name, steps=60, rounds=0)
    losses = []
    assert finetune(config, tmp_path / "run", on_progress=lambda now: losses.append(now.loss))
    assert losses[-1] < 0.5 * losses[0]
    trained = load_model(str(tmp_path / "run" / "model"))
    assert isinstance(trained, CausalModel)
    assert trained.fingerprint != lm.fingerprint


def test_a_switcher_is_trained_between_two_of_them(make_causal: MakeLM, tmp_path: Path) -> None:
    quick, deepthink = make_causal(), make_causal("gpt2")
    config = TrainConfig(
        env="londi/BabyAIText-GoToObjS4-v0",
        quick=quick.name,
        deepthink=deepthink.name,
        steps=64,
        warmup=32,
        batch_size=16,
        num_envs=4,
    )
    assert train(config, tmp_path / "run")
    pair = load_pair(config, seed=0)
    switcher = Switcher.load(tmp_path / "run", pair.quick, pair.deepthink)
    played = play(pair, switcher, [0, 1], cost=0.0, budget=Budget(), num_envs=2, seed=0)
    assert all(episode[-1].step.terminated or episode[-1].step.truncated for episode in played)
