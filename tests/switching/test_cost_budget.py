"""The range of costs and budgets of one training: its draws, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log
from typing import Any

import numpy as np
import pytest

from londi import TrainConfig
from londi.errors import InvalidConfig
from londi.switching.cost_budget import CostBudgetRange
from londi.types import CostBudget


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


def test_a_drawn_budget_affords_at_least_what_was_called() -> None:
    terms, rng = CostBudgetRange(0.001, 0.1, 3), np.random.default_rng(0)
    least = np.arange(2000) % 2
    drawn = terms.budgets(least, rng)
    assert (drawn >= least).all()
    assert set(drawn[least == 0].tolist()) == {0.0, 1.0, 2.0, 3.0, inf}
    assert set(drawn[least == 1].tolist()) == {1.0, 2.0, 3.0, inf}
    assert np.isinf(drawn).mean() == pytest.approx(0.3, abs=0.05)


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
        ({"budget": 30}, "budget: expected at most 20 or none, got 30"),
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
