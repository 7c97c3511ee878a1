"""The budget of a session: reserved before a DEEPTHINK call, and settled after it.

What a call can take at most is held from before it is made until its usage is known, so that calls
side by side cannot spend the same rest twice. This file knows amounts, and no model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil, inf
from typing import Self

from londi.config.prices import Price
from londi.errors import InvalidConfig
from londi.types import Usage

BILLION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls of DEEPTHINK, their tokens, and their money; a budget, or what a call takes.

    Attributes:
        calls: number of calls; inf for no cap.
        tokens: tokens of prompts and answers; likewise.
        money: billionths of the currency of the prices, so that sums are exact; likewise.
    """

    calls: float = 0.0
    tokens: float = 0.0
    money: float = 0.0

    @classmethod
    def of(cls, usage: Usage, price: Price | None) -> Self:
        """The amount of one call, its money rounded up; no money where nobody knows the price."""
        money = 0 if price is None else ceil(price.of(usage) * BILLION)
        return cls(1, usage.tokens + usage.output_tokens, money)

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.calls + other.calls, self.tokens + other.tokens, self.money + other.money
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            self.calls - other.calls, self.tokens - other.tokens, self.money - other.money
        )

    def covers(self, other: Amount) -> bool:
        """Whether `other` is no more than this, in each unit."""
        return (
            self.calls >= other.calls and self.tokens >= other.tokens and self.money >= other.money
        )


NO_CAP = Amount(inf, inf, inf)
ZERO = Amount()


class SessionBudget:
    """The budget of one session.

    Args:
        most: what the session may take.

    Raises:
        InvalidConfig: if an amount is negative, or no number.
    """

    def __init__(self, most: Amount = NO_CAP) -> None:
        for unit in fields(most):
            value = getattr(most, unit.name)
            if not value >= 0:
                raise InvalidConfig(f"budget: {unit.name}: expected a number >= 0, got {value!r}")
        self.most = most
        self._taken = self._held = ZERO

    @property
    def left(self) -> Amount:
        """What is neither taken nor held."""
        return self.most - self._taken - self._held

    def reserve(self, bound: Amount) -> bool:
        """Hold the most that a call can take; False, and nothing held, where it is not left."""
        if not self.left.covers(bound):
            return False
        self._held += bound
        return True

    def settle(self, bound: Amount, taken: Amount) -> None:
        """Take what a call has taken, and give back the rest of what was held for it."""
        self._held -= bound
        self._taken += taken
