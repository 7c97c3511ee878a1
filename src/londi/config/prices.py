"""Prices of the models' work: on the command line, in a YAML file, or from `genai-prices`.

This file knows prices and usage. It does not know what was played.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Final, Literal

from londi.config.base import INF, Settings, check
from londi.config.settings import read_config
from londi.errors import InvalidConfig, MissingExtra, UnknownName
from londi.types import Usage

MILLION = 1_000_000
"""Tokens that a price is for."""
HOUR = 3600
"""Seconds that the price of an hour is for."""

GENAI: Final = "genai-prices"
"""Name of the optional source of prices."""
EXAMPLE = "example"
"""Source of the prices of built-in models, which nobody sells."""

BUILTIN = Path(__file__).with_name("prices.yaml")
"""Example prices for the built-in models."""

_CODES = """
    AED ARS AUD BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD
    PHP PLN RON RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR
"""
CURRENCIES = tuple(_CODES.split())
"""Codes of ISO 4217 that are known."""

FORM = "quick=0.1/0.4,deepthink=2/8"
"""Example of prices on the command line: input / output, in a million tokens."""


@dataclass(frozen=True)
class Price(Settings):
    """Prices of one model's work.

    Attributes:
        input: a million prompt tokens; 0 where only hours are paid.
        output: a million tokens of answers.
        cached_input: a million prompt tokens that the provider had in its cache; `input` if None.
        cache_write: a million prompt tokens that it put into its cache; `input` if None.
        hour: an hour inside the model, on a machine of one's own.
    """

    input: float
    output: float = 0.0
    cached_input: float | None = None
    cache_write: float | None = None
    hour: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, price in vars(self).items():
            if price is not None and not (isfinite(price) and price >= 0):
                raise InvalidConfig(f"{name}: expected a price >= 0, got {price!r}")

    def of(self, work: Usage) -> float:
        """The money that `work` takes."""
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        fresh = work.tokens - work.cached_tokens - work.cache_write_tokens
        tokens = (
            self.input * fresh
            + cached * work.cached_tokens
            + written * work.cache_write_tokens
            + self.output * work.output_tokens
        )
        return tokens / MILLION + self.hour * work.cpu_seconds / HOUR

    def misses(self, work: Usage) -> bool:
        """Whether tokens have a price, and the model counted either its calls or them alone."""
        return bool(self.input or self.output) and (work.calls > 0) != (work.tokens > 0)


@dataclass(frozen=True)
class PriceTable(Settings):
    """A file of prices."""

    models: dict[str, Price] = field(default_factory=dict)
    """Prices by the name of a model."""
    currency: str = "USD"
    """Code of the currency."""
    others: Literal["none", "genai-prices"] = "none"
    """Where the prices of other models are looked up."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.currency not in CURRENCIES:
            raise UnknownName("currency", self.currency, CURRENCIES)
        if self.others == GENAI and self.currency != "USD":
            raise InvalidConfig(f"currency: {GENAI} has prices in USD, got {self.currency}")


