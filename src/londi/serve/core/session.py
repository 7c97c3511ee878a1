"""One session of real traffic: a decision at each step, its usage, and feedback.

A session is what an environment calls an episode: the steps of one conversation. At each step it
reads the conversation, asks the policy who answers, and reserves the budget of the call; when the
answer is there, its usage is settled. This file knows no HTTP, no model and no file.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, inf

import numpy as np

from londi.envs.conversation import ConversationPrompt, Message
from londi.errors import BudgetSpent, InvalidConfig
from londi.serve.core.arms import Arm, Rollout
from londi.serve.core.budget import BILLION, ZERO, Amount, Ledger, Scope, amount_left
from londi.serve.core.policy import Judgement, Policy
from londi.serve.core.pricing import CallPricing, common
from londi.serve.core.serving import DEEPTHINK, QUICK, Reason, ServedDecision, Serving
from londi.types import Array, CostBudget, Usage


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A step that waits for its answer.

    Attributes:
        choice: the model that is asked.
        held: reserved of the budgets.
        scopes: in which it is reserved.
        messages: what it is asked.
    """

    choice: int
    held: Amount
    scopes: tuple[Scope, ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a session that another process, or an earlier one, has served.

    Attributes:
        steps: its decisions.
        answered_by: who gave the last answer; None where nobody knows it.
        valued: steps that have feedback; None among them for the whole session.
    """

    steps: int = 0
    answered_by: int | None = None
    valued: frozenset[int | None] = frozenset()


NEW = History()


@dataclass(frozen=True, slots=True)
class Served:
    """What all sessions share.

    Attributes:
        policy: the Switcher that is asked outside of any session.
        rollout: which policy decides which session.
        serving: how sessions are served.
        ledger: what is taken of the budgets.
        scopes: the budgets that a call now would be of, by the names of a session and its client.
        seed: of the draws; each depends on it, the session's name and the step alone.
        clock: seconds that only go forward.
    """

    policy: Policy
    rollout: Rollout
    serving: Serving
    ledger: Ledger
    scopes: Callable[[str, str], tuple[Scope, ...]]
    seed: int
    clock: Callable[[], float] = time.monotonic


class Session:
    """One conversation.

    Its methods may be called from several threads, and steps of one session may overlap.

    Args:
        name: its id.
        client: who has it, where clients have budgets.
        served: what it shares with all others.
        history: what was before.

    Attributes:
        begun: when it began here, in seconds since 1970.
    """

    # A gateway holds many: the less each holds, the less memory and the shorter pauses to collect.
    __slots__ = (
        "_answered_by",
        "_asked",
        "_calls",
        "_client",
        "_lock",
        "_seen",
        "_served",
        "_steps",
        "_valued",
        "_waiting",
        "begun",
        "name",
    )

    def __init__(self, name: str, client: str, served: Served, history: History = NEW) -> None:
        self.name, self.begun = name, time.time()
        self._client, self._served = client, served
        quick, deepthink = served.serving.prices
        lifetime = served.serving.lifetime
        self._calls = (CallPricing(quick, lifetime), CallPricing(deepthink, lifetime))
        self._seen: dict[int, int] = {}
        self._steps, self._answered_by = history.steps, history.answered_by
        self._waiting: dict[int, _Waiting] = {}
        self._valued = history.valued
        self._asked: tuple[int, tuple[int, ...]] | None = None
        self._lock = threading.Lock()

    @property
    def left(self) -> Amount:
        """What a call may still take of all budgets."""
        return amount_left(self._served.ledger, self._scopes)

    @property
    def _scopes(self) -> tuple[Scope, ...]:
        return self._served.scopes(self.name, self._client)

    @property
    def waits(self) -> bool:
        """Whether a step waits for its answer."""
        return bool(self._waiting)

    def money(self, choice: int, usage: Usage) -> float | None:
        """The price of an answer of that model; None where nobody knows it."""
        price = self._served.serving.prices[choice]
        return None if price is None else price.of(usage)

    def decide(self, messages: Sequence[Message], bound: Amount = ZERO) -> ServedDecision:
        """Who answers `messages`; the budget of the call is held until `settle` or `release`.

        Args:
            messages: the conversation so far.
            bound: the most that a call of DEEPTHINK can take; it is one call, whatever this says.

        Raises:
            BudgetSpent: if the budget does not allow the call, and sessions are told to stop then.
        """
        bound, scopes = Amount(1, bound.tokens, bound.money), self._scopes
        with self._lock:
            now = self._served.clock()
            prompt = self._prompt(messages, now)
            quick, deepthink = (calls.money(messages, now) for calls in self._calls)
            price = None if quick is None or deepthink is None else deepthink - quick
            left = amount_left(self._served.ledger, scopes)
            decision = self._decide(prompt, price, bound, left)
            if decision.choice == DEEPTHINK and not self._served.ledger.reserve(scopes, bound):
                # Another session, or another gateway, was faster.
                decision = self._decide(prompt, price, bound, ZERO)
            held = bound if decision.choice == DEEPTHINK else ZERO
            waiting = _Waiting(decision.choice, held, scopes, tuple(messages))
            self._waiting[decision.step] = waiting
            self._steps += 1
            seen = hash(prompt.observations[-1])
            self._seen[seen] = self._seen.get(seen, 0) + 1
        return decision

    def judge(self, messages: Sequence[Message], asked: CostBudget) -> Judgement:
        """What the policy would say at that cost and budget; nothing is decided, and nothing held.

        Args:
            messages: the conversation so far.
            asked: cost of a call, and calls that are left.
        """
        allowed = np.array([[True, asked.remaining > 0]])
        with self._lock:
            prompt = self._prompt(messages, self._served.clock())
            return self._judge(self._served.policy, prompt, asked, allowed)

    def fall_back(self, step: int, bound: Amount = ZERO, spent: bool = False) -> bool:
        """Let the other model answer a step, since the chosen one failed.

        Args:
            step: of the decision.
            bound: see `decide`.
            spent: take all that was held for the chosen one: it may have been asked.

        Returns:
            Whether the budget allows it; if not, nothing changes.

        Raises:
            InvalidConfig: if the step is unknown, or settled already.
        """
        with self._lock:
            waiting = self._find(step)
            other = QUICK if waiting.choice == DEEPTHINK else DEEPTHINK
            held, scopes = ZERO, self._scopes
            if other == DEEPTHINK:
                held = Amount(1, bound.tokens, bound.money)
                if not self._served.ledger.reserve(scopes, held):
                    return False
            self._settle(waiting, waiting.held if spent else ZERO)
            self._waiting[step] = _Waiting(other, held, scopes, waiting.messages)
            return True

    def settle(self, step: int, usage: Usage | None) -> None:
        """Note the usage of the answer to a step.

        Args:
            step: of the decision.
            usage: of the answer; where nobody knows it, all that was held is taken.

        Raises:
            InvalidConfig: if the step is unknown, or settled already.
        """
        with self._lock:
            waiting = self._find(step)
            del self._waiting[step]
            taken = waiting.held
            if waiting.choice == DEEPTHINK and usage is not None:
                taken = Amount.of(usage, self._served.serving.prices[DEEPTHINK])
            self._settle(waiting, taken)
            read = usage or Usage(calls=1)
            self._calls[waiting.choice].called(waiting.messages, read, self._served.clock())
            self._answered_by = waiting.choice

    def release(self, step: int) -> None:
        """Give back what is held for a step that nobody answered.

        Raises:
            InvalidConfig: if the step is unknown, or settled already.
        """
        with self._lock:
            self._settle(self._find(step), ZERO)
            del self._waiting[step]

    def feedback(self, value: float, step: int | None = None) -> None:
        """Note the value of a step, or of the whole session.

        Args:
            value: the value, which may come out of JSON as it is.
            step: the step; None for the whole session.

        Raises:
            InvalidConfig: if the value is no number that a float can hold, the step is unknown, or
                there is a value already.
        """
        most = sys.float_info.max
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not -most <= value <= most
        ):
            raise InvalidConfig(f"value: expected a number, got {value!r}")
        with self._lock:
            if step is not None and step not in range(self._steps):
                raise InvalidConfig(
                    f"step: expected one of the {self._steps} of session {self.name!r}, got {step}"
                )
            if step in self._valued:
                what = "it" if step is None else f"its step {step}"
                raise InvalidConfig(f"value: session {self.name!r} has one for {what} already")
            self._valued |= {step}

    def goes_on(self, step: int, texts: Sequence[str]) -> tuple[int | None, int]:
        """The step whose messages those of `step` go on, and how many of them still stand.

        Args:
            step: of the decision.
            texts: its messages.
        """
        asked = tuple(map(hash, texts))
        with self._lock:
            before, self._asked = self._asked, (step, asked)
        if before is None:
            return None, 0
        return before[0], common(before[1], asked)

    def _settle(self, waiting: _Waiting, taken: Amount) -> None:
        if waiting.held != ZERO:
            self._served.ledger.settle(waiting.scopes, waiting.held, taken)

    def _find(self, step: int) -> _Waiting:
        if step not in self._waiting:
            raise InvalidConfig(f"step: expected one that waits for its answer, got {step!r}")
        return self._waiting[step]

    def _decide(
        self, prompt: ConversationPrompt, price: float | None, bound: Amount, left: Amount
    ) -> ServedDecision:
        serving = self._served.serving
        arm = self._served.rollout.arm(self.name)
        allowed, reason = self._allowed(prompt, left, bound, arm)

        asked = CostBudget(self._cost(price, arm.policy), _calls_left(left, bound))
        judged = self._judge(arm.policy, prompt, asked, allowed)
        rng = drawing(self._served.seed, self.name, self._steps)
        chosen = arm.choose(judged.probability, allowed, rng, serving.exploration)
        drawn = chosen.drawn
        choice = int(drawn.choice[0])
        return ServedDecision(
            session=self.name,
            step=self._steps,
            choice=choice,
            model=serving.models[choice],
            probability=judged.probability,
            propensity=float(drawn.propensity[0]),
            exploration=drawn.exploration,
            expected_gain=judged.expected_gain,
            expected_calls=judged.expected_calls,
            cost=judged.shown.cost,
            price=price,
            calls_left=left.calls,
            money_left=left.money / BILLION,
            reason=reason,
            policy=arm.policy.version,
            observation=judged.observation,
            encoder=arm.policy.encoder.spec,
            arm=arm.name,
            rollout=arm.rollout,
            advised=chosen.advised,
        )

    def _prompt(self, messages: Sequence[Message], now: float) -> ConversationPrompt:
        idle = (now - self._calls[QUICK].answered, now - self._calls[DEEPTHINK].answered)
        return ConversationPrompt.of(messages, self._answered_by, idle)

    def _judge(
        self, policy: Policy, prompt: ConversationPrompt, asked: CostBudget, allowed: Array
    ) -> Judgement:
        repeats = self._seen.get(hash(prompt.observations[-1]), 0)
        return policy.judge(prompt, asked, self._steps, repeats, allowed)

    def _allowed(
        self, prompt: ConversationPrompt, left: Amount, bound: Amount, arm: Arm
    ) -> tuple[Array, Reason]:
        """The possible choices `[1, 2]`, and what settles the step."""
        if not left.covers(bound):
            if self._served.serving.stops:
                raise BudgetSpent(f"the budget of session {self.name!r} is spent")
            return np.array([[True, False]]), "budget"
        stays = self._answered_by
        if stays is not None and prompt.role == "tool" and not self._served.serving.in_tool_loops:
            return np.array([[stays == QUICK, stays == DEEPTHINK]]), "tool loop"
        return np.array([[True, True]]), arm.reason

    def _cost(self, price: float | None, policy: Policy) -> float:
        """c, in units of the return."""
        serving = self._served.serving
        if serving.cost is not None:
            return serving.cost
        if serving.worth is not None and price is not None:
            return max(0.0, price / serving.worth) if serving.worth else inf
        return policy.cost


def drawing(seed: int, session: str, step: int, stream: int = 0) -> np.random.Generator:
    """Where the draws of one step come from.

    Args:
        seed: of all draws.
        session: its name.
        step: decisions before it in the session.
        stream: 0 for the choice; each other one is independent of it.
    """
    name = session.encode(errors="surrogatepass")
    return np.random.default_rng(np.random.SeedSequence([seed, *name], spawn_key=(stream, step)))


def _calls_left(left: Amount, bound: Amount) -> float:
    """x: the calls that are left, where each takes `bound` at most."""
    pairs = ((left.calls, 1.0), (left.tokens, bound.tokens), (left.money, bound.money))
    calls = min(amount / each for amount, each in pairs if each > 0)
    return calls if calls == inf else float(max(0, floor(calls)))
