"""Settings of a Switcher in front of real traffic: one YAML file for clients and gateways."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from londi.config.base import INF, MOST_SEED, Settings, check, is_http
from londi.config.prices import CURRENCIES, Price
from londi.config.rollout import RolloutConfig
from londi.errors import InvalidConfig, UnknownName

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class UpstreamConfig(Settings):
    """One of the two models, and where it is."""

    model: str
    """Name of the model in its API."""
    base_url: str = ""
    """Address of an API with both models' shapes, such as `https://api.openai.com/v1`; by default
    that of the request."""
    key: str = ""
    """Name of the environment variable that holds the key of this API; by default the request's own
    key is sent."""
    price: Price | None = None
    """Prices of a million tokens: `{input, output, cached_input, cache_write}`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            raise InvalidConfig("model: expected the name of a model, got an empty text")
        if self.base_url and not is_http(self.base_url):
            raise InvalidConfig(
                f"base_url: expected http:// or https:// and a host, got {self.base_url!r}"
            )


@dataclass(frozen=True)
class BudgetConfig(Settings):
    """The most that is taken of DEEPTHINK; once it is spent, QUICK answers, or nobody does."""

    calls: int | None = None
    """Number of calls."""
    tokens: int | None = None
    """Tokens of prompts and answers."""
    money: float | None = None
    """Money, in the currency of the prices."""

    def __post_init__(self) -> None:
        super().__post_init__()
        given = {name: (0, INF) for name, value in vars(self).items() if value is not None}
        check(self, **given)


@dataclass(frozen=True)
class ShadowConfig(Settings):
    """Shadow answers: what the other model would have said, for data to learn from."""

    quick: float = 0.0
    """Probability that QUICK is asked as well, at a step that DEEPTHINK answers."""
    deepthink: float = 0.0
    """Probability that DEEPTHINK is asked as well, at a step that QUICK answers."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    """The most that all shadow answers of a day (UTC) take; then there are no more."""
    encoder: str = ""
    """What embeds both answers into the traces: text, sentence:<model> or model:<name>; empty for
    none."""
    at_once: int = 32
    """Most shadow answers that are waited for at once."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, quick=(0, 1), deepthink=(0, 1), at_once=(1, 10_000))

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return self.quick > 0 or self.deepthink > 0


