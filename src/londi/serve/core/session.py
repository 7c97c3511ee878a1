"""Sessions of real traffic: a decision at each step, its usage, and feedback.

A session is what an environment calls an episode: the steps of one conversation. At each step the
core reads the conversation, asks the policy who answers, and reserves the budget of the call; when
the answer is there, its usage is settled. This file knows no HTTP, no model and no file.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, inf, isfinite
from typing import Literal

import numpy as np

from londi.config.prices import Price
from londi.encoders.text import LIFETIME
from londi.envs.conversation import ConversationPrompt, Message
from londi.errors import InvalidConfig
from londi.serve.core.budget import BILLION, NO_CAP, ZERO, Amount, SessionBudget
from londi.serve.core.policy import Policy
from londi.serve.core.pricing import CallPricing
from londi.switching.decision import draw
from londi.switching.observation import State
from londi.types import Array, CostBudget, Usage

QUICK, DEEPTHINK = 0, 1

Reason = Literal["policy", "budget", "tool loop"]
"""What settled a decision: the policy, a budget that is spent, or a tool loop that goes on."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How sessions are served.

    Attributes:
        models: names of QUICK and DEEPTHINK.
        prices: their prices; None where nobody knows them.
        cost: c of a call, in units of the return; None for that of the policy, or, with `worth`,
            what DEEPTHINK's call costs more than QUICK's.
        worth: value of a return of 1 in the currency of the prices; it turns money into c.
        budget: what a session may take of DEEPTHINK.
        exploration: share of the draws that is uniform over what is allowed.
        in_tool_loops: switch while tools are being called; else the model that called them goes on.
        lifetime: seconds for which providers keep the beginning of a prompt.
    """

    models: tuple[str, str]
    prices: tuple[Price | None, Price | None] = (None, None)
    cost: float | None = None
    worth: float | None = None
    budget: Amount = NO_CAP
    exploration: float = 0.0
    in_tool_loops: bool = False
    lifetime: float = LIFETIME

    def __post_init__(self) -> None:
        for name, low, high in (("cost", 0.0, inf), ("worth", 0.0, inf), ("exploration", 0.0, 1.0)):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and low <= value <= high):
                raise InvalidConfig(f"{name}: expected a number >= {low:g}, got {value!r}")
        if self.worth is not None and None in self.prices:
            raise InvalidConfig("worth: expected prices of both models as well")
        if self.budget.money < inf and self.prices[DEEPTHINK] is None:
            raise InvalidConfig("budget: money: expected a price of DEEPTHINK as well")


@dataclass(frozen=True, slots=True)
class ServedDecision:
    """Who answers a step, and why.

    Attributes:
        session: id of the session.
        step: decisions before this one in the session.
        choice: g, 1 for DEEPTHINK.
        model: name of the model.
        probability: P(g = 1) under the policy, among what is allowed.
        propensity: probability that the choice had at the draw.
        exploration: share of the draw that was uniform over what is allowed.
        expected_gain: return that a call is expected to add; None where the policy does not say.
        expected_calls: DEEPTHINK calls that a call now is expected to add, itself among them.
        cost: c at which it was decided, in units of the return.
        price: money that DEEPTHINK's call is expected to cost more than QUICK's; None without
            prices.
        calls_left: DEEPTHINK calls left before this step; inf without a cap.
        money_left: money left before it, in the currency of the prices; likewise.
        reason: what settled it.
        policy: version of the policy.
        observation: what the policy saw, float32 `[D]`.
    """

    session: str
    step: int
    choice: int
    model: str
    probability: float
    propensity: float
    exploration: float
    expected_gain: float | None
    expected_calls: float | None
    cost: float
    price: float | None
    calls_left: float
    money_left: float
    reason: Reason
    policy: str
    observation: Array


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A step that waits for its answer.

    Attributes:
        choice: the model that is asked.
        held: held of the budget.
        messages: what it is asked.
    """

    choice: int
    held: Amount
    messages: tuple[Message, ...]


