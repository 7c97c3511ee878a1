"""What a Switcher may be tuned for."""

from __future__ import annotations

from typing import Any

import pytest

from londi.config import TuneConfig
from londi.errors import InvalidConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected what to tune for: --call_rate, --keep_return, --budget or --price"),
        ({"call_rate": 0.2, "keep_return": 0.9}, "expected one of call_rate, keep_return and"),
        ({"call_rate": 1.5}, "call_rate: expected a number from 0 to 1, got 1.5"),
        ({"worth": 2.0}, "worth: expected prices as well"),
        (
            {"price": "quick=0.1"},
            "price: expected two prices such as quick=0.1/0.4",
        ),
        ({"price": "quick=a,deepthink=2"}, "price: expected two prices such as"),
        ({"price": "quick=1,slow=2"}, "price: expected two prices such as"),
        ({"price": "quick=-1,deepthink=2"}, "price: quick: input: expected a price >= 0, got -1.0"),
        ({"budget": -1}, "budget: expected a whole number >= 0 or none, got -1"),
        ({"call_rate": 0.1, "points": 1}, "points: expected a whole number >= 2, got 1"),
    ],
)
def test_what_cannot_be_tuned_for_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        TuneConfig(**settings)
    assert str(caught.value).startswith(message)
