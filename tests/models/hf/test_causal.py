"""Causal models as players, on tiny ones with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from londi.config import FinetuneConfig, TrainConfig
from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.evaluation.play import play
from londi.imitation.demonstrations import Demonstration
from londi.imitation.examples import Examples
from londi.imitation.finetune import finetune
from londi.learning.trainer import train
from londi.models.hf.causal import CausalModel
from londi.models.hf.scoring import IGNORED, Candidates
from londi.models.pair import load_pair
from londi.models.registry import load_model
from londi.switching.budget import Budget
from londi.switching.switcher import Switcher
from models.hf.tiny import CHAT, KINDS, TOKENIZERS, UNEVEN, MakeCausal


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
    make_causal: MakeCausal, prompts: list[Prompt], made: tuple[str, ...]
) -> None:
    lm = make_causal(*made)
    read = lm.reader.read(prompts)
    assert read == [asked(lm, prompt) for prompt in prompts]
    assert len(set(map(len, read))) > 2
    candidates = Candidates([lm.listed(UNEVEN)] * len(prompts), lm.model.device)
    with torch.inference_mode():
        found, _ = lm.scores(*lm._padded(read, front=True), candidates)
    expected = torch.tensor([[naive(lm, p, a) for a in UNEVEN] for p in prompts])
    torch.testing.assert_close(found.view_as(expected), expected, atol=1e-3, rtol=1e-4)
    for reply, row in zip(lm.act(prompts), expected, strict=True):
        assert reply.action == UNEVEN[int(row.argmax())]
        assert reply.logprob == pytest.approx(float(row.max()), abs=1e-3)
        assert reply.confidence == pytest.approx(float(row.softmax(0).max()), abs=1e-3)


@pytest.mark.parametrize("choose", ["score", "generate"])
def test_an_answer_does_not_depend_on_its_batch(
    make_causal: MakeCausal, prompts: list[Prompt], choose: str
) -> None:
    together = make_causal(choose=choose).act(prompts)
    for reply, prompt in zip(together, prompts, strict=True):
        (alone,) = make_causal(choose=choose, batch_size=1).act([prompt])
        assert reply.action == alone.action
        assert reply.logprob == pytest.approx(alone.logprob, abs=1e-3)
        np.testing.assert_allclose(reply.embedding, alone.embedding, atol=1e-4)


def test_the_embedding_is_the_last_state_of_the_prompt(
    make_causal: MakeCausal, prompts: list[Prompt]
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
    make_causal: MakeCausal, prompts: list[Prompt], kind: str
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
    make_causal: MakeCausal, prompts: list[Prompt]
) -> None:
    lm = make_causal(choose="generate")
    first = int(logits_of(lm, asked(lm, prompts[0]))[-1].argmax())
    lm.model.generation_config.eos_token_id = [1, first]
    again = CausalModel(lm.model, lm.tokenizer, "two ends", choose="generate")
    (reply,) = again.act(prompts[:1])
    assert reply.usage.flops == lm.flops(reply.usage.tokens, 1)


def test_prompts_of_one_batch_may_have_different_actions(
    make_causal: MakeCausal, prompts: list[Prompt]
) -> None:
    lm = make_causal()
    mixed = [prompts[0], replace(prompts[1], actions=("drop", "toggle")), prompts[2]]
    together, alone = lm.act(mixed), [lm.act([prompt])[0] for prompt in mixed]
    assert [reply.action for reply in together] == [reply.action for reply in alone]
    assert together[1].action in ("drop", "toggle")


def test_half_precision_answers_nearly_as_well(
    make_causal: MakeCausal, prompts: list[Prompt]
) -> None:
    full, half = make_causal().act(prompts), make_causal(dtype="bfloat16").act(prompts)
    for one, other in zip(full, half, strict=True):
        assert other.logprob == pytest.approx(one.logprob, rel=0.05)
        assert other.embedding is not None and other.embedding.dtype == np.float32


def test_a_state_that_is_too_long_still_asks_for_the_action(make_causal: MakeCausal) -> None:
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
    make_causal: MakeCausal, choose: str
) -> None:
    lm = make_causal("gpt2", choose=choose)
    long = Prompt("go", UNEVEN[:3], ("You see a ball " * 400,))
    (reply,) = lm.act([long])
    assert reply.usage.tokens == 512 - 16


@pytest.mark.filterwarnings("ignore:a prompt of")
def test_a_longer_action_is_refused_where_there_is_no_room(make_causal: MakeCausal) -> None:
    lm = make_causal("gpt2")
    long = Prompt("go", UNEVEN, ("You see a ball " * 400,))
    with pytest.raises(ModelError, match=r"an action of \d+ tokens .* in the context of 512"):
        lm.act([long])


def test_a_turn_ends_an_answer_where_there_are_turns(make_causal: MakeCausal) -> None:
    chat, plain = make_causal(chat=CHAT), make_causal()
    turn = chat.tokenizer.convert_tokens_to_ids("<turn>")
    assert chat.action_ids(["x"])[0][-1] == turn != chat.tokenizer.eos_token_id
    assert plain.action_ids(["x"])[0][-1] == plain.tokenizer.eos_token_id


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_flops_are_those_that_torch_counts(
    make_causal: MakeCausal, prompts: list[Prompt], kind: str
) -> None:
    lm = make_causal(kind, choose="generate", max_new_tokens=4)
    lm.model.set_attn_implementation("eager")  # the counter sees every product
    with FlopCounterMode(display=False) as counter:
        (reply,) = lm.act(prompts[-1:])
    assert reply.usage.tokens == len(asked(lm, prompts[-1]))
    assert reply.usage.flops == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_of_several_experts_those_that_are_asked_are_counted(make_causal: MakeCausal) -> None:
    # Two layers, two of four experts, and three matrices of an expert for the one of a llama.
    one, four = make_causal("llama"), make_causal("mixtral")
    more = four.flops(100, 1) - one.flops(100, 1)
    router = 100 * 2 * 32 * 4
    assert more == 2.0 * (100 * 2 * (2 - 1) * 3 * 32 * 64 + router)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_over_the_tokens_of_actions(
    make_causal: MakeCausal, demonstrations: list[Demonstration], kind: str
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
    make_causal: MakeCausal, tiny_config: FinetuneConfig, tmp_path: Path
) -> None:
    lm = make_causal()
    config = replace(tiny_config, base=lm.name, steps=60, rounds=0)
    losses = []
    assert finetune(config, tmp_path / "run", on_progress=lambda now: losses.append(now.loss))
    assert losses[-1] < 0.5 * losses[0]
    trained = load_model(str(tmp_path / "run" / "model"))
    assert isinstance(trained, CausalModel)
    assert trained.fingerprint != lm.fingerprint


def test_a_switcher_is_trained_between_two_of_them(make_causal: MakeCausal, tmp_path: Path) -> None:
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