@dataclass(frozen=True)
class PriceSettings(Settings):
    """Base of the settings of verbs that write an account."""

    price: str = ""
    """Prices of QUICK and DEEPTHINK: of a million input / output tokens, such as
    `quick=0.1/0.4,deepthink=2/8`, a YAML file of prices, or `genai-prices`. The built-in models
    have example prices; an output price that is left out is 0."""
    failure_price: float | None = None
    """Price of a failed episode in the bill, in the currency of `price`; by default that of an
    episode of DEEPTHINK alone, which would do it again."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_price(self.price)
        if self.failure_price is not None:
            check(self, failure_price=(0, INF))


@dataclass(frozen=True)
class Prices:
    """Prices of both models of a pair.

    Attributes:
        quick: those of QUICK.
        deepthink: those of DEEPTHINK.
        source: where they come from: `EXAMPLE`, or what was given.
        currency: code of the currency.
        failure: gamma, the price of an episode that failed; None for that of an episode of
            DEEPTHINK alone.
    """

    quick: Price
    deepthink: Price
    source: str = ""
    currency: str = "USD"
    failure: float | None = None

    def of(self, quick: Usage, deepthink: Usage) -> float | None:
        """The money that the work of both takes; None if tokens with a price were not counted."""
        if self.quick.misses(quick) or self.deepthink.misses(deepthink):
            return None
        return self.quick.of(quick) + self.deepthink.of(deepthink)


def check_price(given: str) -> None:
    """Raise InvalidConfig unless `given` has a form that `find_prices` reads; opens no file."""
    if given and given != GENAI and not _is_file(given):
        _inline(given)


def find_prices(
    given: str, quick: str, deepthink: str, failure: float | None = None
) -> Prices | None:
    """The prices of two models.

    Args:
        given: prices in the form of `FORM`, a YAML file (`PriceTable`), or `genai-prices`. Empty
            for the example prices of the built-in models.
        quick: QUICK's name.
        deepthink: DEEPTHINK's name.
        failure: see `Prices`.

    Returns:
        The prices; None if `given` is empty and one of the two is no built-in model.

    Raises:
        InvalidConfig: if a price is missing, negative or of a wrong type, or a file cannot be read.
        UnknownName: if a currency, or a key of a file, is unknown.
        MissingExtra: if `genai-prices` is asked for and not installed.
    """
    if given == GENAI:
        table, where = PriceTable(others=GENAI), ""
    elif not given or _is_file(given):
        file = Path(given).expanduser() if given else BUILTIN
        table, where = read_config(file, PriceTable), f"{str(file)!r}: "
    else:
        return replace(_inline(given), failure=failure)
    if not given and not table.models.keys() >= {quick, deepthink}:
        if failure is not None:
            raise InvalidConfig("failure_price: expected the prices of the models as well: --price")
        return None
    of_quick, of_deepthink = (_of_model(name, table, where) for name in (quick, deepthink))
    return Prices(of_quick, of_deepthink, given or EXAMPLE, table.currency, failure)


def _is_file(given: str) -> bool:
    return Path(given).suffix.lower() in (".yaml", ".yml")


def _inline(given: str) -> Prices:
    wrong = InvalidConfig(
        f"price: expected two prices such as {FORM}, a YAML file, or {GENAI}, got {given!r}"
    )
    parts = [part.partition("=") for part in given.split(",")]
    values = {name.strip(): value.strip() for name, _, value in parts}
    if len(values) < len(parts) or values.keys() - {"currency"} != {"quick", "deepthink"}:
        raise wrong
    currency = values.pop("currency", "USD")
    if currency not in CURRENCIES:
        raise UnknownName("currency", currency, CURRENCIES)
    found = {}
    for name, value in values.items():
        try:
            numbers = [float(number) for number in value.split("/")]
        except ValueError:
            raise wrong from None
        if len(numbers) > 2:
            raise wrong
        try:
            found[name] = Price(*numbers)
        except InvalidConfig as error:
            raise InvalidConfig(f"price: {name}: {error}") from error
    return Prices(found["quick"], found["deepthink"], given, currency)


def _of_model(name: str, table: PriceTable, where: str) -> Price:
    own = table.models.get(name)
    if own is not None:
        return own
    if table.others == GENAI:
        return _genai(name)
    listed = ", ".join(map(repr, table.models)) or "none"
    raise InvalidConfig(f"{where}expected a price for {name!r}, got those for {listed}")


def _genai(name: str) -> Price:
    """The price of a hosted model, by its name or by `provider/name`, from the installed list."""
    if find_spec("genai_prices") is None:
        raise MissingExtra(GENAI, "prices")
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price
    from genai_prices.types import PriceCalculation

    some = 1000  # few enough for the price of a short prompt
    # Some prices depend on the hour.
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    provider, _, rest = name.partition("/")

    def calculated(**tokens: int) -> PriceCalculation:
        usage = Tokens(**tokens)
        try:
            return calc_price(usage, name, genai_request_timestamp=noon)
        except LookupError:
            return calc_price(usage, rest, provider_id=provider, genai_request_timestamp=noon)

    def price(**tokens: int) -> float:
        return float(calculated(**tokens).total_price) * MILLION / some

    try:
        known = calculated(input_tokens=some).model_price
        if known.input_mtok is None or known.output_mtok is None:
            raise LookupError
        return Price(
            input=price(input_tokens=some),
            output=price(output_tokens=some),
            cached_input=price(input_tokens=some, cache_read_tokens=some),
            cache_write=price(input_tokens=some, cache_write_tokens=some),
        )
    except LookupError as error:
        raise InvalidConfig(f"price: {GENAI} has no price for {name!r}") from error
