"""The account of what methods spend."""

from __future__ import annotations

from dataclasses import replace

import pytest

from londi.reports.account import columns, deepthink_of, money, number, sentence
from reports.test_plot import evaluation

QUICK, DEEPTHINK, *_, LONDI = (
    replace(
        r,
        calls=14 * r.call_rate,
        lm_cpu_seconds=0.002 + 0.008 * r.call_rate,
        seconds=0.05,
        money=0.0001 + 0.002 * r.call_rate,
        bill=0.003,
        currency="USD",
    )
    for r in evaluation()
)


def test_amounts_are_those_of_1000_episodes() -> None:
    shown = {c.head: (c.cell(LONDI), c.saved(LONDI, DEEPTHINK)) for c in columns([LONDI])}
    assert shown == {
        "calls": ("4,200", "70%"),
        "GFLOPs": ("1,000", "0%"),
        "seconds in the models": ("4.40", "56%"),
        "seconds end to end": ("50.0", "0%"),
        "money, USD": ("0.700", "67%"),
        "bill, USD": ("3.00", "0%"),
    }


def test_what_is_not_known_is_left_out_or_a_dash() -> None:
    former = evaluation()[4]  # as release 0.1 wrote it
    assert [c.head for c in columns([former])] == ["GFLOPs"]
    heads = {c.head: c.cell(former) for c in columns([former, LONDI])}
    assert heads["money, USD"] == heads["calls"] == "-"
    assert "joules" in [c.head for c in columns([replace(LONDI, joules=1.0)])]
    free = replace(DEEPTHINK, money=0.0)
    assert {c.head: c.saved(LONDI, free) for c in columns([LONDI])}["money, USD"] == ""


def test_the_sentence_says_what_londi_saves() -> None:
    assert sentence([QUICK, DEEPTHINK, LONDI]) == (
        "1,000 episodes: always DEEPTHINK takes $2.10 and 10.0 s in the models, for a return of"
        " 0.900; LONDI takes $0.700 and 4.40 s in the models, for 0.800"
    )
    plain = [replace(r, money=None) for r in (DEEPTHINK, LONDI)]
    assert "takes 10.0 s in the models, for" in sentence(plain)
    example = [replace(r, prices="example") for r in (DEEPTHINK, LONDI)]
    assert sentence(example).endswith("for 0.800 (example prices)")


def test_next_to_nothing_lost_is_nothing_saved() -> None:
    (column,) = (c for c in columns([LONDI]) if c.head == "seconds end to end")
    assert column.saved(replace(LONDI, seconds=0.0501), DEEPTHINK) == "0%"


@pytest.mark.parametrize("results", [[LONDI], [DEEPTHINK], [DEEPTHINK, LONDI, LONDI], evaluation()])
def test_without_both_there_is_no_sentence(results: list) -> None:  # type: ignore[type-arg]
    assert sentence(results) == ""


def test_savings_need_one_deepthink() -> None:
    assert deepthink_of([QUICK, DEEPTHINK]) is DEEPTHINK
    assert deepthink_of([QUICK]) is None is deepthink_of([DEEPTHINK, DEEPTHINK])


def test_numbers_and_money() -> None:
    assert [number(x) for x in (0, 0.000123456, 7.0, 99.96, 123.4, 1234567.8)] == [
        "0",
        "0.000123",
        "7.00",
        "100",
        "123",
        "1,234,568",
    ]
    shown = [money(1.5, currency) for currency in ("USD", "EUR", "CHF")]
    assert shown == ["$1.50", "1.50 EUR", "1.50 CHF"]
