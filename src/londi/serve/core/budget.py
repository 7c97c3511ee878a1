"""Budgets of DEEPTHINK: reserved before a call, and settled after it.

What a call can take at most is counted as taken from before it is made; when its usage is known the
rest is given back. So calls side by side cannot spend the same rest twice, and a call whose end
nobody saw stays counted. This file knows amounts, and no model.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import ceil, inf
from typing import Protocol, Self

from londi.config.prices import Price
from londi.errors import InvalidConfig
from londi.types import Usage

BILLION = 1_000_000_000
DAY = 86_400.0
"""Seconds of a day."""
KEPT = 30 * DAY
"""Seconds after its last change that an account is kept, where nobody says otherwise."""

MOST = 1 << 53
"""Largest amount: ledgers add whole numbers of 64 bits, and Redis computes with doubles."""


def billionths(money: float) -> int:
    """Money in billionths, rounded up; `MOST` where it is more."""
    return ceil(min(money * BILLION, MOST))


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
        money = 0 if price is None else billionths(price.of(usage))
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


UNITS = tuple(unit.name for unit in fields(Amount))
NO_CAP = Amount(inf, inf, inf)
ZERO = Amount()


@dataclass(frozen=True, slots=True)
class Scope:
    """Something that has a budget: a session, a client, a day.

    Attributes:
        name: its name, which no other scope has.
        most: what may be taken in it.
        for_ever: whether its account is never forgotten.

    Raises:
        InvalidConfig: if an amount is negative, or no number.
    """

    name: str
    most: Amount
    for_ever: bool = False

    def __post_init__(self) -> None:
        for unit in UNITS:
            value = getattr(self.most, unit)
            if not value >= 0:
                raise InvalidConfig(f"budget: {unit}: expected a number >= 0, got {value!r}")


class Ledger(Protocol):
    """What is taken in each scope; it may be shared by threads, and by processes.

    A scope whose account has not changed for some time is forgotten, and then nothing is taken in
    it; not so one that is for ever, nor one in which a reservation waits for its settlement.
    """

    def taken(self, scope: Scope) -> Amount:
        """What is taken there, calls that wait for their end among them."""
        ...

    def reserve(self, scopes: Sequence[Scope], bound: Amount) -> bool:
        """Take `bound` in all of `scopes` at once; False, and nothing taken, where one lacks it."""
        ...

    def settle(self, scopes: Sequence[Scope], bound: Amount, taken: Amount) -> None:
        """Put what a call has taken in place of the bound that was reserved for it."""
        ...

    def close(self) -> None:
        """Let go of a file or a connection."""
        ...


class Forgetting:
    """When the accounts of a ledger are looked through for old ones: once an hour at most.

    Args:
        kept: seconds after its last change that an account is kept.
        clock: seconds since 1970.
    """

    PAUSE = 3600.0
    """Seconds between two looks."""

    def __init__(self, kept: float, clock: Callable[[], float]) -> None:
        self._kept, self._clock, self._next = kept, clock, -inf

    def due(self) -> float | None:
        """The time before which accounts are old, if they are to be looked through now."""
        now = self._clock()
        if now < self._next:
            return None
        self._next = now + self.PAUSE
        return now - self._kept

    def changed(self, scope: Scope) -> float:
        """The time of a change of an account that is made now; inf where it is for ever."""
        return inf if scope.for_ever else self._clock()


@dataclass(frozen=True, slots=True)
class _Account:
    """What is taken in a scope.

    Attributes:
        taken: the amount.
        holds: reservations that wait for their settlement.
        changed: time of the last change.
    """

    taken: Amount = ZERO
    holds: int = 0
    changed: float = 0.0


class MemoryLedger:
    """A ledger in memory, for one process.

    Args:
        kept: seconds after its last change that an account is kept.
        clock: seconds since 1970.
    """

    def __init__(self, kept: float = KEPT, clock: Callable[[], float] = time.time) -> None:
        self._accounts: dict[str, _Account] = {}
        self._forgetting = Forgetting(kept, clock)
        self._lock = threading.Lock()

    def taken(self, scope: Scope) -> Amount:
        with self._lock:
            return self._account(scope).taken

    def reserve(self, scopes: Sequence[Scope], bound: Amount) -> bool:
        with self._lock:
            after = {scope.name: self._changed(scope, bound, 1) for scope in scopes}
            if not all(scope.most.covers(after[scope.name].taken) for scope in scopes):
                return False
            self._accounts |= after
            return True

    def settle(self, scopes: Sequence[Scope], bound: Amount, taken: Amount) -> None:
        with self._lock:
            for scope in scopes:
                self._accounts[scope.name] = self._changed(scope, taken - bound, -1)

    def close(self) -> None:
        """Nothing to let go of."""

    def _account(self, scope: Scope) -> _Account:
        if (before := self._forgetting.due()) is not None:
            self._accounts = {
                name: one
                for name, one in self._accounts.items()
                if one.holds > 0 or one.changed >= before
            }
        return self._accounts.get(scope.name, _Account())

    def _changed(self, scope: Scope, amount: Amount, holds: int) -> _Account:
        """The account of a scope after a change."""
        found, changed = self._account(scope), self._forgetting.changed(scope)
        return _Account(found.taken + amount, found.holds + holds, changed)


def amount_left(ledger: Ledger, scopes: Sequence[Scope]) -> Amount:
    """What may still be taken in all of `scopes`."""
    rests = [scope.most - ledger.taken(scope) for scope in scopes]
    return Amount(*(min((getattr(rest, unit) for rest in rests), default=inf) for unit in UNITS))
