"""The live view of a gateway: what it has in memory, and what its traces say.

It is made on a thread of its own, at most once a second, and only while somebody looks. This file
knows a router and its counters, and no HTTP.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from londi.config.serve import GatewayConfig
from londi.serve.core.budget import BILLION, Scope
from londi.serve.core.sessions import Sessions
from londi.serve.identity import scoped
from londi.serve.live.digest import Digest
from londi.serve.live.figures import Figures
from londi.serve.live.records import (
    Answered,
    Failed,
    Live,
    Process,
    Serving,
    Spent,
    SpentOf,
    Traced,
    number,
)
from londi.serve.metrics import Metrics
from londi.serve.router import Router

_log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds for which a view is good."""
READING = 0.4
"""Most seconds for which one look reads traces, but for the chunk that it has begun."""
AGAIN = 10.0
"""Seconds before traces that could not be read are tried again."""
SESSIONS = 8
"""Sessions whose budgets are shown."""


class LiveView:
    """What the live page shows of one gateway.

    Args:
        config: the settings.
        router: decides.
        metrics: its counters.
    """

    def __init__(self, config: GatewayConfig, router: Router, metrics: Metrics) -> None:
        self._config, self._router, self._metrics = config, router, metrics
        self._estimate = Path(config.estimate).expanduser() if config.estimate else None
        self._since, self._salt = time.time(), secrets.token_bytes(16)
        self._thread = ThreadPoolExecutor(1, "live")  # touches the digest alone
        self._lock = asyncio.Lock()
        self._digest: Digest | None = None
        self._figures: Figures | None = None
        self._made, self._good, self._again = self._empty(), 0.0, 0.0

    async def of(self, client: str) -> Live:
        """The view of a client, who sees the names of no sessions but its own.

        Args:
            client: its name; empty where there are no clients.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            return await loop.run_in_executor(self._thread, partial(self._of, client))

    def close(self) -> None:
        """Let go of the traces."""
        self._thread.submit(self._forget)
        self._thread.shutdown()

    def _of(self, client: str) -> Live:
        if time.monotonic() >= self._good:
            self._made = self._look()
            self._good = time.monotonic() + PAUSE
        made = self._made
        sessions = self._router.steps.sessions
        own = _spent(sessions, sessions.scopes("", client), "client")
        budgets = (*(one for one in made.budgets if one.of == "day"), *own)
        budgets += tuple(one for one in made.budgets if one.of == "session")
        if not client:
            return replace(made, budgets=budgets)
        named = tuple(
            replace(one, name=self._shown(one.name, client)) if one.of == "session" else one
            for one in budgets
        )
        return replace(
            made, budgets=named, traces=made.traces and self._masked(made.traces, client)
        )

    def _empty(self) -> Live:
        """The view without budgets and traces."""
        config, sessions = self._config, self._router.steps.sessions
        traces = self._router.steps.traces
        return Live(
            time=time.time(),
            serving=Serving(
                config.quick.model,
                config.deepthink.model,
                sessions.policy.version,
                "",
                config.currency,
                bool(config.clients),
            ),
            process=Process(
                self._since,
                tuple(Answered(*one) for one in self._metrics.answers()),
                tuple(Failed(*one) for one in self._metrics.failures()),
                traces.dropped if traces else 0,
            ),
            budgets=(),
            traces=None,
        )

    def _look(self) -> Live:
        made, sessions = self._empty(), self._router.steps.sessions
        budgets = list(_spent(sessions, sessions.scopes("", ""), "day"))
        for name in sessions.recent(SESSIONS):
            budgets += _spent(sessions, sessions.scopes(name, ""), "session")
        traces, problem = self._traced()
        serving = replace(made.serving, off=sessions.rollout.off)
        return replace(
            made, serving=serving, budgets=tuple(budgets), traces=traces, problem=problem
        )

    def _traced(self) -> tuple[Traced | None, str]:
        """What the traces say, and why they say nothing."""
        traces = self._router.steps.traces
        if traces is None:
            return None, ""
        if time.monotonic() < self._again:
            return None, self._made.problem
        try:
            if self._digest is None or self._figures is None:
                version = self._router.steps.sessions.policy.version
                self._digest = Digest(traces.file)
                self._figures = Figures(self._digest, version, self._estimate)
            self._digest.read(READING)
            return self._figures.traced(), ""
        except sqlite3.Error as error:
            _log.warning("the live page cannot read the traces: %s", error)
            self._forget()  # sums of half a chunk are wrong
            self._again = time.monotonic() + AGAIN
            return None, f"the traces cannot be read: {error}"

    def _forget(self) -> None:
        if self._digest is not None:
            self._digest.close()
        self._digest = self._figures = None

    def _masked(self, traces: Traced, client: str) -> Traced:
        decisions = tuple(
            replace(one, session=self._shown(one.session, client)) for one in traces.decisions
        )
        return replace(traces, decisions=decisions)

    def _shown(self, session: str, client: str) -> str:
        """A session's name as a client sees it: another's is a number that tells it apart."""
        if session.startswith(scoped(client, "")):
            return session
        digest = hashlib.blake2b(
            session.encode(errors="surrogatepass"), key=self._salt, digest_size=4
        )
        whose = next((c for c in self._config.clients if session.startswith(scoped(c, ""))), "")
        return scoped(whose, f"#{digest.hexdigest()}")


def _spent(sessions: Sessions, scopes: Sequence[Scope], kind: SpentOf) -> tuple[Spent, ...]:
    """What is taken of the budgets of one kind among `scopes`."""
    made = []
    for scope in scopes:
        of, _, name = scope.name.partition(":")
        if of == kind:
            taken, most = sessions.ledger.taken(scope), scope.most
            money = number(most.money)
            made.append(
                Spent(
                    kind,
                    name,
                    taken.calls,
                    taken.tokens,
                    taken.money / BILLION,
                    number(most.calls),
                    number(most.tokens),
                    None if money is None else money / BILLION,
                )
            )
    return tuple(made)
