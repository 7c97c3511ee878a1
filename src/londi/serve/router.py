"""Requests of an API turned into those of the model that a Switcher chooses.

This file knows requests and sessions. It does not know how bytes travel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path

from londi.config.base import INF
from londi.config.prices import Price
from londi.config.serve import BudgetConfig, ServeConfig, UpstreamConfig
from londi.config.settings import read_config
from londi.envs.conversation import Message
from londi.errors import InvalidConfig, UnknownName
from londi.serve.apis import ANTHROPIC, Api, UsageReader, api_of
from londi.serve.body import RequestBody
from londi.serve.core.budget import BILLION, Amount
from londi.serve.core.policy import load_policy
from londi.serve.core.serving import ServedDecision, Serving
from londi.serve.core.session import Session
from londi.serve.core.sessions import Sessions
from londi.serve.identity import scoped, session_of
from londi.serve.ledgers import open_ledger
from londi.serve.traces import STEP_NAMES, Row, TraceStore, as_json, now
from londi.types import Usage


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, and how it differs from what came.

    Attributes:
        url: the address; None for that of the request.
        headers: in place of the request's headers of these names.
        content: the body.
    """

    url: str | None
    headers: dict[str, str]
    content: bytes


class Router:
    """Decides which model answers a request.

    Args:
        config: the settings.
        sessions: the sessions that it serves.
        keys: key of each model's API; empty to leave that of the request.
        traces: where steps and feedback are written down; None for nowhere.
    """

    def __init__(
        self,
        config: ServeConfig,
        sessions: Sessions,
        keys: tuple[str, str],
        traces: TraceStore | None = None,
    ) -> None:
        self._config, self.sessions, self._keys = config, sessions, keys
        self.traces = traces

    @classmethod
    def of(cls, config: ServeConfig) -> Router:
        """A router with sessions of its own.

        Raises:
            LondiError: if the Switcher cannot be loaded or does not fit, or a key is missing.
        """
        keys = (_key("quick", config.quick), _key("deepthink", config.deepthink))
        serving = Serving(
            models=(config.quick.model, config.deepthink.model),
            prices=(config.quick.price, config.deepthink.price),
            cost=config.cost,
            worth=config.worth,
            budget=_amount(config.budget),
            client_budget=_amount(config.client_budget),
            day_budget=_amount(config.day_budget),
            exploration=config.exploration,
            in_tool_loops=config.in_tool_loops,
            lifetime=config.cache_lifetime,
        )
        policy = load_policy(config.switcher)
        ledger = open_ledger(config.ledger)
        sessions = Sessions(policy, serving, seed=config.seed, ledger=ledger)
        traces = TraceStore(Path(config.traces).expanduser()) if config.traces else None
        return cls(config, sessions, keys, traces)

    @classmethod
    def read(cls, file: Path | str) -> Router:
        """The router of a YAML file of settings (`ServeConfig`).

        Raises:
            LondiError: if the file cannot be used; see `of`.
        """
        path = Path(file)
        config = read_config(path, ServeConfig)
        try:
            return cls.of(config)
        except InvalidConfig as error:
            raise InvalidConfig(f"{str(path)!r}: {error}") from error

    def route(
        self,
        path: str,
        headers: Mapping[str, str],
        content: bytes,
        names: Collection[str] | None = None,
        who: str = "",
    ) -> Routed | None:
        """The request with its decision; None where it is of no API that is known.

        Args:
            path: of its address.
            headers: names in lower case.
            content: its body.
            names: models that it may name; None for any.
            who: name of the client, whose sessions are its own.

        Raises:
            InvalidConfig: if the body is no JSON object.
            UnknownName: if it names another model.
        """
        api = api_of(path)
        if api is None:
            return None
        body = RequestBody(content)
        model = body.values.get("model")
        if names is not None and not (isinstance(model, str) and model in names):
            raise UnknownName("model", str(model), names)
        messages = api.read(body.values)
        name = session_of(headers, body.values, messages)
        session = self.sessions.session(scoped(who, name), who)
        bound = self._bound(api, body, len(content))
        return Routed(self, api, body, session, messages, bound)

    def target(self, api: Api, body: RequestBody, choice: int) -> Target:
        """The request to the model of that choice."""
        upstream = (self._config.quick, self._config.deepthink)[choice]
        url = upstream.base_url.rstrip("/") + api.path if upstream.base_url else None
        key = self._keys[choice]
        if not key:
            named = {}
        elif api is ANTHROPIC:
            named = {"x-api-key": key}
        else:
            named = {"authorization": f"Bearer {key}"}
        return Target(url, named, body.with_model(upstream.model))

    def feedback(self, session: str, value: float, step: int | None = None) -> None:
        """Note the value of a step, or of a whole session; see `Session.feedback`.

        Raises:
            InvalidConfig: if the session or the step is unknown, or the value is none.
        """
        self.sessions.known(session).feedback(value, step)
        if self.traces is not None:
            row = {"session": session, "step": step, "time": now(), "value": float(value)}
            self.traces.add("feedback", row)

    def trace(self, routed: Routed, usage: Usage | None) -> None:
        """Write a step down, once it has ended."""
        if self.traces is not None:
            self.traces.add("steps", routed.row(usage, self._config.keep_texts))

    def close(self) -> None:
        """Write what waits to be written, and let go of files and connections."""
        if self.traces is not None:
            self.traces.close()
        self.sessions.ledger.close()

    def _bound(self, api: Api, body: RequestBody, size: int) -> Amount:
        """The most that a call of DEEPTHINK on this request can take.

        A token has a byte at least, so that a prompt of text has no more tokens than bytes.
        """
        output = api.most_output(body.values, self._config.most_output_tokens)
        price = self._config.deepthink.price
        money = ceil(_dearest(price, size, output) * BILLION) if price else 0
        return Amount(1, size + output, money)


