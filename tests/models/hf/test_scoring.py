"""Lists of candidates that differ from prompt to prompt, scored together by torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import MambaConfig, MambaForCausalLM

from londi.envs.prompt import Prompt
from londi.models.hf import scoring
from londi.models.hf.causal import CausalModel
from londi.models.hf.scoring import CandidateList, passes
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.hf.transformer import TransformerModel
from londi.types import Reply
from models.hf.tiny import KINDS, MakeCausal, like_gpt2

MakeLM = Callable[..., Seq2SeqModel]

WORDS = st.sampled_from(("go", "turn left", "pick", "up", "zigzag", "x", "a red ball"))
LISTS = st.lists(
    st.lists(WORDS, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=6, unique=True
).map(tuple)


def listed(counts: list[int], worth: float = 0.0) -> CandidateList:
    """A list whose candidates have so many tokens."""
    actions = tuple(f"{k} of {counts}" for k in range(len(counts)))
    return CandidateList.of(actions, [[1] * count for count in counts], worth)


def assert_close(found: list[Reply], wanted: list[Reply]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
        assert one.action == other.action
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-4)


def counted(lm: TransformerModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of candidates of each pass from now on."""
    found: list[int] = []
    scores = lm.scores

    def count(*given: Any) -> Any:
        found.append(len(given[-1].row))
        return scores(*given)

    monkeypatch.setattr(lm, "scores", count)
    return found


@pytest.fixture(scope="module", params=["t5", "t5-glam", "mamba", *KINDS])
def lm(request: pytest.FixtureRequest, make_lm: MakeLM, make_causal: MakeCausal) -> Any:
    """A model of each kind, on torch: one that keeps a state in place of keys and values too."""
    if request.param == "mamba":
        tokenizer = like_gpt2(["go turn left pick up a red ball"])
        config = MambaConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2)
        torch.manual_seed(0)
        return CausalModel(MambaForCausalLM(config), tokenizer, "mamba")
    if request.param.startswith("t5"):
        return make_lm(scoring="glam" if request.param == "t5-glam" else "logprob")
    return make_causal(request.param)


@settings(max_examples=6, deadline=None)
@given(lists=st.lists(LISTS, min_size=2, max_size=5))
def test_any_lists_are_scored_together_as_alone(
    lm: TransformerModel, lists: list[tuple[str, ...]]
) -> None:
    asked = [Prompt("go", own, ("You see a ball " * (k + 1),), ()) for k, own in enumerate(lists)]
    assert_close(lm.act(asked), [lm.act([prompt])[0] for prompt in asked])


def test_one_pass_scores_all_lists(lm: TransformerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Prompt("go", ("turn left", "x", "go"), ("You see a ball",))
    asked = [one, replace(one, goal="turn"), replace(one, actions=("x", "pick up a red ball"))]
    found = counted(lm, monkeypatch)
    together = lm.act(asked)
    assert found == [8]
    lm.act(asked[:2])
    assert found == [8, 6]
    monkeypatch.setattr(scoring, "COPIED", 1)
    assert_close(lm.act(asked), together)
    assert sorted(found[2:]) == [2, 3, 3], "as many as memory is meant to hold"
    lm.act(asked[:2])
    assert found[5:] == [6], "one list is one pass"


def test_an_action_needs_room_behind_its_own_prompt_only(make_causal: MakeCausal) -> None:
    """The longest prompt of a batch and the longest action of another do not add up."""
    lm = make_causal("gpt2")
    context = lm.model.config.n_positions
    prompts = [
        Prompt("go", ("x", "go"), ("a ball " * 400,)),
        Prompt("go", ("x", "zigzag quickly around " * 8), ("a ball",)),
    ]
    with pytest.warns(UserWarning, match="is cut"):
        together = lm.act(prompts)
    longest = max(lm.listed(prompts[1].actions).lengths)
    assert together[0].usage.tokens + longest > context
    assert_close(together, [lm.act([prompt])[0] for prompt in prompts])


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=9), min_size=1, max_size=9),
    st.lists(st.integers(1, 300), min_size=9, max_size=9).map(sorted),
)
def test_passes_hold_all_prompts_in_order_and_no_more_than_was_said(
    counts: list[list[int]], lengths: list[int]
) -> None:
    lists, lengths = [listed(own) for own in counts], lengths[: len(counts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "COPIED", 1000)
        parts = list(passes(lists, lengths))
        shared = list(passes([lists[0]] * len(lengths), lengths))
    assert shared == [slice(len(lengths))]
    assert [k for part in parts for k in range(len(lists))[part]] == list(range(len(lists)))
    if len({own.actions for own in lists}) > 1:
        for part in parts:
            longest = max(n + max(c) for n, c in zip(lengths[part], counts[part], strict=True))
            copied = longest * sum(len(own) for own in counts[part])
            assert copied <= 1000 or part.stop == part.start + 1


def test_padding_counts_what_it_is_worth() -> None:
    assert listed([3, 1], worth=1.0).padding.tolist() == [0, 2]
    assert listed([3, 1]).padding.tolist() == [0, 0]
    (choice,) = listed([3, 1], worth=1.0).choices(np.array([[4, 3]], np.float32))
    assert choice.action == "1 of [3, 1]" and choice.tokens == 1
