"""The settings of served sessions, and the record of a decision.

This file knows what is decided, and not how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from londi.config.base import INF, check
from londi.config.prices import Price
from londi.encoders.text import LIFETIME
from londi.errors import InvalidConfig
from londi.serve.core.budget import NO_CAP, Amount, Scope
from londi.types import Array

QUICK, DEEPTHINK = 0, 1

Reason = Literal["policy", "budget", "tool loop", "control", "shadow", "off"]
"""What settled a decision: the policy, a budget that is spent, a tool loop that goes on, or an arm
that stays on DEEPTHINK: the control group, a Switcher in the shadow, or one that was turned off."""


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
        client_budget: what all sessions of a client may take of it.
        day_budget: what all sessions may take of it in a day (UTC).
        exploration: share of the draws that is uniform over what is allowed.
        in_tool_loops: switch while tools are being called; else the model that called them goes on.
        stops: refuse further steps where a budget is spent; else QUICK goes on.
        lifetime: seconds for which providers keep the beginning of a prompt.
    """

    models: tuple[str, str]
    prices: tuple[Price | None, Price | None] = (None, None)
    cost: float | None = None
    worth: float | None = None
    budget: Amount = NO_CAP
    client_budget: Amount = NO_CAP
    day_budget: Amount = NO_CAP
    exploration: float = 0.0
    in_tool_loops: bool = False
    stops: bool = False
    lifetime: float = LIFETIME

    def __post_init__(self) -> None:
        given = [name for name in ("cost", "worth") if getattr(self, name) is not None]
        check(self, exploration=(0, 1), **dict.fromkeys(given, (0, INF)))
        budgets = (self.budget, self.client_budget, self.day_budget)
        for budget in budgets:
            Scope("", budget)  # refuses a bad amount
        if self.worth is not None and None in self.prices:
            raise InvalidConfig("worth: expected prices of both models as well")
        if self.prices[DEEPTHINK] is None and any(budget.money < INF for budget in budgets):
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
        encoder: name of the encoder whose features it holds.
        arm: the arm of its session.
        rollout: id of the arms that it was drawn from.
        advised: what the Switcher would have chosen, where nobody acts upon it; else None.
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
    encoder: str
    arm: str
    rollout: str
    advised: int | None
