"""What the live page shows, as records that become JSON.

This file knows names of figures. It does not know where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from londi.evaluation.confidence import Interval

SpentOf = Literal["day", "client", "session"]


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate with its interval.

    Attributes:
        estimate: None where nothing is known.
        low: lower end of the interval; None where it has none.
        high: upper end; likewise.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, found: Interval) -> Range:
        """The same of an interval, whose open ends are infinite."""
        if not (isfinite(found.low) and isfinite(found.high)):
            return cls(number(found.estimate))
        return cls(number(found.estimate), found.low, found.high)


def number(value: float) -> float | None:
    """A number as JSON has it: None where it is none."""
    return value if isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Serving:
    """What the gateway is.

    Attributes:
        quick: name of QUICK.
        deepthink: name of DEEPTHINK.
        policy: version of the Switcher.
        off: why the Switcher is off; empty while it is on.
        currency: of all money.
        keys: whether one is asked for.
    """

    quick: str
    deepthink: str
    policy: str
    off: str
    currency: str
    keys: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers since the start of the process.

    Attributes:
        model: that gave them.
        reason: what settled who was asked; `fallback` where the other model had failed.
        status: HTTP status.
        count: number of answers.
    """

    model: str
    reason: str
    status: str
    count: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Requests without an answer since the start of the process.

    Attributes:
        kind: of the failure.
        count: number of requests.
    """

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Process:
    """What one process of the gateway has counted since its start.

    Attributes:
        since: its start, in seconds since 1970.
        answers: by model, reason and status.
        failures: by kind.
        dropped: rows of traces that are lost.
    """

    since: float
    answers: tuple[Answered, ...]
    failures: tuple[Failed, ...]
    dropped: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What DEEPTHINK has taken of one budget; calls that wait for their end count in full.

    Attributes:
        of: whose budget it is.
        name: of the day, client or session.
        calls, tokens: number that is taken.
        money: in the currency.
        most_calls, most_tokens, most_money: what may be taken; None without a cap.
    """

    of: SpentOf
    name: str
    calls: float
    tokens: float
    money: float
    most_calls: float | None
    most_tokens: float | None
    most_money: float | None


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps of one model.

    Attributes:
        minute: minutes since 1970; None where it is of a longer time.
        model: that answered, or was asked last.
        steps: number of them.
        calls: steps of DEEPTHINK among them, by the names that each step had.
        errors: steps with a status of 400 and above, or without an answer.
        fallbacks: steps that the other model was to answer.
        tokens: of prompts and answers.
        money: as far as it is known.
        unpriced: answers whose money nobody knows.
    """

    minute: int | None
    model: str
    steps: int
    calls: int
    errors: int
    fallbacks: int
    tokens: int
    money: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class ArmLine:
    """The sessions of one arm and policy.

    Attributes:
        arm: its name.
        policy: version of the policy that decides there.
        sessions: number of them.
        rated: sessions with feedback for the whole.
        reward: mean of that feedback.
        calls: mean DEEPTHINK calls of a session.
        money: mean money of a session.
        unpriced: answers whose money nobody knows; they count as free.
    """

    arm: str
    policy: str
    sessions: int
    rated: int
    reward: float | None
    calls: float | None
    money: float | None
    unpriced: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What an arm saves against the control group beside it: 95% confidence sequences.

    Attributes:
        arm: its name.
        policy: version of its policy.
        sessions: of the arm.
        control: sessions of the control group.
        calls: share of the calls that it saves.
        money: share of the money that it saves.
        reward: its mean reward less that of the control group.
        rated: its share of sessions with feedback less that of the control group.
    """

    arm: str
    policy: str
    sessions: int
    control: int
    calls: Range
    money: Range
    reward: Range
    rated: Range


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session was estimated to take or return, and what sessions did.

    Attributes:
        name: return, calls or money.
        estimated: by `londi ope`, with its interval over sessions.
        came: mean over the sessions of the Switcher, with a confidence sequence.
        sessions: the sessions that it is the mean of.
    """

    name: str
    estimated: Range
    came: Range
    sessions: int


@dataclass(frozen=True, slots=True)
class Estimated:
    """An estimate against what came.

    Attributes:
        switcher: the file that the estimate is of.
        policy: version of the Switcher whose sessions stand beside it.
        method: the estimator.
        problem: why there is no estimate; empty where there is one.
        outcomes: what was estimated.
    """

    switcher: str
    policy: str
    method: str
    problem: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One step.

    Attributes:
        place: number of its row; later ones have larger numbers.
        time: when it was decided, in seconds since 1970.
        session: name of its session.
        step: decisions before it in its session.
        model: that answered, or was asked last.
        deepthink: whether that is DEEPTHINK.
        reason: what settled who was asked.
        arm: of its session.
        probability: P(g = 1) under the policy.
        propensity: probability of the choice at the draw.
        prompt_tokens, output_tokens: of its usage.
        money: what the answer cost.
        seconds: from the request to the end of the answer.
        status: HTTP status.
    """

    place: int
    time: float | None
    session: str
    step: int
    model: str | None
    deepthink: bool
    reason: str | None
    arm: str | None
    probability: float | None
    propensity: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    money: float | None
    seconds: float | None
    status: int | None


@dataclass(frozen=True, slots=True)
class Traced:
    """What the file of traces knows, by all processes that write to it.

    Attributes:
        unread: rows that are not yet counted; they are older than those that are.
        hour: the last 60 minutes, by minute and model.
        day: today (UTC), by model.
        arms: sessions by arm.
        saved: arms against the control group.
        paper: where the confidence sequences are from.
        least: sessions of each arm below which there is no interval.
        estimated: an estimate against what came; None where the settings name none.
        decisions: the latest steps, the last one first.
    """

    unread: int
    hour: tuple[Flow, ...]
    day: tuple[Flow, ...]
    arms: tuple[ArmLine, ...]
    saved: tuple[Saved, ...]
    paper: str
    least: int
    estimated: Estimated | None
    decisions: tuple[DecisionLine, ...]


@dataclass(frozen=True, slots=True)
class Live:
    """All that the page shows.

    Attributes:
        time: when it was made, in seconds since 1970.
        serving: what the gateway is.
        process: what this process has counted.
        budgets: of the day, of clients, and of the sessions used last.
        traces: None without a file, or where it cannot be read.
        problem: why it cannot be read; empty where it can.
    """

    time: float
    serving: Serving
    process: Process
    budgets: tuple[Spent, ...]
    traces: Traced | None
    problem: str = ""
