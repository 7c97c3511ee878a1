"""Steps of sessions: the decision, the usage of the answer, and the row of the traces.

A step is opened with the body of a request, as an API has it, and ends when its answer is settled
or released. This file knows sessions and traces. It knows no HTTP and no network.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from londi.config.base import INF
from londi.config.prices import Price
from londi.config.serve import BudgetConfig, ServeConfig
from londi.config.settings import read_config
from londi.envs.conversation import ConversationPrompt
from londi.errors import InvalidConfig
from londi.models.usage import Body
from londi.serve.apis import CHAT, Api
from londi.serve.core.budget import BILLION, Amount
from londi.serve.core.policy import Judgement, load_policy
from londi.serve.core.serving import DEEPTHINK, ServedDecision, Serving
from londi.serve.core.session import Session
from londi.serve.core.sessions import Sessions
from londi.serve.identity import scoped, session_of
from londi.serve.ledgers import open_ledger
from londi.serve.questions import Asked
from londi.storage.trace_tables import STEP_NAMES, Row
from londi.storage.traces import TraceStore, as_json, now
from londi.types import Usage

Made = TypeVar("Made")


class StepRouter:
    """Decides which model answers each step of an agent's sessions, and keeps their account.

    Args:
        config: the settings.
        sessions: the sessions that it serves.
        traces: where steps and feedback are written down; None for nowhere.
    """

    def __init__(
        self, config: ServeConfig, sessions: Sessions, traces: TraceStore | None = None
    ) -> None:
        self.config, self.sessions, self.traces = config, sessions, traces

    @classmethod
    def of(cls, config: ServeConfig) -> Self:
        """A router with sessions of its own.

        Raises:
            LondiError: if the Switcher cannot be loaded or does not fit.
        """
        serving = Serving(
            models=(config.quick.model, config.deepthink.model),
            prices=(config.quick.price, config.deepthink.price),
            cost=config.cost,
            worth=config.worth,
            budget=amount_of(config.budget),
            client_budget=amount_of(config.client_budget),
            day_budget=amount_of(config.day_budget),
            exploration=config.exploration,
            in_tool_loops=config.in_tool_loops,
            lifetime=config.cache_lifetime,
        )
        policy = load_policy(config.switcher)
        ledger = open_ledger(config.ledger)
        sessions = Sessions(policy, serving, seed=config.seed, ledger=ledger)
        traces = TraceStore(Path(config.traces).expanduser()) if config.traces else None
        return cls(config, sessions, traces)

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """The router of a YAML file of settings (`londi.config.serve.ServeConfig`).

        Raises:
            LondiError: if the file cannot be used; see `of`.
        """
        return made_of(Path(file), cls.of)

    def step(
        self,
        body: Body,
        api: Api = CHAT,
        *,
        session: str = "",
        headers: Mapping[str, str] | None = None,
        client: str = "",
        size: int | None = None,
    ) -> Step:
        """Decide who answers a request; the budget of the call is held until the step ends.

        Args:
            body: the request, of which messages, tools and bounds are read.
            api: its shape.
            session: name of the conversation; by default `body` or `headers` name it, or else it is
                a hash of how the conversation began.
            headers: of the request, names in lower case.
            client: whose sessions these are, where clients have budgets.
            size: bytes of the request; by default those of `body` as JSON.
        """
        messages = api.read(body)
        name = session or session_of(headers or {}, body, messages)
        if size is None:
            size = len(json.dumps(body, default=str))
        found = self.sessions.session(scoped(client, name), client)
        bound = self.bound(api, body, size, DEEPTHINK)
        decision = found.decide(messages, bound)
        kept = self._kept(found, decision.step, api.texts(body)) if self.config.keep_texts else {}
        return Step(self, found, decision, bound, api.path, kept)

    def judge(
        self, asked: Asked, headers: Mapping[str, str] | None = None, client: str = ""
    ) -> Judgement:
        """What the Switcher says of a conversation; nothing is decided, held or written down.

        Args:
            asked: the conversation, and the cost and budget of a call.
            headers: of the request; a session that they name and that is known lends what it knows.
            client: whose session it is.

        Raises:
            InvalidConfig: if the Switcher was not trained for the cost.
        """
        policy, serving = self.sessions.policy, self.sessions.serving
        if asked.cost is not None:
            policy.check_cost(asked.cost)
        cost_budget = asked.cost_budget(policy.cost if serving.cost is None else serving.cost)
        messages = asked.api.read(asked.body)
        known = self.sessions.find(scoped(client, session_of(headers or {}, asked.body, messages)))
        if known is not None:
            return known.judge(messages, cost_budget)
        prompt = ConversationPrompt.of(messages)
        allowed = np.array([[True, cost_budget.remaining > 0]])
        return policy.judge(prompt, cost_budget, prompt.turns, 0, allowed)

    def feedback(self, session: str, value: float, step: int | None = None) -> None:
        """Note the value of a session, or of one of its steps.

        Raises:
            InvalidConfig: if the session or the step is unknown, the value is no finite number, or
                there is one already.
        """
        self.sessions.known(session).feedback(value, step)
        if self.traces is not None:
            row = {"session": session, "step": step, "time": now(), "value": float(value)}
            self.traces.add("feedback", row)

    def close(self) -> None:
        """Write what waits to be written, and let go of files and connections."""
        if self.traces is not None:
            self.traces.close()
        self.sessions.ledger.close()

    @staticmethod
    def _kept(session: Session, step: int, messages: Sequence[object]) -> Row:
        """The messages as the traces keep them: those that the step before has not had."""
        texts = [as_json(message) for message in messages]
        follows, kept = session.goes_on(step, texts)
        new = f"[{','.join(texts[kept:])}]"
        return {"follows": follows, "kept": kept, "messages": new}

    def bound(self, api: Api, body: Body, size: int, choice: int) -> Amount:
        """The most that a call of a model can take.

        A token has a byte at least, so that a prompt of text has no more tokens than bytes.

        Args:
            api: shape of the request.
            body: the request.
            size: its bytes.
            choice: the model, 1 for DEEPTHINK.
        """
        output = api.most_output(body, self.config.most_output_tokens)
        price = self.sessions.serving.prices[choice]
        money = ceil(_dearest(price, size, output) * BILLION) if price else 0
        return Amount(1, size + output, money)


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
        router: StepRouter,
        session: Session,
        decision: ServedDecision,
        bound: Amount,
        api: str,
        kept: Row,
    ) -> None:
        self._router, self._session, self._bound = router, session, bound
        self._kept: Row = {"api": api, **kept}
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
        return self._router.sessions.serving.models[self.choice]

    @property
    def reason(self) -> str:
        """What settled who is asked."""
        fell = self.choice != self.decision.choice
        return "fallback" if fell else self.decision.reason

    @property
    def left(self) -> Amount:
        """What the session may still take of all its budgets."""
        return self._session.left

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
        if self._end():
            self.message = answer
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

    def _end(self) -> bool:
        """Whether the step ends now, and not for the second time."""
        with self._lock:
            ended, self._ended = self._ended, True
        return not ended

    def _trace(self, usage: Usage | None) -> None:
        if self._router.traces is not None:
            keeps = self._router.config.keep_texts and self.message is not None
            told = {"answer": as_json(self.message)} if keeps else {}
            self._router.traces.add("steps", self._row(usage) | told)
        for call in self._calls:
            call()

    def _row(self, usage: Usage | None) -> Row:
        """The step as a row of the traces."""
        decision = self.decision
        told: Row = {
            name: getattr(decision, name)
            for name in STEP_NAMES.intersection(f.name for f in fields(ServedDecision))
        }
        if usage is not None:
            told |= {
                "prompt_tokens": usage.tokens,
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
                "output_tokens": usage.output_tokens,
            }
        return (
            self._kept
            | told
            | {
                "begun": self.begun,
                "time": self._time,
                "candidates": as_json(self._router.sessions.serving.models),
                "calls_left": _capped(decision.calls_left),
                "money_left": _capped(decision.money_left),
                "observation": decision.observation.astype("<f4").tobytes(),
                "model": self.model,
                "status": self.status,
                "first_byte": self._first_byte or None,
                "seconds": time.perf_counter() - self._began,
            }
        )


def made_of(file: Path, make: Callable[[ServeConfig], Made]) -> Made:
    """What `make` makes of a YAML file of settings; its errors name the file."""
    config = read_config(file, ServeConfig)
    try:
        return make(config)
    except InvalidConfig as error:
        raise InvalidConfig(f"{str(file)!r}: {error}") from error


def amount_of(budget: BudgetConfig) -> Amount:
    """The most that a budget of the settings allows."""
    money = INF if budget.money is None else int(budget.money * BILLION)
    return Amount(_cap(budget.calls), _cap(budget.tokens), money)


def _cap(most: int | None) -> float:
    return INF if most is None else most


def _capped(left: float) -> float | None:
    return left if left < INF else None


def _dearest(price: Price, tokens: int, output: int) -> float:
    """The most that so many tokens can cost."""
    plain = Usage(calls=1, tokens=tokens, output_tokens=output)
    written = Usage(calls=1, tokens=tokens, output_tokens=output, cache_write_tokens=tokens)
    return max(price.of(plain), price.of(written))
