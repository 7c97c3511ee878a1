"""One step of a session: who is asked, the usage of the answer, and the row of the traces.

This file knows a session and its traces. It does not know how a step begins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import fields
from types import TracebackType
from typing import Any, Self

from londi.config.base import INF
from londi.serve.core.budget import BILLION, Amount
from londi.serve.core.serving import ServedDecision
from londi.serve.core.session import Session
from londi.storage.trace_tables import STEP_NAMES, Row, usage_row
from londi.storage.traces import TraceStore, as_json, now
from londi.types import Usage

_DECIDED = STEP_NAMES.intersection(field.name for field in fields(ServedDecision))
"""Columns of the traces that a decision has by the same name."""


class Step:
    """One step of a session, from its decision to the usage of its answer.

    As a context it ends with its block: a step that nobody settled takes all that was held for it,
    since the model may have been asked.

    Attributes:
        decision: who answers, and why.
        choice: the model that is asked: that of the decision, or the other one after `fall_back`.
        status: HTTP status of the answer; None where there is none.
        message: its message as JSON, once the step has ended and where it was read.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        decision: ServedDecision,
        bound: Amount,
        models: tuple[str, str],
        kept: Row,
        traces: TraceStore | None,
    ) -> None:
        self._session, self._name, self._bound, self._models = session, name, bound, models
        self._kept, self._traces = kept, traces
        self._ended, self._lock = False, threading.Lock()
        self._calls: list[Callable[[], object]] = []
        self.message: object = None
        self._time, self._began, self._first_byte = now(), time.perf_counter(), 0.0
        self.status: int | None = None
        self.decision = decision
        self.choice = decision.choice

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.settle(None)

    @property
    def begun(self) -> float:
        """When its session began, in seconds since 1970."""
        return self._session.begun

    @property
    def model(self) -> str:
        """Name of the model that is asked."""
        return self._models[self.choice]

    @property
    def reason(self) -> str:
        """What settled who is asked."""
        fell = self.choice != self.decision.choice
        return "fallback" if fell else self.decision.reason

    def account(self) -> dict[str, Any]:
        """Who answers, why, and what is left of each budget, for the metadata of an answer."""
        left = self._session.left
        amounts = {"calls": left.calls, "tokens": left.tokens, "money": left.money / BILLION}
        return {
            "model": self.model,
            "reason": self.reason,
            "session": self._name,  # as its client calls it
            "step": self.decision.step,
            "probability": self.decision.probability,
            **{f"{unit}_left": amount for unit, amount in amounts.items() if amount < INF},
        }

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

    def answers(self) -> None:
        """Note that the answer has begun."""
        self._first_byte = time.perf_counter() - self._began

    def settle(self, usage: Usage | None, answer: object = None) -> None:
        """Note the answer.

        Args:
            usage: of it; where nobody knows it, all that was held is taken.
            answer: its message as JSON, for traces that keep texts.
        """
        if self._end(answer):
            self._session.settle(self.decision.step, usage)
            self._trace(usage)

    def release(self) -> None:
        """Give back what is held, since nobody answered."""
        if self._end():
            self._session.release(self.decision.step)
            self._trace(None)

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call `call` when the step has ended; at once where it has."""
        with self._lock:
            if not self._ended:
                self._calls.append(call)
                return
        call()

    def _end(self, answer: object = None) -> bool:
        """Whether the step ends now, and not for the second time."""
        with self._lock:
            if self._ended:
                return False
            self._ended, self.message = True, answer
            return True

    def _trace(self, usage: Usage | None) -> None:
        if self._traces is not None:
            self._traces.add("steps", self._row(usage))
        for call in self._calls:
            call()

    def _row(self, usage: Usage | None) -> Row:
        """The step as a row of the traces."""
        decision = self.decision
        told: Row = {name: getattr(decision, name) for name in _DECIDED}
        if usage is not None:
            told |= usage_row(usage) | {"money": self._session.money(self.choice, usage)}
        if "messages" in self._kept and self.message is not None:
            told["answer"] = as_json(self.message)
        return (
            self._kept
            | told
            | {
                "begun": self.begun,
                "time": self._time,
                "candidates": as_json(self._models),
                "calls_left": _capped(decision.calls_left),
                "money_left": _capped(decision.money_left),
                "observation": decision.observation.astype("<f4").tobytes(),
                "model": self.model,
                "status": self.status,
                "first_byte": self._first_byte or None,
                "seconds": time.perf_counter() - self._began,
            }
        )


def _capped(left: float) -> float | None:
    return left if left < INF else None
