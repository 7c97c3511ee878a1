"""Amounts of budgets, and what is left of several."""

from __future__ import annotations

from math import inf, nan

import pytest

from londi.config.prices import Price
from londi.errors import InvalidConfig
from londi.serve.core.budget import Amount, MemoryLedger, Scope, amount_left
from londi.types import Usage


def test_the_amount_of_a_call_is_rounded_up() -> None:
    usage = Usage(calls=1, tokens=1, output_tokens=2)
    assert Amount.of(usage, Price(input=0.0001, output=0.0)) == Amount(1, 3, 1)
    assert Amount.of(usage, Price(input=1.0, output=2.0)) == Amount(1, 3, 5000)
    assert Amount.of(usage, None) == Amount(1, 3, 0)


@pytest.mark.parametrize("unit", ["calls", "tokens", "money"])
@pytest.mark.parametrize("value", [-1, nan, -inf])
def test_a_bad_budget_is_refused(unit: str, value: float) -> None:
    with pytest.raises(InvalidConfig, match=f"budget: {unit}: expected a number >= 0, got"):
        Scope("session:a", Amount(**{"calls": 1, unit: value}))


def test_what_is_left_is_the_least_of_all_budgets() -> None:
    ledger = MemoryLedger()
    session, day = Scope("session:a", Amount(3, inf, inf)), Scope("day:1", Amount(5, 100, inf))
    assert ledger.reserve([session, day], Amount(1, 40, 7))
    assert amount_left(ledger, [session, day]) == Amount(2, 60, inf)
    assert amount_left(ledger, []) == Amount(inf, inf, inf)
