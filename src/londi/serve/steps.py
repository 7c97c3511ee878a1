"""Steps of an agent's sessions: opened with the body of a request, as an API has it.

This file knows settings, sessions and traces. It knows no HTTP and no network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
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
from londi.serve.core.budget import BILLION, DAY, Amount, billionths
from londi.serve.core.policy import Judgement, Policy, load_policy
from londi.serve.core.serving import DEEPTHINK, Serving
from londi.serve.core.session import NEW, History, Session
from londi.serve.core.sessions import Sessions
from londi.serve.identity import scoped, session_of
from londi.serve.ledgers import open_ledger
from londi.serve.questions import Asked
from londi.serve.rollouts import RolloutPlan
from londi.serve.step import Step
from londi.storage.trace_tables import Row
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
    def of(cls, config: ServeConfig, policy: Policy | None = None) -> Self:
        """A router with sessions of its own.

        Args:
            config: the settings.
            policy: decides in place of the Switcher that the settings name.

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
            stops=config.when_spent == "stop",
            lifetime=config.cache_lifetime,
        )
        policy = policy or load_policy(config.switcher)
        plan = RolloutPlan.of(config, policy)
        ledger = open_ledger(config.ledger or "", config.ledger_days * DAY)
        with ExitStack() as opened:  # closed again, should the rest fail
            opened.callback(ledger.close)
            traces = TraceStore(Path(config.traces).expanduser()) if config.traces else None
            if traces:
                opened.callback(traces.close)
            history = partial(_history, traces, serving.models) if traces else _new
            sessions = Sessions(
                policy,
                serving,
                seed=config.seed,
                ledger=ledger,
                history=history,
                rollout=plan.begin(traces),
            )
            opened.pop_all()
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

        Raises:
            BudgetSpent: if the budget does not allow a call, and sessions are told to stop then.
        """
        messages = api.read(body)
        name = session or session_of(headers or {}, body, messages)
        if size is None:
            size = len(json.dumps(body, default=str))
        found = self.sessions.session(scoped(client, name), client)
        bound = self.bound(api, body, size, DEEPTHINK)
        keeps = self.config.keep_texts
        texts = [as_json(message) for message in api.texts(body)] if keeps else []
        decision = found.decide(messages, bound)
        kept: Row = {"api": api.path}
        if keeps:
            kept |= self._kept(found, decision.step, texts)
        return Step(found, name, decision, bound, self.sessions.serving.models, kept, self.traces)

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

    def feedback(
        self, session: str, value: float, step: int | None = None, client: str = ""
    ) -> None:
        """Note the value of a session, or of one of its steps.

        Args:
            session: its name; one that an earlier process has served is found in the traces.
            value: the value.
            step: the step; None for the whole session.
            client: whose session it is.

        Raises:
            UnknownSession: if there is no such session.
            InvalidConfig: if the step is unknown, the value is no finite number, or there is one
                already.
        """
        session = scoped(client, session)
        self.sessions.known(session, client).feedback(value, step)
        if self.traces is not None:
            row = {"session": session, "step": step, "time": now(), "value": float(value)}
            self.traces.add("feedback", row)

    def close(self) -> None:
        """Write what waits to be written, and let go of files and connections."""
        if self.traces is not None:
            self.traces.close()
        self.sessions.ledger.close()

    @staticmethod
    def _kept(session: Session, step: int, texts: Sequence[str]) -> Row:
        """The messages as the traces keep them: those that the step before has not had."""
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
        money = billionths(_dearest(price, size, output)) if price else 0
        return Amount(1, size + output, money)


def made_of(file: Path, make: Callable[[ServeConfig], Made]) -> Made:
    """What `make` makes of a YAML file of settings; its errors name the file."""
    config = read_config(file, ServeConfig)
    try:
        return make(config)
    except InvalidConfig as error:
        raise InvalidConfig(f"{str(file)!r}: {error}") from error


def _new(session: str) -> History:
    del session
    return NEW


def _history(traces: TraceStore, models: tuple[str, str], session: str) -> History:
    """What the traces know of a session."""
    last = traces.last_step(session)
    if last is None:
        return NEW
    step, model = last
    answered_by = models.index(model) if model in models else None
    return History(step + 1, answered_by, traces.valued(session))


def amount_of(budget: BudgetConfig) -> Amount:
    """The most that a budget of the settings allows."""
    money = INF if budget.money is None else int(budget.money * BILLION)
    return Amount(_cap(budget.calls), _cap(budget.tokens), money)


def _cap(most: int | None) -> float:
    return INF if most is None else most


def _dearest(price: Price, tokens: int, output: int) -> float:
    """The most that so many tokens can cost."""
    plain = Usage(calls=1, tokens=tokens, output_tokens=output)
    written = Usage(calls=1, tokens=tokens, output_tokens=output, cache_write_tokens=tokens)
    return max(price.of(plain), price.of(written))
