"""All sessions of a policy, by their names.

This file knows sessions. It does not know what they decide.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice

import numpy as np

from londi.errors import UnknownSession
from londi.serve.core.arms import Arms, Rollout
from londi.serve.core.budget import NO_CAP, Ledger, MemoryLedger, Scope
from londi.serve.core.policy import Policy
from londi.serve.core.serving import Serving
from londi.serve.core.session import NEW, History, Served, Session


class Sessions:
    """All sessions of a policy.

    Args:
        policy: decides.
        serving: how sessions are served.
        seed: of the draws, which then depend on it and on the session's name alone.
        most: sessions that are kept; the one used longest ago is forgotten first, though none that
            waits for an answer.
        ledger: what is taken of the budgets; one in memory by default.
        clock: seconds that only go forward.
        history: what is known of a session that is not in memory, by its name.
        rollout: which policy decides which session; by default `policy` decides all.

    Attributes:
        seed: see above; drawn where none was given.
        rollout: see above.

    Raises:
        InvalidConfig: if the policy was not trained for the cost.
    """

    def __init__(
        self,
        policy: Policy,
        serving: Serving,
        *,
        seed: int | None = None,
        most: int = 10_000,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
        history: Callable[[str], History] = lambda name: NEW,
        rollout: Rollout | None = None,
    ) -> None:
        if serving.cost is not None:
            policy.check_cost(serving.cost)
        self.policy, self.serving = policy, serving
        self.ledger: Ledger = ledger or MemoryLedger()
        self.seed = seed if seed is not None else int(np.random.default_rng().integers(1 << 32))
        self.rollout = rollout or Arms.of(policy)
        self._served = Served(
            policy, self.rollout, serving, self.ledger, self.scopes, self.seed, clock
        )
        self._most, self._history = most, history
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def session(self, name: str, client: str = "") -> Session:
        """The session of that name, begun if there is none.

        Args:
            name: its name.
            client: who has it, where clients have budgets.
        """
        with self._lock:
            found = self._sessions.get(name) or self._begin(name, client, self._history(name))
            self._sessions.move_to_end(name)
            return found

    def find(self, name: str) -> Session | None:
        """The session of that name; None where there is none."""
        with self._lock:
            return self._sessions.get(name)

    def recent(self, most: int) -> list[str]:
        """Names of the sessions used last, the latest first."""
        with self._lock:
            return list(islice(reversed(self._sessions), most))

    def known(self, name: str, client: str = "") -> Session:
        """The session of that name.

        Args:
            name: its name.
            client: who has it, where clients have budgets.

        Raises:
            UnknownSession: if there is none.
        """
        with self._lock:
            if found := self._sessions.get(name):
                return found
            history = self._history(name)
            if not history.steps:
                raise UnknownSession(name)
            return self._begin(name, client, history)

    def scopes(self, name: str, client: str) -> tuple[Scope, ...]:
        """The budgets that a call now is of; those without a cap are left out."""
        serving = self.serving
        of = (
            Scope(f"session:{name}", serving.budget),
            Scope(f"client:{client}", serving.client_budget, for_ever=True),
            Scope(f"day:{datetime.now(UTC):%Y-%m-%d}", serving.day_budget),
        )
        return tuple(scope for scope in of if scope.most != NO_CAP)

    def _begin(self, name: str, client: str, history: History) -> Session:
        found = Session(name, client, self._served, history)
        self._sessions[name] = found
        self._forget(name)
        return found

    def _forget(self, new: str) -> None:
        while len(self._sessions) > self._most:
            idle = (n for n, one in self._sessions.items() if n != new and not one.waits)
            oldest = next(idle, None)
            if oldest is None:
                return
            del self._sessions[oldest]