@dataclass(frozen=True)
class ServeConfig(Settings):
    """Put a Switcher in front of two models that are called through an API."""

    quick: UpstreamConfig
    """The small and cheap model."""
    deepthink: UpstreamConfig
    """The large and expensive model."""
    switcher: str
    """What decides: a file of `londi export`, `always-quick`, `always-deepthink`, or `random:P` for
    a call with probability P at every step."""
    cost: float | None = None
    """c: the price of one DEEPTHINK call, in units of the return; by default that of the file."""
    worth: float | None = None
    """Value of a return of 1, in the currency of the prices; c is then what DEEPTHINK's next call
    costs more than QUICK's, as the provider's cache and the answers' lengths have it."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    """The most that a session takes of DEEPTHINK: `{calls, tokens, money}`."""
    client_budget: BudgetConfig = field(default_factory=BudgetConfig)
    """The most that all sessions of a client of the gateway take, for ever."""
    day_budget: BudgetConfig = field(default_factory=BudgetConfig)
    """The most that all sessions take in a day (UTC)."""
    when_spent: Literal["quick", "stop"] = "quick"
    """Where a budget is spent QUICK goes on, or further requests are refused (status 402)."""
    ledger: str | None = None
    """Where the amounts taken of budgets are stored: a file in SQLite's format, `redis://HOST:PORT`
    for several gateways, or empty for memory, which ends with the process. By default a client
    counts in memory, and a gateway with budgets in a file beside its settings (NAME.ledger.db)."""
    ledger_days: int = 30
    """Days after its last change that the account of a session, or of a day, is kept in the ledger.
    A session that calls DEEPTHINK again later starts with a full budget. Clients' accounts are kept
    for ever."""
    exploration: float = 0.0
    """Probability of a uniformly random choice in place of the Switcher's, for data to learn
    from."""
    in_tool_loops: bool = False
    """Switch also where the last message is the result of a tool; else the model that called the
    tool goes on."""
    cache_lifetime: float = 300.0
    """Seconds for which providers keep the beginning of a prompt in their cache."""
    most_output_tokens: int = 32_768
    """Bound of an answer where a request has none, for budgets in tokens or money."""
    currency: str = "USD"
    """Code of the currency of all prices."""
    traces: str = ""
    """File of traces, in SQLite's format: every step with its propensity, and the feedback; empty
    for none."""
    keep_texts: bool = False
    """Keep the messages of requests in the traces as well."""
    shadow: ShadowConfig = field(default_factory=ShadowConfig)
    """Ask the other model beside the real answer, for data to learn from: `{quick, deepthink,
    budget, encoder, at_once}`."""
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    """Which sessions the Switcher decides, and what it saves: `{mode, control, previous, share,
    seed, guard}`."""
    seed: int | None = None
    """Seed of the draws; each depends on it, the session's name and the step alone. By default each
    start draws another one."""

    @property
    def budgets(self) -> tuple[BudgetConfig, ...]:
        """All budgets."""
        return (self.budget, self.client_budget, self.day_budget, self.shadow.budget)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            exploration=(0, 1),
            cache_lifetime=(0, INF),
            most_output_tokens=(1, 100_000_000),
            ledger_days=(2, 36_500),  # a day's account may change until its calls have ended
        )
        given = {"cost": (0, INF), "worth": (0, INF), "seed": (0, MOST_SEED)}
        check(self, **{name: given[name] for name in given if getattr(self, name) is not None})
        if self.currency not in CURRENCIES:
            raise UnknownName("currency", self.currency, CURRENCIES)
        one, other = self.quick, self.deepthink
        if (one.model, one.base_url) == (other.model, other.base_url):
            raise InvalidConfig(
                f"deepthink: expected another model than QUICK, got {other.model!r}"
            )
        priced = all(upstream.price for upstream in (one, other))
        if self.worth is not None and not priced:
            raise InvalidConfig("worth: expected a price of both models as well")
        if self.shadow.any and not self.traces:
            raise InvalidConfig("shadow: expected traces as well, where the answers are kept")
        if self.rollout.any and not self.traces:
            raise InvalidConfig("rollout: expected traces as well, where its arms are compared")
        if self.shadow.budget.money is not None and not priced:
            raise InvalidConfig("shadow.budget.money: expected a price of both models as well")
        for name in ("budget", "client_budget", "day_budget"):
            if getattr(self, name).money is not None and not other.price:
                raise InvalidConfig(f"{name}.money: expected a price of deepthink as well")


@dataclass(frozen=True)
class GatewayConfig(ServeConfig):
    """Put a Switcher in front of two models, at an address of its own."""

    listen: str = "127.0.0.1:8080"
    """Host and port."""
    clients: dict[str, str] = field(default_factory=dict)
    """Keys that requests may have, by the name of their client: the SHA-256 of each key in
    hexadecimal (`printf %s KEY | sha256sum`). Without any, only this machine can ask."""
    estimate: str = ""
    """File of an estimate (`estimate.json` of `londi ope`) that the live page shows beside what
    came; empty for none."""
    most_bytes: int = 20_000_000
    """Largest request."""
    timeout: float = 600.0
    """Seconds without a byte after which a model is given up."""
    connect_timeout: float = 5.0
    """Seconds for a connection to a model."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, most_bytes=(1, INF), timeout=(0, INF), connect_timeout=(0, INF))
        for name, upstream in (("quick", self.quick), ("deepthink", self.deepthink)):
            if not upstream.base_url:
                raise InvalidConfig(f"{name}.base_url: expected the address of its API, got none")
        for name, digest in self.clients.items():
            if not _SHA256.fullmatch(digest):
                raise InvalidConfig(
                    f"clients.{name}: expected the SHA-256 of a key, 64 hexadecimal digits"
                )
        if self.estimate and not self.traces:
            raise InvalidConfig("estimate: expected traces as well, which say what came")
        host, _ = self.address
        if not self.clients and host not in ("127.0.0.1", "::1", "localhost"):
            raise InvalidConfig(
                f"clients: expected keys, since others reach {self.listen!r}; without them listen"
                " to 127.0.0.1"
            )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port.

        Raises:
            InvalidConfig: if `listen` has another form.
        """
        host, _, port = self.listen.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and int(port) < 65536):
            raise InvalidConfig(f"listen: expected HOST:PORT, got {self.listen!r}")
        return host.strip("[]"), int(port)
