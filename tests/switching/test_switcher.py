"""Who decides: what each Switcher would do, and that it does what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.encoders.base import ConfidenceEncoder
from londi.errors import InvalidConfig
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import Network, PenaltyActor
from londi.switching.observation import CONTEXT
from londi.switching.switcher import (
    ConstantSwitcher,
    Expectation,
    LearnedSwitcher,
    Switcher,
    ThresholdSwitcher,
)
from switching.observed import WIDTH, everywhere, seen, undecided


def actor() -> Network:
    """An actor over one feature."""
    return undecided(PenaltyActor(ConfidenceEncoder(), WIDTH, 1, 0.0), seen(200))


def leaning(logit: float) -> LearnedSwitcher:
    """A Switcher, not greedy, whose logits are (0, `logit`) whatever it sees."""
    made = actor()
    with torch.no_grad():
        made.head.weight.zero_()
        made.head.bias.copy_(torch.tensor([0.0, logit]))
    return LearnedSwitcher(made, "confidence", greedy=False)


SWITCHERS: dict[str, Switcher] = {
    "quick": ConstantSwitcher(0.0),
    "random": ConstantSwitcher(0.3),
    "deepthink": ConstantSwitcher(1.0),
    "threshold": ThresholdSwitcher(0.5),
    "greedy": LearnedSwitcher(actor(), "confidence", greedy=True),
    "sampled": LearnedSwitcher(actor(), "confidence", greedy=False),
}


def may(*calls: bool) -> np.ndarray:
    """Which choices are possible: QUICK's always, DEEPTHINK's as told."""
    return np.array([[True, call] for call in calls])


# What all of them keep to.


@pytest.mark.parametrize("name", SWITCHERS)
@settings(max_examples=30, deadline=None)
@given(
    calls=st.lists(st.booleans(), min_size=1, max_size=12),
    draw=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1.0, 100.0]),
)
def test_a_forbidden_call_has_no_chance_and_is_never_made(
    name: str, calls: list[bool], draw: int, scale: float
) -> None:
    switcher, allowed = SWITCHERS[name], may(*calls)
    observation = seen(len(calls), draw) * np.float32(scale)
    call = switcher.call_probability(observation, allowed)
    assert call.shape == (len(calls),)
    assert (call[~allowed[:, 1]] == 0).all()
    assert ((call >= 0) & (call <= 1)).all()
    decision = switcher.decide(observation, allowed, np.random.default_rng(draw))
    choice, propensity = decision.choice, decision.propensity
    assert not choice[~allowed[:, 1]].any()
    assert (propensity[~allowed[:, 1]] == 1).all()


@pytest.mark.parametrize("name", SWITCHERS)
@settings(max_examples=30, deadline=None)
@given(calls=st.lists(st.booleans(), min_size=1, max_size=12), draw=st.integers(0, 2**32 - 1))
def test_the_propensity_is_the_probability_of_the_choice_made(
    name: str, calls: list[bool], draw: int
) -> None:
    switcher, allowed = SWITCHERS[name], may(*calls)
    observation = seen(len(calls), draw)
    call = switcher.call_probability(observation, allowed)
    decision = switcher.decide(observation, allowed, np.random.default_rng(draw))
    choice, propensity = decision.choice, decision.propensity
    np.testing.assert_array_equal(decision.call_probability, call)
    assert decision.exploration == 0.0
    assert choice.shape == propensity.shape == (len(calls),) and choice.dtype == np.int64
    for g, p, chance in zip(choice.tolist(), propensity.tolist(), call.tolist(), strict=True):
        assert g in (0, 1)
        assert p == (chance if g else 1 - chance)
        assert p > 0  # what cannot happen has not happened


@pytest.mark.parametrize("name", ["random", "sampled"])
def test_calls_are_as_frequent_as_their_probability_says(name: str) -> None:
    switcher = SWITCHERS[name]
    observation = np.repeat(seen(1, seed=2), 20_000, axis=0)
    call = float(switcher.call_probability(observation[:1], everywhere(1))[0])
    assert 0.05 < call < 0.95
    choice = switcher.decide(observation, everywhere(20_000), np.random.default_rng(0)).choice
    # Five standard errors.
    assert choice.mean() == pytest.approx(call, abs=5 * (call * (1 - call) / 20_000) ** 0.5)


@pytest.mark.parametrize("name", SWITCHERS)
def test_the_same_generator_makes_the_same_choices(name: str) -> None:
    first, second = (
        SWITCHERS[name].decide(seen(50), everywhere(50), np.random.default_rng(9)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.choice, second.choice)
    np.testing.assert_array_equal(first.propensity, second.propensity)


class Lowest(np.random.Generator):
    """Draws the smallest number that a generator can give, and that comes once in 2**53."""

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        return np.zeros(size)


@pytest.mark.parametrize("name", SWITCHERS)
def test_not_even_the_smallest_draw_makes_a_forbidden_call(name: str) -> None:
    rng = Lowest(np.random.PCG64(0))
    decision = SWITCHERS[name].decide(seen(3), may(False, False, False), rng)
    assert not decision.choice.any() and (decision.propensity == 1).all()


# One by one.


def test_a_constant_switcher_does_not_look() -> None:
    for probability in (0.0, 0.25, 1.0):
        switcher = ConstantSwitcher(probability)
        call = switcher.call_probability(np.zeros((3, CONTEXT), np.float32), may(True, False, True))
        assert call.tolist() == [probability, 0.0, probability]
        assert switcher.encoder == "none"


def test_the_ends_of_a_constant_switcher_are_certain() -> None:
    for probability in (0, 1):
        decision = ConstantSwitcher(probability).decide(
            seen(1000), everywhere(1000), np.random.default_rng(0)
        )
        assert (decision.choice == probability).all() and (decision.propensity == 1).all()


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(InvalidConfig, match=r"expected a number in \[0, 1\]") as caught:
        ConstantSwitcher(probability)
    assert len(str(caught.value).splitlines()) == 1


def test_a_threshold_calls_where_quick_is_less_sure() -> None:
    observation = np.array([[c, 1, 0.1] for c in (0.2, 0.499, 0.5, 0.9)], np.float32)
    switcher = ThresholdSwitcher(0.5)
    assert switcher.encoder == "confidence"
    assert switcher.call_probability(observation, everywhere(4)).tolist() == [1, 1, 0, 0]
    allowed = may(False, True, True, True)
    assert switcher.call_probability(observation, allowed).tolist() == [0, 1, 0, 0]
    assert not ThresholdSwitcher(0.0).call_probability(observation, everywhere(4)).any()
    assert ThresholdSwitcher(1.1).call_probability(observation, everywhere(4)).all()


def test_a_sampled_switcher_has_the_policys_own_probability() -> None:
    # softmax(0, log 3) = (1/4, 3/4)
    call = leaning(np.log(3)).call_probability(seen(2), may(True, False))
    assert call.tolist() == pytest.approx([0.75, 0.0])


@pytest.mark.parametrize(("logit", "expected"), [(2.0, 1.0), (0.01, 1.0), (-0.01, 0.0), (-2.0, 0)])
def test_a_greedy_switcher_takes_the_likelier_choice(logit: float, expected: float) -> None:
    switcher = leaning(logit)
    switcher.greedy = True
    assert switcher.call_probability(seen(3), everywhere(3)).tolist() == [expected] * 3


def test_where_both_are_as_likely_the_cheaper_one_acts() -> None:
    switcher = leaning(0.0)
    switcher.greedy = True
    assert not switcher.call_probability(seen(3), everywhere(3)).any()


def test_greedy_and_sampled_switchers_lean_the_same_way() -> None:
    observation = seen(200)
    greedy = SWITCHERS["greedy"].call_probability(observation, everywhere(200))
    sampled = SWITCHERS["sampled"].call_probability(observation, everywhere(200))
    np.testing.assert_array_equal(greedy == 1, sampled > 0.5)
    assert set(greedy.tolist()) == {0, 1} and len(set(sampled.tolist())) > 100


def test_a_decision_leaves_no_gradient_behind() -> None:
    made = actor()
    switcher = LearnedSwitcher(made, "confidence")
    switcher.call_probability(seen(3), everywhere(3))
    assert not any(p.requires_grad for p in made.parameters()) and not made.training


# What it expects.


def test_what_a_call_gains_and_how_many_more_follow_on_it() -> None:
    said = Expectation(np.array([[0.25, 0.75]]), np.array([[1.0, 3.0]]))
    assert said.gain.tolist() == [0.5] and said.more_calls.tolist() == [2.0]


def test_a_cost_or_budget_outside_of_its_range_is_refused() -> None:
    made = LearnedSwitcher(actor(), "confidence", supported=CostBudgetRange(0.02, 0.8, 3))
    made.check_supported(0.02, Budget(3))
    made.check_supported(0.8, Budget())
    for cost, budget in ((0.01, Budget()), (0.1, Budget(4))):
        with pytest.raises(InvalidConfig, match="expected one that the Switcher was trained for"):
            made.check_supported(cost, budget)
    ConstantSwitcher(0.5).check_supported(9.0, Budget(99))  # any