class Routed:
    """One request, from its decision to the usage of its answer.

    Attributes:
        decision: who answers, and why.
        choice: the model that is asked: that of the decision, or the other one after `fall_back`.
        status: HTTP status of the answer; None before there is one.
    """

    def __init__(
        self,
        router: Router,
        api: Api,
        body: RequestBody,
        session: Session,
        messages: list[Message],
        bound: Amount,
    ) -> None:
        self._router, self._api, self._body = router, api, body
        self._session, self._bound = session, bound
        self._ended = False
        self._time, self._began, self._first_byte = now(), time.perf_counter(), 0.0
        self.status: int | None = None
        self.decision = session.decide(messages, bound)
        self.choice = self.decision.choice

    def target(self) -> Target:
        """The request to the model that is asked."""
        return self._router.target(self._api, self._body, self.choice)

    def fall_back(self, spent: bool = False) -> bool:
        """Ask the other model, once; False where its budget is spent, or it was asked already.

        Args:
            spent: the chosen one may have been asked, and what was held for it is taken.
        """
        if self.choice != self.decision.choice:
            return False
        if not self._session.fall_back(self.decision.step, self._bound, spent):
            return False
        self.choice = 1 - self.choice
        return True

    def reader(self, content_type: str) -> UsageReader:
        """What reads the usage from the answer while it passes."""
        self._first_byte = time.perf_counter() - self._began
        return UsageReader(self._api, content_type.startswith("text/event-stream"))

    def settle(self, usage: Usage | None) -> None:
        """Note the usage of the answer; where nobody knows it, all that was held is taken."""
        if not self._ended:
            self._ended = True
            self._session.settle(self.decision.step, usage)
            self._router.trace(self, usage)

    def release(self) -> None:
        """Give back what is held, since nobody answered."""
        if not self._ended:
            self._ended = True
            self._session.release(self.decision.step)
            self._router.trace(self, None)

    def row(self, usage: Usage | None, texts: bool) -> Row:
        """The step as a row of the traces."""
        decision, body = self.decision, self._body.values
        told = {
            name: getattr(decision, name)
            for name in STEP_NAMES.intersection(f.name for f in fields(ServedDecision))
        }
        counted = (
            {}
            if usage is None
            else {
                "prompt_tokens": usage.tokens,
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
                "output_tokens": usage.output_tokens,
            }
        )
        return (
            told
            | counted
            | {
                "time": self._time,
                "candidates": as_json(self._router.sessions.serving.models),
                "calls_left": _capped(decision.calls_left),
                "money_left": _capped(decision.money_left),
                "observation": decision.observation.astype("<f4").tobytes(),
                "api": self._api.path,
                "model": self.model,
                "status": self.status,
                "first_byte": self._first_byte or None,
                "seconds": time.perf_counter() - self._began,
                "messages": as_json(body.get("messages", body.get("input"))) if texts else None,
            }
        )

    @property
    def model(self) -> str:
        """Name of the model that is asked."""
        return self._router.sessions.serving.models[self.choice]

    @property
    def reason(self) -> str:
        """Why that one is."""
        fell = self.choice != self.decision.choice
        return "fallback" if fell else self.decision.reason

    def headers(self) -> dict[str, str]:
        """Headers of the answer: who gave it, why, and what is left."""
        decision = self.decision
        told = {
            "x-londi-model": self.model,
            "x-londi-reason": self.reason,
            "x-londi-session": decision.session,
            "x-londi-step": str(decision.step),
            "x-londi-probability": f"{decision.probability:.4f}",
        }
        left = self._session.left
        told |= {
            f"x-londi-{unit}-left": f"{amount:g}"
            for unit, amount in (
                ("calls", left.calls),
                ("tokens", left.tokens),
                ("money", left.money / BILLION),
            )
            if amount < INF
        }
        # A header has no other characters, and no space at its ends.
        return {
            name: value
            for name, value in told.items()
            if value.isascii() and value == value.strip()
        }


def _amount(budget: BudgetConfig) -> Amount:
    money = INF if budget.money is None else int(budget.money * BILLION)
    return Amount(_cap(budget.calls), _cap(budget.tokens), money)


def _cap(most: int | None) -> float:
    return INF if most is None else most


def _key(name: str, upstream: UpstreamConfig) -> str:
    """The key of an API, from the environment."""
    if not upstream.key:
        return ""
    if not (key := os.environ.get(upstream.key)):
        raise InvalidConfig(f"{name}.key: the environment variable {upstream.key!r} is not set")
    return key


def _capped(left: float) -> float | None:
    return left if left < INF else None


def _dearest(price: Price, tokens: int, output: int) -> float:
    """The most that so many tokens can cost."""
    plain = Usage(calls=1, tokens=tokens, output_tokens=output)
    written = Usage(calls=1, tokens=tokens, output_tokens=output, cache_write_tokens=tokens)
    return max(price.of(plain), price.of(written))
