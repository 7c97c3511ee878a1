"""A budget of calls: it holds on every path, or every call beyond it is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (4, [1.0, 0.75, 0.0, -0.5, -1.0]),
        (1, [1.0, 0.0, -1.0, -1.0, -1.0]),
        # Nothing to divide by: overspending still shows.
        (0, [0.0, -1.0, -1.0, -1.0, -1.0]),
        (None, [1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_the_feature_is_the_share_left(n: int | None, expected: list[float]) -> None:
    budget = Budget(n)
    feature = budget.feature(budget.start - np.array([0, 1, 4, 6, 20]))
    assert feature.dtype == np.float32
    assert feature.tolist() == expected


@given(n=st.none() | st.integers(0, 1000), spent=st.lists(st.integers(0, 5000), min_size=1))
def test_the_feature_stays_in_its_range_and_falls_with_each_call(
    n: int | None, spent: list[int]
) -> None:
    budget = Budget(n, "penalty")
    feature = budget.feature(budget.start - np.sort(np.array(spent)))
    assert feature.min() >= -1 and feature.max() <= 1
    assert (np.diff(feature) <= 0).all()


def test_a_full_budget_may_be_more_than_the_episode_has() -> None:
    remaining = np.array([20.0, 10.0, 5.0, 0.0, np.inf])
    assert Budget(5, scale=10).feature(remaining).tolist() == [1.0, 1.0, 0.5, 0.0, 1.0]


def test_only_a_call_overspends() -> None:
    remaining = np.array([2, 0, 0, -7, -7])
    over = Budget(2, "penalty").overspends(remaining, np.array([1, 0, 1, 0, 1]))
    assert over.tolist() == [False, False, True, False, True]


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
