"""Causal models as players, on tiny ones with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from londi.budget import Budget
from londi.config import FinetuneConfig, TrainConfig
from londi.demonstrations import Demonstration
from londi.evaluate import play
from londi.finetune import Examples, finetune, learn_tokenizer
from londi.models import load_model, load_transformer
from londi.models.causal import CausalModel
from londi.models.transformer import IGNORED
from londi.pair import load_pair
from londi.prompts import Prompt
from londi.switcher import Switcher
from londi.train import train

# Words that the tokenizer knows, and words that it has to spell.
UNEVEN = ("turn left", "go forward", "pick up", "zigzag quickly around", "x")

CHAT = (
    "{% for said in messages %}<{{ said['role'] }}> {{ said['content'] }} ; {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)

KINDS: dict[str, Callable[[int], Any]] = {
    # Rotary positions and shared keys; learned positions; none.
    "llama": lambda size: LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            eos_token_id=1,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    ),
    "gpt2": lambda size: GPT2LMHeadModel(
        GPT2Config(vocab_size=size, eos_token_id=1, n_embd=32, n_layer=2, n_head=4, n_positions=512)
    ),
    "bloom": lambda size: BloomForCausalLM(
        BloomConfig(vocab_size=size, eos_token_id=1, hidden_size=32, n_layer=2, n_head=4)
    ),
}

MakeLM = Callable[..., CausalModel]


@pytest.fixture(scope="module")
def make_causal(
    demonstrations: list[Demonstration], tmp_path_factory: pytest.TempPathFactory
) -> MakeLM:
    """Make a tiny model with random weights, saved and loaded again."""
    texts = [p.text() for e in demonstrations for p, _ in e.examples(3)]
    folders: dict[Any, Path] = {}

    def make(kind: str = "llama", chat: bool = False, **settings: Any) -> CausalModel:
        key = kind, chat
        if key not in folders:
            tokenizer = learn_tokenizer(texts, (), 300)
            tokenizer.chat_template = CHAT if chat else None
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
        return ids_of(lm, f"<user> {prompt.text()} ; <assistant> ")
    assert prompt.text().endswith(": ")
    return ids_of(lm, prompt.text()[:-1])


def logits_of(lm: CausalModel, ids: list[int]) -> torch.Tensor:
    """Logits `[T, V]`: one plain pass, nothing padded or shared."""
    with torch.inference_mode():
        logits: torch.Tensor = lm.model(torch.tensor([ids]), use_cache=False).logits[0]
    return logits


def naive(lm: CausalModel, prompt: Prompt, action: str) -> float:
    """log p(action, end | prompt), token by token."""
    before = asked(lm, prompt)
    text = action if lm.tokenizer.chat_template else " " + action
    target = [*ids_of(lm, text), lm.tokenizer.eos_token_id]
    logits = logits_of(lm, before + target)[len(before) - 1 : -1].log_softmax(-1)
    return float(sum(logits[t, token] for t, token in enumerate(target)))


@pytest.mark.parametrize(("kind", "chat"), [(kind, False) for kind in KINDS] + [("llama", True)])
def test_scores_are_the_sums_of_log_probabilities(
    make_causal: MakeLM, prompts: list[Prompt], kind: str, chat: bool
) -> None:
    lm = make_causal(kind, chat)
    read = lm.reader.read(prompts)
    assert read == [asked(lm, prompt) for prompt in prompts]
    assert len(set(map(len, read))) > 2
    with torch.inference_mode():
        found, _ = lm.scores(*lm._padded(read), UNEVEN)
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


def test_a_state_that_is_too_long_still_asks_for_the_action(make_causal: MakeLM) -> None:
    for chat in (False, True):
        lm = make_causal(chat=chat, max_tokens=60)
        state = Prompt("go", UNEVEN, ("You see a ball " * 40,))
        with pytest.warns(UserWarning, match="is cut to 60"):
            (ids,) = lm.reader.read([state])
        assert len(ids) == 60
        end = "; <assistant> " if chat else "Action 0:"
        assert lm.tokenizer.decode(ids).endswith(end)


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
