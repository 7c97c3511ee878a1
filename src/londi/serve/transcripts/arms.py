"""Figures of traces by arm: what sessions cost and were worth, and what the Switcher saves.

A session is of the arm that it began in, and compared with those that were drawn beside it. This
file knows rows of the traces. It does not know how sessions came into an arm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from londi.evaluation.confidence import Interval, Sample, mean_difference, saving
from londi.storage.rollout_log import ArmShare, read_arms
from londi.storage.trace_tables import Row

COMPARED = ("treated", "previous")
"""Arms that are compared with the control group."""


@dataclass(slots=True)
class ArmSession:
    """What is known of one session.

    Attributes:
        arm: the arm that it began in.
        policy: version of the policy that decided its first step.
        rollout: id of the arms that it was drawn from.
        calls: answers of DEEPTHINK.
        money: what its answers cost, as far as that is known.
        unpriced: answers whose money nobody knows.
        reward: its feedback; None without any.
    """

    arm: str
    policy: str
    rollout: str
    calls: int = 0
    money: float = 0.0
    unpriced: int = 0
    reward: float | None = None


@dataclass(slots=True)
class ArmFigures:
    """Figures of the sessions of one arm, each session with the same weight.

    Attributes:
        arm: its name.
        policy: version of the policy that decides there.
        calls: answers of DEEPTHINK in each session.
        money: what each session costs.
        rewards: feedback of the sessions that have it.
        unpriced: answers whose money nobody knows; they count as free.
    """

    arm: str
    policy: str
    calls: Sample = field(default_factory=Sample)
    money: Sample = field(default_factory=Sample)
    rewards: Sample = field(default_factory=Sample)
    unpriced: int = 0

    def add(self, session: ArmSession, weight: float = 1.0) -> None:
        """Add a session."""
        self.calls.add(session.calls, weight)
        self.money.add(session.money, weight)
        self.unpriced += session.unpriced
        if session.reward is not None:
            self.rewards.add(session.reward, weight)

    def merge(self, other: ArmFigures, weight: float = 1.0) -> None:
        """Add the sessions of other figures, which have equal weights there."""
        self.calls.merge(other.calls, weight)
        self.money.merge(other.money, weight)
        self.unpriced += other.unpriced
        self.rewards.merge(other.rewards, weight)

    @property
    def sessions(self) -> int:
        """Number of sessions."""
        return self.calls.count

    @property
    def rated(self) -> Sample:
        """1 for each session that has feedback, 0 for each other one."""
        return Sample.of(np.arange(self.sessions) < self.rewards.count)


@dataclass(frozen=True, slots=True)
class Against:
    """An arm against the control sessions that were drawn beside it, at any time and look.

    Attributes:
        arm: its name.
        policy: version of its policy.
        sessions: sessions of the arm, and of the control group.
        calls: share of DEEPTHINK's calls that it saves.
        money: share of the money that it saves.
        reward: its mean reward less that of the control group.
        rated: its share of sessions with feedback less that of the control group.
    """

    arm: str
    policy: str
    sessions: tuple[int, int]
    calls: Interval
    money: Interval
    reward: Interval
    rated: Interval


def sessions_of(steps: Iterable[Row], feedback: Iterable[Row]) -> list[ArmSession]:
    """The sessions that have an arm, in the order in which they began."""
    found: dict[str, ArmSession | None] = {}
    for row in steps:
        name = row["session"]
        if name not in found:
            arm = row["arm"]
            found[name] = arm and ArmSession(arm, row["policy"] or "", row["rollout"] or "")
        session = found[name]
        if session is None:
            continue
        session.calls += bool(row["candidates"]) and row["model"] == _deepthink(row["candidates"])
        session.money += row["money"] or 0.0
        session.unpriced += row["status"] is not None and row["money"] is None
    for row in feedback:
        session = found.get(row["session"])
        if session is not None and row["step"] is None:
            session.reward = row["value"]
    return [session for session in found.values() if session]


def by_arm(sessions: Iterable[ArmSession]) -> list[ArmFigures]:
    """The figures of each arm and policy, in the order in which they began."""
    made: dict[tuple[str, str], ArmFigures] = {}
    for one in sessions:
        made.setdefault((one.arm, one.policy), ArmFigures(one.arm, one.policy)).add(one)
    return list(made.values())


def against_control(sessions: Iterable[ArmSession], rollouts: Iterable[Row]) -> list[Against]:
    """Each arm that acts against the control sessions that were drawn beside it.

    Args:
        sessions: all of them.
        rollouts: rows of the table.
    """
    drawn: dict[tuple[str, str, str], ArmFigures] = {}
    for one in sessions:
        key = (one.arm, one.policy, one.rollout)
        drawn.setdefault(key, ArmFigures(one.arm, one.policy)).add(one)
    arms = {row["rollout"]: read_arms(row["arms"]) for row in rollouts}
    return compare(((figures, key[2]) for key, figures in drawn.items()), arms)


def compare(
    drawn: Iterable[tuple[ArmFigures, str]], arms: Mapping[str, Sequence[ArmShare]]
) -> list[Against]:
    """The same of figures that were gathered already.

    A session counts by one over the probability with which it came into its arm, so that shares
    may change on the way.

    Args:
        drawn: figures of the sessions of one arm and one rollout, and the id of that rollout.
        arms: of each rollout, by its id.
    """
    of_arm: dict[tuple[str, str], tuple[ArmFigures, ArmFigures]] = {}
    for figures, rollout in drawn:
        shares = {arm.arm: arm for arm in arms.get(rollout, ())}
        for name, policy in _pairs(figures.arm, shares):
            pair = of_arm.setdefault(
                (name, policy), (ArmFigures(name, policy), ArmFigures("control", ""))
            )
            pair[figures.arm == "control"].merge(figures, 1 / shares[figures.arm].share)
    return [
        Against(
            name,
            policy,
            (acting.sessions, control.sessions),
            saving(acting.calls, control.calls),
            saving(acting.money, control.money),
            mean_difference(acting.rewards, control.rewards),
            mean_difference(acting.rated, control.rated),
        )
        for (name, policy), (acting, control) in of_arm.items()
    ]


def _pairs(arm: str, shares: Mapping[str, ArmShare]) -> list[tuple[str, str]]:
    """The comparisons that sessions of an arm are part of: arm and policy of each."""
    if "control" not in shares:
        return []
    return [
        (name, shares[name].policy)
        for name in COMPARED
        if name in shares and arm in (name, "control")
    ]


@cache
def _deepthink(candidates: str) -> object:
    """Name of DEEPTHINK, in a JSON list of both."""
    names = json.loads(candidates)
    return names[1] if isinstance(names, list) and len(names) == 2 else None
