"""A budget of calls: it holds on every path, or every call beyond it is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi import TrainConfig
from londi.errors import InvalidConfig
from londi.switching.budget import Budget

CALLS = st.integers(0, 8)
# One row a step, one wish an episode: 1 asks for DEEPTHINK.
WISHES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 1), min_size=width, max_size=width), min_size=1, max_size=20
    ).map(np.array)
)


def played(budget: Budget, wishes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choices and overspending `[T, B]` where each wish is granted if it is possible."""
    remaining = np.full(wishes.shape[1], budget.start)
    choices, over = [], []
    for wish in wishes:
        allowed = budget.allowed(remaining)
        choice = np.where(allowed[:, 1], wish, 0)
        choices.append(choice)
        over.append(budget.overspends(remaining, choice))
        remaining = remaining - choice
    return np.array(choices), np.array(over)


@given(n=CALLS, wishes=WISHES)
def test_the_mask_grants_the_first_n_calls_of_any_path_and_no_other(
    n: int, wishes: np.ndarray
) -> None:
    choices, over = played(Budget(n), wishes)
    for path, wished in zip(choices.T.tolist(), wishes.T.tolist(), strict=True):
        asked = [t for t, wish in enumerate(wished) if wish]
        assert [t for t, choice in enumerate(path) if choice] == asked[:n]
    assert not over.any()


@given(n=CALLS, wishes=WISHES)
def test_penalty_mode_grants_every_call_and_counts_each_beyond_n(
    n: int, wishes: np.ndarray
) -> None:
    choices, over = played(Budget(n, "penalty"), wishes)
    np.testing.assert_array_equal(choices, wishes)
    for path, wished in zip(over.T.tolist(), wishes.T.tolist(), strict=True):
        asked = [t for t, wish in enumerate(wished) if wish]
        assert [t for t, overspent in enumerate(path) if overspent] == asked[n:]


@given(wishes=WISHES, mode=st.sampled_from(["mask", "penalty"]))
def test_without_a_cap_all_calls_are_granted_and_none_is_too_many(
    wishes: np.ndarray, mode: Any
) -> None:
    choices, over = played(Budget(None, mode), wishes)
    np.testing.assert_array_equal(choices, wishes)
    assert not over.any()


@given(
    n=st.none() | CALLS,
    mode=st.sampled_from(["mask", "penalty"]),
    spent=st.lists(st.integers(0, 30), max_size=5).map(lambda s: np.array(s, dtype=np.int64)),
)
def test_quick_is_always_possible(n: int | None, mode: Any, spent: np.ndarray) -> None:
    budget = Budget(n, mode)
    allowed = budget.allowed(budget.start - spent)
    assert allowed.shape == (len(spent), 2) and allowed.dtype == np.bool_
    assert allowed[:, 0].all()


def test_an_episode_starts_with_the_whole_budget() -> None:
    assert Budget(3).start == 3.0
    assert Budget(None).start == np.inf


def test_only_a_call_overspends() -> None:
    remaining = np.array([2, 0, 0, -7, -7])
    over = Budget(2, "penalty").overspends(remaining, np.array([1, 0, 1, 0, 1]))
    assert over.tolist() == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(), 0.0),
        (Budget(4), 0.0),
        (Budget(None, "penalty", 2.0), 0.0),
        (Budget(4, "penalty", 2.0), 4.0),
    ],
)
def test_the_punishment_is_that_of_the_exact_soft_policy(budget: Budget, expected: float) -> None:
    # softmax(Q / alpha): a punishment of 2 at a temperature of 0.5 is 4 in the logit.
    assert budget.punishment(0.5) == expected


def test_the_punishment_of_a_vanishing_temperature_stays_finite() -> None:
    assert Budget(4, "penalty", 2.0).punishment(0.0) == 2000.0


def test_a_training_says_which_budget_it_has() -> None:
    assert Budget.of(TrainConfig()) == Budget()
    config = TrainConfig(budget=4, budget_mode="penalty", overspend_penalty=2.5)
    assert Budget.of(config) == Budget(4, "penalty", 2.5)


def test_the_budget_is_unlimited_unless_given() -> None:
    assert Budget() == Budget(None, "mask", 1.0)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("budget", {"calls": -1}),
        ("budget", {"calls": 2.0}),
        ("budget", {"calls": True}),
        ("budget", {"calls": "3"}),
        ("budget_mode", {"mode": "soft"}),
        ("budget_mode", {"mode": None}),
        ("overspend_penalty", {"penalty": -0.5}),
        ("overspend_penalty", {"penalty": float("nan")}),
        ("overspend_penalty", {"penalty": float("inf")}),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_setting(
    field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        Budget(**values)
    text = str(caught.value)
    assert text.startswith(f"{field}: ") and text.endswith(repr(next(iter(values.values()))))
    assert len(text.splitlines()) == 1