class Session:
    """One conversation.

    Its methods may be called from several threads, and steps of one session may overlap.

    Args:
        name: its id.
        policy: decides.
        serving: how sessions are served.
        rng: where draws come from.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        serving: Serving,
        rng: np.random.Generator,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.budget = SessionBudget(serving.budget)
        self._policy, self._serving, self._rng, self._clock = policy, serving, rng, clock
        self._calls = [CallPricing(price, serving.lifetime) for price in serving.prices]
        self._seen: Counter[int] = Counter()
        self._steps = 0
        self._answered_by: int | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._values: dict[int | None, float] = {}
        self._lock = threading.Lock()

    @property
    def waits(self) -> bool:
        """Whether a step waits for its answer."""
        return bool(self._waiting)

    def decide(self, messages: Sequence[Message], bound: Amount = ZERO) -> ServedDecision:
        """Who answers `messages`; the budget of the call is held until `settle` or `release`.

        Args:
            messages: the conversation so far.
            bound: the most that a call of DEEPTHINK can take; it is one call, whatever this says.
        """
        bound = Amount(1, bound.tokens, bound.money)
        with self._lock:
            decision = self._decide(messages, bound)
            held = bound if decision.choice == DEEPTHINK else ZERO
            reserved = self.budget.reserve(held)
            assert reserved, "a call without budget is not allowed"
            self._waiting[decision.step] = _Waiting(decision.choice, held, tuple(messages))
            self._steps += 1
        return decision

    def fall_back(self, step: int, bound: Amount = ZERO) -> bool:
        """Let the other model answer a step, since the chosen one failed.

        Args:
            step: of the decision.
            bound: see `decide`.

        Returns:
            Whether the budget allows it; if not, nothing changes.

        Raises:
            InvalidConfig: if the step is unknown, or settled already.
        """
        with self._lock:
            waiting = self._find(step)
            other = QUICK if waiting.choice == DEEPTHINK else DEEPTHINK
            held = Amount(1, bound.tokens, bound.money) if other == DEEPTHINK else ZERO
            if not self.budget.reserve(held):
                return False
            self.budget.settle(waiting.held, ZERO)
            self._waiting[step] = _Waiting(other, held, waiting.messages)
            return True

    def settle(self, step: int, usage: Usage) -> None:
        """Note the usage of the answer to a step.

        Raises:
            InvalidConfig: if the step is unknown, or settled already.
        """
        with self._lock:
            waiting = self._find(step)
            del self._waiting[step]
            taken = ZERO
            if waiting.choice == DEEPTHINK:
                taken = Amount.of(usage, self._serving.prices[DEEPTHINK])
            self.budget.settle(waiting.held, taken)
            self._calls[waiting.choice].called(waiting.messages, usage, self._clock())
            self._answered_by = waiting.choice

    def release(self, step: int) -> None:
        """Give back what is held for a step that nobody answered.

        Raises:
            InvalidConfig: if the step is unknown, or settled already.
        """
        with self._lock:
            self.budget.settle(self._find(step).held, ZERO)
            del self._waiting[step]

    def feedback(self, value: float, step: int | None = None) -> None:
        """Note the value of a step, or of the whole session.

        Raises:
            InvalidConfig: if the value is no finite number, the step is unknown, or there is a
                value already.
        """
        if not isfinite(value):
            raise InvalidConfig(f"value: expected a number, got {value!r}")
        with self._lock:
            if step is not None and step not in range(self._steps):
                raise InvalidConfig(
                    f"step: expected one of the {self._steps} of session {self.name!r}, got {step}"
                )
            if step in self._values:
                what = "it" if step is None else f"its step {step}"
                raise InvalidConfig(f"value: session {self.name!r} has one for {what} already")
            self._values[step] = float(value)

    def _find(self, step: int) -> _Waiting:
        if step not in self._waiting:
            raise InvalidConfig(f"step: expected one that waits for its answer, got {step!r}")
        return self._waiting[step]

    def _decide(self, messages: Sequence[Message], bound: Amount) -> ServedDecision:
        serving, policy, now = self._serving, self._policy, self._clock()
        idle = (now - self._calls[QUICK].answered, now - self._calls[DEEPTHINK].answered)
        prompt = ConversationPrompt.of(messages, self._answered_by, idle)
        quick, deepthink = (calls.money(messages, now) for calls in self._calls)
        price = None if quick is None or deepthink is None else deepthink - quick
        left = self.budget.left
        allowed, reason = self._allowed(prompt, left, bound)

        asked = CostBudget(self._cost(price), _calls_left(left, bound))
        shown = policy.shown(asked)
        text = hash(prompt.observations[-1])
        state = State(prompt, shown, self._steps, self._seen[text])
        self._seen[text] += 1
        layout = policy.layout
        row = np.zeros((1, layout.observed), np.float32)
        (features,) = policy.encoder.encode([prompt], [])
        layout.write(row[0], features, state)
        call = policy.switcher.call_probability(row, allowed)
        drawn = draw(call, allowed, self._rng, serving.exploration)
        choice = int(drawn.choice[0])
        gain = more = None
        if policy.switcher.supported is not None:
            expected = policy.switcher.expect(row)
            gain, more = float(expected.gain[0]), float(expected.more_calls[0])
        return ServedDecision(
            session=self.name,
            step=self._steps,
            choice=choice,
            model=serving.models[choice],
            probability=float(call[0]),
            propensity=float(drawn.propensity[0]),
            exploration=serving.exploration,
            expected_gain=gain,
            expected_calls=more,
            cost=shown.cost,
            price=price,
            calls_left=left.calls,
            money_left=left.money / BILLION,
            reason=reason,
            policy=policy.version,
            observation=row[0],
        )

    def _allowed(
        self, prompt: ConversationPrompt, left: Amount, bound: Amount
    ) -> tuple[Array, Reason]:
        """The possible choices `[1, 2]`, and what settles the step."""
        if not left.covers(bound):
            return np.array([[True, False]]), "budget"
        stays = self._answered_by
        if stays is not None and prompt.role == "tool" and not self._serving.in_tool_loops:
            return np.array([[stays == QUICK, stays == DEEPTHINK]]), "tool loop"
        return np.array([[True, True]]), "policy"

    def _cost(self, price: float | None) -> float:
        """c, in units of the return."""
        serving = self._serving
        if serving.cost is not None:
            return serving.cost
        if serving.worth is not None and price is not None:
            return max(0.0, price / serving.worth) if serving.worth else inf
        return self._policy.cost


def _calls_left(left: Amount, bound: Amount) -> float:
    """x: the calls that are left, where each takes `bound` at most."""
    pairs = ((left.calls, 1.0), (left.tokens, bound.tokens), (left.money, bound.money))
    calls = min(amount / each for amount, each in pairs if each > 0)
    return calls if calls == inf else float(max(0, floor(calls)))


class Core:
    """All sessions of a policy.

    Args:
        policy: decides.
        serving: how sessions are served.
        seed: of the draws, which then depend on it and on the session's name alone.
        most: sessions that are kept; the one used longest ago is forgotten first, though none that
            waits for an answer.
        clock: seconds that only go forward.

    Raises:
        InvalidConfig: if the policy was not trained for the cost.
    """

    def __init__(
        self,
        policy: Policy,
        serving: Serving,
        *,
        seed: int | None = None,
        most: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if serving.cost is not None:
            policy.check_cost(serving.cost)
        self.policy, self.serving = policy, serving
        self._seed = seed if seed is not None else int(np.random.default_rng().integers(1 << 32))
        self._most, self._clock = most, clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def session(self, name: str) -> Session:
        """The session of that name, begun if there is none."""
        with self._lock:
            found = self._sessions.get(name)
            if found is None:
                rng = np.random.default_rng([self._seed, *name.encode()])
                found = Session(name, self.policy, self.serving, rng, self._clock)
                self._sessions[name] = found
                self._forget()
            self._sessions.move_to_end(name)
            return found

    def known(self, name: str) -> Session:
        """The session of that name.

        Raises:
            InvalidConfig: if there is none.
        """
        with self._lock:
            if name not in self._sessions:
                raise InvalidConfig(f"session: expected one that was begun, got {name!r}")
            return self._sessions[name]

    def _forget(self) -> None:
        while len(self._sessions) > self._most:
            oldest = next((n for n, one in self._sessions.items() if not one.waits), None)
            if oldest is None:
                return
            del self._sessions[oldest]
