"""The price of the next call, worked out by hand."""

from __future__ import annotations

import pytest

from londi.config.prices import Price
from londi.envs.conversation import Message
from londi.serve.core.pricing import ANSWER, CallPricing
from londi.types import Usage

PRICE = Price(input=3.0, output=15.0, cached_input=0.3, cache_write=3.75)
LONG = Message("system", "x" * 8000)
FIRST = Message("user", "y" * 400)
ANSWERED = Message("assistant", "z" * 800)
SECOND = Message("user", "w" * 400)
CONVERSATION = [LONG, FIRST, ANSWERED, SECOND]


def test_a_first_call_is_written_to_the_cache() -> None:
    pricing = CallPricing(PRICE)
    usage = pricing.expected([LONG, FIRST], now=0.0)
    assert (usage.tokens, usage.cached_tokens, usage.cache_write_tokens) == (2100, 0, 2100)
    money = (2100 * 3.75 + ANSWER * 15.0) / 1e6
    assert pricing.money([LONG, FIRST], now=0.0) == pytest.approx(money)


def test_the_same_beginning_is_cheap_while_the_cache_is_warm() -> None:
    pricing = CallPricing(PRICE)
    # 8,400 characters were 4,200 tokens, and the answer 300.
    pricing.called([LONG, FIRST], Usage(calls=1, tokens=4200, output_tokens=300), now=10.0)
    usage = pricing.expected(CONVERSATION, now=309.0)
    assert (usage.tokens, usage.cached_tokens, usage.cache_write_tokens) == (4800, 4200, 600)
    money = (4200 * 0.3 + 600 * 3.75 + 300 * 15.0) / 1e6
    assert pricing.money(CONVERSATION, now=309.0) == pytest.approx(money)


@pytest.mark.parametrize(
    ("messages", "now"),
    [
        (CONVERSATION, 310.0),  # five minutes later
        ([Message("system", "X"), FIRST, ANSWERED, SECOND], 20.0),  # another beginning
    ],
)
def test_the_beginning_is_bought_anew(messages: list[Message], now: float) -> None:
    pricing = CallPricing(PRICE)
    pricing.called([LONG, FIRST], Usage(calls=1, tokens=2100, output_tokens=300), now=10.0)
    assert pricing.expected(messages, now).cached_tokens == 0


def test_only_what_is_unchanged_is_cached() -> None:
    pricing = CallPricing(PRICE)
    pricing.called(CONVERSATION, Usage(calls=1, tokens=2400), now=0.0)
    edited = [LONG, FIRST, Message("assistant", "other"), SECOND]
    assert pricing.expected(edited, now=1.0).cached_tokens == 2100


def test_a_short_beginning_is_not_cached() -> None:
    pricing = CallPricing(PRICE)
    pricing.called([FIRST], Usage(calls=1, tokens=100), now=0.0)
    assert pricing.expected([FIRST, ANSWERED], now=1.0).cached_tokens == 0


def test_a_provider_that_asks_nothing_for_writing_has_fresh_tokens() -> None:
    pricing = CallPricing(Price(input=3.0, cached_input=0.3))
    usage = pricing.expected([LONG], now=0.0)
    assert (usage.tokens, usage.cache_write_tokens) == (2000, 0)
    assert pricing.money([LONG], now=0.0) == pytest.approx(2000 * 3.0 / 1e6)


def test_the_answer_is_as_long_as_answers_were() -> None:
    pricing = CallPricing(PRICE)
    for tokens in (100, 300):
        pricing.called([FIRST], Usage(calls=1, tokens=100, output_tokens=tokens), now=0.0)
    assert pricing.expected([FIRST], now=1.0).output_tokens == 200


def test_without_a_price_nobody_knows_the_money() -> None:
    assert CallPricing().money([LONG], now=0.0) is None
    assert CallPricing().expected([], now=0.0).tokens == 0
