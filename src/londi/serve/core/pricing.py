"""The price of the next call of a model, which depends on what its provider has in its cache.

The beginning of a prompt that a model has read lately is cheap. It is dear again after a pause
beyond the cache's lifetime, where the beginning has changed, and for the other model. So a price is
a function of the conversation and the time, and not a constant. This file knows no Switcher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import ceil, inf

from londi.config.prices import Price
from londi.encoders.text import LIFETIME
from londi.envs.conversation import Message
from londi.types import Usage

LEAST_CACHED = 1024
"""Tokens below which providers keep nothing in their cache."""
TOKENS = 0.25
"""Tokens of a character, before a model has counted any."""
ANSWER = 200.0
"""Tokens of an answer, before a model has given any."""


@dataclass(slots=True)
class CallPricing:
    """Expected usage and price of one model's next call in one session.

    Args:
        price: of the model; None where nobody knows it.
        lifetime: seconds for which its provider keeps the beginning of a prompt.

    Attributes:
        answered: when it last answered, on a clock that only goes forward; -inf if it never did.
    """

    price: Price | None = None
    lifetime: float = LIFETIME
    answered: float = -inf
    _seen: tuple[int, ...] = ()  # hashes of messages: their texts are not kept
    _per_character: float = TOKENS
    _answer: float = ANSWER
    _answers: int = 0

    def expected(self, messages: Sequence[Message], now: float) -> Usage:
        """The usage of a call on `messages` at the time `now`."""
        tokens = self._tokens(messages)
        warm = now - self.answered < self.lifetime
        cached = (
            self._tokens(messages[: common(tuple(map(hash, messages)), self._seen)]) if warm else 0
        )
        cached = cached if cached >= LEAST_CACHED else 0
        written = tokens - cached if self.price and self.price.cache_write is not None else 0
        return Usage(
            calls=1,
            tokens=tokens,
            output_tokens=round(self._answer),
            cached_tokens=cached,
            cache_write_tokens=written,
        )

    def money(self, messages: Sequence[Message], now: float) -> float | None:
        """The price of that call; None where nobody knows it."""
        return None if self.price is None else self.price.of(self.expected(messages, now))

    def called(self, messages: Sequence[Message], usage: Usage, now: float) -> None:
        """Note a call: the provider has read `messages`, and the model has counted `usage`."""
        self.answered, self._seen = now, tuple(map(hash, messages))
        characters = sum(map(_characters, messages))
        if usage.tokens and characters:
            self._per_character = usage.tokens / characters
        if usage.output_tokens:
            self._answers += 1
            self._answer += (usage.output_tokens - self._answer) / self._answers  # their mean

    def _tokens(self, messages: Sequence[Message]) -> int:
        return ceil(self._per_character * sum(map(_characters, messages)))


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the beginning that both have."""
    both = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in both)


def _characters(message: Message) -> int:
    return len(message.text) + sum(map(len, message.calls))
