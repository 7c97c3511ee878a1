"""Choices as they are drawn, and the propensities that are written down with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.switching.decision import draw

FREE = np.array([[True, True]])
QUICK_ONLY = np.array([[True, False]])


class Fixed(np.random.Generator):
    """Draws the same number each time."""

    def __init__(self, number: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.number = number

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        return np.full(size, self.number)


@pytest.mark.parametrize(("number", "choice", "propensity"), [(0.74, 1, 0.75), (0.76, 0, 0.25)])
def test_the_propensity_is_that_of_the_choice_drawn(
    number: float, choice: int, propensity: float
) -> None:
    decision = draw(np.array([0.75]), FREE, Fixed(number))
    assert decision.choice.tolist() == [choice]
    assert decision.propensity.tolist() == [propensity]
    assert decision.call_probability.tolist() == [0.75]
    assert decision.exploration == 0.0


@pytest.mark.parametrize(
    ("exploration", "call"),
    # 0.5 + (1 - exploration) (0.9 - 0.5)
    [(0.0, 0.9), (0.25, 0.8), (0.5, 0.7), (1.0, 0.5)],
)
def test_exploration_draws_the_propensity_towards_one_half(exploration: float, call: float) -> None:
    for number, choice in ((0.0, 1), (0.999, 0)):
        decision = draw(np.array([0.9]), FREE, Fixed(number), exploration)
        assert decision.choice.tolist() == [choice]
        assert decision.propensity == pytest.approx(call if choice else 1 - call)
        assert decision.call_probability == pytest.approx(call)
        assert decision.exploration == exploration


@given(call=st.floats(0, 1), exploration=st.floats(0, 1))
def test_where_quick_alone_is_allowed_its_propensity_is_one(
    call: float, exploration: float
) -> None:
    decision = draw(np.array([call]), QUICK_ONLY, Fixed(0.0), exploration)
    assert decision.choice.tolist() == [0]
    assert decision.propensity.tolist() == [1.0]
    assert decision.call_probability.tolist() == [0.0]


def test_calls_are_as_frequent_as_the_propensity_says() -> None:
    n = 20_000
    decision = draw(np.full(n, 0.9), np.ones((n, 2), bool), np.random.default_rng(0), 0.5)
    # Five standard errors around 0.7.
    assert decision.choice.mean() == pytest.approx(0.7, abs=5 * (0.21 / n) ** 0.5)
    assert decision.choice.dtype == np.int64


def test_where_quick_is_not_possible_deepthink_acts() -> None:
    allowed = np.array([[False, True], [True, True]])
    found = draw(np.zeros(2), allowed, np.random.default_rng(0), exploration=0.0)
    assert found.choice.tolist() == [1, 0]
    explored = draw(np.zeros(2), allowed, np.random.default_rng(0), exploration=0.5)
    assert (explored.choice[0], explored.propensity[0]) == (1, 1.0)
