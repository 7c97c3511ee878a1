"""Replays of a Switcher whose expectations are known, on the corridor."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor, nn

from londi.errors import InvalidConfig
from londi.evaluation.replays import replay
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.switcher import LearnedSwitcher
from playthings import LENGTH, toy


class Says(nn.Module):
    """The same numbers, whatever it sees."""

    def __init__(self, numbers: list[float] | list[list[float]]) -> None:
        super().__init__()
        self.numbers = torch.tensor(numbers)

    def forward(self, observation: Tensor) -> Tensor:
        return self.numbers.expand(len(observation), *self.numbers.shape)


def switcher(odds: float) -> LearnedSwitcher:
    """One that calls at these odds, and expects (0.25, 1) of QUICK and (0.75, 3) of a call."""
    return LearnedSwitcher(
        Says([0.0, log(odds)]),
        "quick",
        supported=CostBudgetRange(0.02, 0.8, 3),
        value_head=Says([[0.25, 1.0], [0.75, 3.0]]),
    )


def test_a_replay_shows_what_both_would_do_and_what_was_expected() -> None:
    found = replay(toy(), switcher(3.0), [7, 3], cost=0.1, budget=None, seed=0)
    assert [made.episode for made in found] == [7, 3]
    for made in found:
        assert (made.goal, made.cost, made.budget) == ("walk", 0.1, None)
        assert made.total == sum(step.reward for step in made.steps)
        assert 1 <= len(made.steps) <= LENGTH
        assert made.success == (made.total == 1.0)
        for t, step in enumerate(made.steps):
            # "hard: the door on the right at 2"
            assert step.text.endswith(f"at {t}")
            right = "left" if "left" in step.text else "right"
            assert step.deepthink == right
            assert (step.quick == right) == step.text.startswith("easy")
            assert step.done == (step.deepthink if step.choice else step.quick)
            assert step.probability == pytest.approx(0.75)
            assert (step.gain, step.more_calls) == (0.5, 2.0)
            assert step.clairvoyant is None


def test_a_replay_keeps_to_the_budget() -> None:
    (made,) = replay(toy(), switcher(1e9), [3], cost=0.1, budget=1, seed=0)
    assert [step.choice for step in made.steps][:1] == [1]
    assert sum(step.choice for step in made.steps) == 1
    assert [step.probability for step in made.steps[1:]] == [0.0] * (len(made.steps) - 1)


def test_the_same_seed_replays_the_same() -> None:
    one, two = (
        replay(toy(), switcher(1.0), range(5), cost=0.1, budget=2, seed=4) for _ in range(2)
    )
    assert one == two


def test_terms_that_a_switcher_was_not_trained_for_are_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"got 0\.9"):
        replay(toy(), switcher(1.0), [0], cost=0.9, budget=None, seed=0)
    with pytest.raises(InvalidConfig, match="at most 3 or none, got 4"):
        replay(toy(), switcher(1.0), [0], cost=0.1, budget=4, seed=0)
