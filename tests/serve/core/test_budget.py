"""A budget that holds: whatever is reserved, settled and given back, in any order."""

from __future__ import annotations

from dataclasses import astuple
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.config.prices import Price
from londi.errors import InvalidConfig
from londi.serve.core.budget import Amount, SessionBudget
from londi.types import Usage


def test_the_most_is_held_and_the_rest_given_back() -> None:
    budget = SessionBudget(Amount(calls=3, tokens=1000, money=inf))
    bound = Amount(1, 600, 50)
    assert budget.reserve(bound)
    assert budget.left == Amount(2, 400, inf)
    assert not budget.reserve(bound), "600 tokens are not left"
    assert budget.left == Amount(2, 400, inf)
    budget.settle(bound, Amount(1, 100, 7))
    assert budget.left == Amount(2, 900, inf)


def test_the_amount_of_a_call_is_rounded_up() -> None:
    usage = Usage(calls=1, tokens=1, output_tokens=2)
    assert Amount.of(usage, Price(input=0.0001, output=0.0)) == Amount(1, 3, 1)
    assert Amount.of(usage, Price(input=1.0, output=2.0)) == Amount(1, 3, 5000)
    assert Amount.of(usage, None) == Amount(1, 3, 0)


@pytest.mark.parametrize("unit", ["calls", "tokens", "money"])
@pytest.mark.parametrize("value", [-1, nan, -inf])
def test_a_bad_budget_is_refused(unit: str, value: float) -> None:
    with pytest.raises(InvalidConfig, match=f"budget: {unit}: expected a number >= 0, got"):
        SessionBudget(Amount(**{"calls": 1, unit: value}))


AMOUNT = st.builds(Amount, st.integers(0, 2), st.integers(0, 50), st.integers(0, 50))


@given(AMOUNT, st.lists(st.tuples(AMOUNT, st.floats(0, 1), st.booleans()), max_size=30))
def test_no_order_of_calls_takes_more_than_the_budget(
    most: Amount, calls: list[tuple[Amount, float, bool]]
) -> None:
    budget, held, taken = SessionBudget(most), [], Amount()
    for bound, share, now in calls:
        if budget.reserve(bound):
            held.append((bound, Amount(*(int(share * unit) for unit in astuple(bound)))))
        if now and held:
            bound, spent = held.pop(0)
            budget.settle(bound, spent)
            taken += spent
        assert most.covers(taken) and min(astuple(budget.left)) >= 0
    for bound, spent in held:
        budget.settle(bound, spent)
        taken += spent
    assert most.covers(taken)
    assert budget.left == most - taken, "all that was held is settled"
