"""Prices, as they are given on the command line, in a file, or by a library."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.config import EvaluateConfig, FrontierConfig, TuneConfig
from londi.config.prices import Price, Prices, check_price, find_prices
from londi.errors import InvalidConfig, LondiError, MissingExtra, UnknownName
from londi.models.registry import builtin_models
from londi.types import Usage

QUICK, DEEPTHINK = "builtin:babyai-quick", "builtin:babyai-deepthink"


@pytest.mark.parametrize(
    ("price", "found"),
    [
        ("quick=0.1,deepthink=2", (Price(0.1), Price(2.0), "USD")),
        ("quick=0.1/0.4,deepthink=2/8", (Price(0.1, 0.4), Price(2.0, 8.0), "USD")),
        (" deepthink = 2.0 , quick = 0 ", (Price(0.0), Price(2.0), "USD")),
        ("quick=1,deepthink=2,currency=EUR", (Price(1.0), Price(2.0), "EUR")),
    ],
)
def test_prices_on_the_command_line(price: str, found: tuple[Price, Price, str]) -> None:
    quick, deepthink, currency = found
    assert find_prices(price, "a", "b") == Prices(quick, deepthink, price, currency)


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("quick=1", "expected two prices such as quick=0.1/0.4,deepthink=2/8, a YAML file, or"),
        ("quick=1,quick=2", "expected two prices"),
        ("quick=1,deepthink=2,quick=3", "expected two prices"),
        ("quick=1,deepthink=2,slow=3", "expected two prices"),
        ("quick=1/2/3,deepthink=2", "expected two prices"),
        ("quick=a,deepthink=2", "expected two prices"),
        ("quick=1 2,deepthink=2", "expected two prices"),
        ("=", "expected two prices"),
        ("1,2", "expected two prices"),
        ("prices.json", "expected two prices"),
        ("quick=inf,deepthink=2", "quick: input: expected a price >= 0, got inf"),
        ("quick=nan,deepthink=2", "quick: input: expected a price >= 0, got nan"),
        ("quick=1/-2,deepthink=2", "quick: output: expected a price >= 0, got -2.0"),
        ("quick=1,deepthink=2,currency=EUX", "unknown currency 'EUX'; did you mean 'EUR'?"),
    ],
)
def test_prices_that_are_none_are_refused(price: str, message: str) -> None:
    for refuse in (check_price, lambda price: find_prices(price, "a", "b")):
        with pytest.raises(LondiError, match=message.replace("?", r"\?")):
            refuse(price)
    for kind in (EvaluateConfig, TuneConfig, FrontierConfig):
        with pytest.raises(LondiError, match=message.replace("?", r"\?")):
            kind(price=price)


def test_the_price_of_work() -> None:
    """A million tokens of each kind, and half an hour."""
    million = 1_000_000
    price = Price(input=2.0, output=8.0, cached_input=0.5, cache_write=2.5, hour=3.0)
    work = Usage(
        tokens=6 * million,
        cached_tokens=2 * million,
        cache_write_tokens=1 * million,
        output_tokens=4 * million,
        cpu_seconds=1800.0,
        seconds=9999.0,
    )
    assert price.of(work) == pytest.approx(3 * 2.0 + 2 * 0.5 + 1 * 2.5 + 4 * 8.0 + 0.5 * 3.0)
    # Without prices of their own cached tokens cost what others do.
    assert Price(input=2.0).of(work) == pytest.approx(6 * 2.0)
    assert Price(0.0).of(work) == 0
    both = Prices(Price(input=1.0), price)
    counted = replace(work, calls=5)
    assert both.of(counted, counted) == pytest.approx(6.0 + price.of(work))


def test_work_whose_tokens_were_not_counted_has_no_price() -> None:
    prices = Prices(Price(input=1.0), Price(input=10.0))
    some = Usage(calls=1, tokens=100)
    assert prices.of(some, Usage()) == pytest.approx(1e-4)
    assert prices.of(Usage(calls=1), some) is None  # a model of one's own that tells no tokens
    assert prices.of(some, Usage(tokens=100)) is None  # as release 0.1 wrote it
    hourly = Prices(Price(0.0, hour=36.0), Price(input=10.0))
    assert hourly.of(Usage(calls=1, cpu_seconds=2.0), Usage()) == pytest.approx(0.02)


@given(
    st.lists(st.integers(0, 10**9), min_size=8, max_size=8),
    st.floats(0, 1e3),
    st.floats(0, 1e3),
)
def test_the_price_of_a_sum_is_the_sum_of_prices(n: list[int], inp: float, out: float) -> None:
    price = Price(inp, out, inp / 4, inp * 1.25, 2.0)
    one, other = (
        Usage(tokens=a + b + c, cached_tokens=b, cache_write_tokens=c, output_tokens=d)
        for a, b, c, d in (n[:4], n[4:])
    )
    assert price.of(one + other) == pytest.approx(price.of(one) + price.of(other))


def table(folder: Path, text: str) -> str:
    (folder / "prices.yaml").write_text(text)
    return str(folder / "prices.yaml")


def test_a_file_of_prices(tmp_path: Path) -> None:
    text = """
        currency: CHF
        models:
          org/small: {input: 0.1, output: 0.4}
          ./models/large: {input: 2, output: 8, cached_input: 0.5, cache_write: 2.5, hour: 1}
    """
    file = table(tmp_path, text)
    found = find_prices(file, "org/small", "./models/large", 0.25)
    assert found == Prices(Price(0.1, 0.4), Price(2.0, 8.0, 0.5, 2.5, 1.0), file, "CHF", 0.25)


def test_a_path_may_hold_what_a_price_holds(tmp_path: Path) -> None:
    (tmp_path / "seed=0,a").mkdir()
    file = tmp_path / "seed=0,a" / "p.YAML"
    file.write_text("models: {a: {input: 1}, b: {input: 2}}")
    check_price(str(file))
    assert find_prices(str(file), "a", "b") == Prices(Price(1.0), Price(2.0), str(file))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "models: {a: {input: -1}, b: {input: 2}}",
            InvalidConfig,
            r"models\.a\.input: expected a price",
        ),
        (
            "models: {a: {input: 1}}",
            InvalidConfig,
            "yaml': expected a price for 'b', got those for",
        ),
        ("models: {a: {input: 1}, bb: {input: 2}}", InvalidConfig, "for 'a', 'bb'"),
        ("others: none", InvalidConfig, "expected a price for 'a', got those for none"),
        ("models: {a: {in: 1}, b: {input: 1}}", InvalidConfig, "models.a: unknown key 'in'"),
        ("models: {a: {input: x}, b: {input: 1}}", InvalidConfig, r"a\.input: expected a number"),
        ("modls: {}", UnknownName, "unknown .*key 'modls'; did you mean 'models'"),
        ("currency: ECU", InvalidConfig, r"prices.yaml': unknown currency 'ECU'"),
        ("others: litellm", InvalidConfig, "others: expected 'none' or 'genai-prices'"),
        ("{currency: EUR, others: genai-prices}", InvalidConfig, "genai-prices has prices in USD"),
        ("[1, 2", InvalidConfig, "prices.yaml': not YAML"),
        ("", InvalidConfig, "prices.yaml': expected keys with values, got nothing"),
    ],
)
def test_a_file_that_cannot_be_used(
    tmp_path: Path, text: str, error: type[LondiError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        find_prices(table(tmp_path, text), "a", "b")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"none\.yaml': No such file"):
        find_prices(str(tmp_path / "none.yaml"), "a", "b")


def test_built_in_models_have_example_prices() -> None:
    for env in ("babyai", "scienceworld"):
        found = find_prices("", f"builtin:{env}-quick", f"builtin:{env}-deepthink")
        assert found and found.quick.input < found.deepthink.input
    for name in builtin_models():
        assert find_prices("", name, QUICK) is not None


def test_other_models_have_none_unless_they_are_given() -> None:
    assert find_prices("", "org/small", DEEPTHINK) is None
    with pytest.raises(InvalidConfig, match="failure_price: expected the prices of the models"):
        find_prices("", "org/small", DEEPTHINK, 1.0)


@pytest.mark.parametrize("value", [-0.1, float("inf")])
def test_the_price_of_a_failure_is_a_number(value: float) -> None:
    with pytest.raises(InvalidConfig, match="failure_price: expected a number >= 0"):
        EvaluateConfig(failure_price=value)


def test_prices_of_hosted_models_come_from_a_library(tmp_path: Path) -> None:
    found = find_prices("genai-prices", "openai/gpt-4o-mini", "gpt-4o")
    assert found and found.currency == "USD"
    assert 0 < found.quick.input < found.deepthink.input < found.deepthink.output
    assert found.deepthink.cached_input and found.deepthink.cached_input < found.deepthink.input
    # Entries of one's own win.
    text = "{others: genai-prices, models: {gpt-4o: {input: 7, output: 9}}}"
    mixed = find_prices(table(tmp_path, text), "openai/gpt-4o-mini", "gpt-4o")
    assert mixed and (mixed.quick, mixed.deepthink) == (found.quick, Price(7.0, 9.0))


@pytest.mark.parametrize("name", ["no-such-model", "no/such-model", "google/gemma-3-4b-it"])
def test_a_hosted_model_without_a_price_is_refused(name: str) -> None:
    """The list names models without a price, which are not free."""
    with pytest.raises(InvalidConfig, match=f"genai-prices has no price for '{name}'"):
        find_prices("genai-prices", name, "gpt-4o")


def test_prices_by_the_hour_of_the_day_are_those_of_noon() -> None:
    found = find_prices("genai-prices", "deepseek/deepseek-chat", "gpt-4o")
    with mock.patch("londi.config.prices.datetime", Midnight):
        assert find_prices("genai-prices", "deepseek/deepseek-chat", "gpt-4o") == found


class Midnight(datetime):
    """A clock that stands at half past eleven at night."""

    @classmethod
    def now(cls, tz: Any = None) -> Midnight:
        return cls(2026, 6, 1, 23, 30, tzinfo=tz)


def test_the_library_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = importlib.util.find_spec

    def hidden(name: str, package: str | None = None) -> Any:
        return None if name == "genai_prices" else plain(name, package)

    monkeypatch.setattr("londi.config.prices.find_spec", hidden)
    with pytest.raises(MissingExtra, match=r"pip install 'londi\[prices\]'"):
        find_prices("genai-prices", "gpt-4o-mini", "gpt-4o")
