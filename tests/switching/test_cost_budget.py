"""Every stored step can be learned from on any terms of a range."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from londi import TrainConfig
from londi.errors import InvalidConfig
from londi.learning.replay import Batch
from londi.switching.cost_budget import CostBudgetRange
from londi.types import CostBudget

SHARE, COST = 1, 2


def batch(choices: list[int]) -> Batch:
    """Observations of three numbers, the first of which names the transition."""
    n = len(choices)
    seen = torch.arange(n).float()[:, None].repeat(1, 3)
    both = torch.ones(n, 2, dtype=torch.bool)
    reward, ended = torch.rand(n), torch.zeros(n)
    return Batch(seen, torch.tensor(choices), reward, seen + 100, ended, both, both)


@settings(deadline=None)
@given(
    choices=st.lists(st.integers(0, 1), min_size=1, max_size=40),
    most=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_a_relabelled_step_could_have_been_played_so(
    choices: list[int], most: int, seed: int
) -> None:
    terms, before = CostBudgetRange(0.01, 0.5, most), batch(choices)
    after = terms.relabel(before, SHARE, COST, np.random.default_rng(seed))
    x, g = after.remaining, before.action
    # No call is made that the budget forbids, and each one takes one of it.
    assert (x >= g).all() and (x[torch.isfinite(x)] <= most).all()
    assert torch.equal(after.allowed[:, 1], x > 0)
    assert torch.equal(after.next_allowed[:, 1], x - g > 0)
    assert after.allowed[:, 0].all() and after.next_allowed[:, 0].all()
    for seen, left in ((after.observation, x), (after.next_observation, x - g)):
        torch.testing.assert_close(seen[:, SHARE], (left / (most + 1)).clamp(max=1))
    # A price stays what it is, and all else is left alone.
    assert ((after.cost >= 0.0099) & (after.cost <= 0.5001)).all()
    assert torch.equal(after.observation[:, COST], after.cost)
    assert torch.equal(after.next_observation[:, COST], after.cost)
    assert torch.equal(after.observation[:, 0], before.observation[:, 0])
    assert torch.equal(after.next_observation[:, 0], before.next_observation[:, 0])
    assert torch.equal(after.reward, before.reward)
    assert torch.equal(before.observation[:, COST], before.observation[:, 0])


def test_terms_are_drawn_from_all_of_the_range() -> None:
    terms = CostBudgetRange(0.001, 0.1, 10)
    drawn = [terms.of_episode(seed) for seed in range(2000)]
    assert drawn == [terms.of_episode(seed) for seed in range(2000)]
    assert {t.remaining for t in drawn} == {*map(float, range(11)), inf}
    # As many costs in one factor of ten as in the other.
    assert np.mean([t.cost < 0.01 for t in drawn]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([log(t.cost) for t in drawn]) == pytest.approx(log(0.01), abs=0.1)
    for t in drawn:
        terms.check(t)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (CostBudget(0.2, inf), "cost: {}, from 0.001 to 0.1, got 0.2"),
        (CostBudget(0.0, inf), "cost: {}, from 0.001 to 0.1, got 0"),
        (CostBudget(0.01, 11), "budget: {}, at most 10 or none, got 11"),
    ],
)
def test_what_lies_outside_is_refused(terms: CostBudget, message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        CostBudgetRange(0.001, 0.1, 10).check(terms)
    wanted = "expected one that the Switcher was trained for"
    assert str(caught.value) == message.format(wanted)


UNIVERSAL = TrainConfig(universal=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cost": 0.2}, "cost: expected one that the Switcher was trained for"),
        ({"budget": 30}, "budget: expected one"),
        ({"cost_range": (0.0, 0.1)}, "cost_range: expected two numbers above 0, the lesser first"),
        ({"cost_range": (0.2, 0.1)}, "cost_range: "),
        ({"most_budget": 0}, "most_budget: expected a whole number"),
        (
            {"budget_mode": "penalty"},
            "budget_mode: expected mask for a universal",
        ),
        ({"critics": "min"}, "critics: expected mean for a universal Switcher, got min"),
    ],
)
def test_a_range_that_is_none_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        CostBudgetRange.of(replace(UNIVERSAL, **wrong))
    assert str(caught.value).startswith(message)


def test_only_a_universal_training_has_a_range() -> None:
    assert CostBudgetRange.of(TrainConfig()) is None
    assert CostBudgetRange.of(UNIVERSAL) == CostBudgetRange(0.001, 0.04, 20)
