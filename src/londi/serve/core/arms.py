"""Arms of an experiment on real traffic: which policy decides a session.

A session's arm is drawn by a hash of its name. The draw depends on nothing else, least of all on
what is said in the session, so that the arms are alike but for who decides. This file knows
policies, and no session.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

import numpy as np

from londi.serve.core.policy import Policy, always_deepthink
from londi.serve.core.serving import Reason
from londi.storage.trace_tables import Row
from londi.switching.decision import Decision, draw
from londi.types import Array

ArmName = Literal["control", "previous", "treated", "shadow", "off"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice of an arm.

    Attributes:
        drawn: the choice that is acted upon, and its propensity.
        advised: what the Switcher would have chosen, where nobody acts upon it; else None.
    """

    drawn: Decision
    advised: int | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """Sessions that one policy decides.

    Attributes:
        name: of the arm.
        share: probability that a session is in it.
        policy: decides.
        explores: whether some of its choices are uniform, for data to learn from.
        reason: what settles a step that nothing else settles.
        rollout: id of the arms that it is one of.
    """

    name: ArmName
    share: float
    policy: Policy
    explores: bool = True
    reason: Reason = "policy"
    rollout: str = ""

    def choose(
        self, call: float, allowed: Array, rng: np.random.Generator, exploration: float
    ) -> Chosen:
        """Draw who answers a step.

        Args:
            call: P(g = 1) under the policy, among what is allowed.
            allowed: the possible choices, `[1, 2]`.
            rng: where the draw comes from.
            exploration: share of the draw that is uniform, where the arm explores.
        """
        share = exploration if self.explores else 0.0
        return Chosen(draw(np.array([call]), allowed, rng, share))


@dataclass(frozen=True, slots=True)
class ShadowArm(Arm):
    """Sessions that stay on DEEPTHINK while the policy says what it would have done."""

    def choose(
        self, call: float, allowed: Array, rng: np.random.Generator, exploration: float
    ) -> Chosen:
        advised = draw(np.array([call]), allowed, rng, exploration)
        return Chosen(draw(np.ones(1), allowed, rng), int(advised.choice[0]))


def kept(name: Literal["control", "off"], share: float, policy: Policy) -> Arm:
    """An arm that stays on always-DEEPTHINK, and sees what `policy` would see."""
    return Arm(name, share, always_deepthink(policy), False, name)


def shadowed(share: float, policy: Policy) -> Arm:
    """An arm in which `policy` decides and nobody acts upon it."""
    return ShadowArm("shadow", share, policy, reason="shadow")


class Rollout(Protocol):
    """Which policy decides a session; it may change while sessions go on."""

    def arm(self, session: str) -> Arm:
        """The arm of the session of that name, at its next step."""
        ...

    @property
    def off(self) -> str:
        """Why the Switcher is off, in one line; empty while it is not."""
        ...

    @property
    def slow(self) -> bool:
        """Whether any of the policies may take milliseconds to decide."""
        ...


class Arms:
    """Arms among which sessions are drawn by their names.

    Args:
        arms: their shares add up to 1. A session stays in an arm at either end of the list as that
            arm grows.
        seed: of the draw.

    Attributes:
        arms: those with a share above 0.
        id: equal for two of the same arms, shares, policies and seed.
    """

    off = ""

    def __init__(self, arms: Sequence[Arm], seed: int = 0) -> None:
        told = json.dumps([seed, [[a.name, a.share, a.policy.version] for a in arms]])
        self.id = hashlib.sha256(told.encode()).hexdigest()[:12]
        self.arms = [replace(arm, rollout=self.id) for arm in arms if arm.share > 0]
        self._seed, self._told = seed, told
        # Rounding leaves no session without an arm.
        self._ends = np.cumsum([arm.share for arm in self.arms])[:-1]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """One arm, in which `policy` decides every session."""
        return cls([Arm("treated", 1.0, policy)])

    @property
    def slow(self) -> bool:
        """Whether any of the policies may take milliseconds to decide."""
        return any(arm.policy.slow for arm in self.arms)

    def arm(self, session: str) -> Arm:
        place = _place(self._seed, session)
        return self.arms[int(np.searchsorted(self._ends, place, side="right"))]

    def row(self) -> Row:
        """The arms as a row of the traces."""
        arms = [
            {"arm": arm.name, "share": arm.share, "policy": arm.policy.version} for arm in self.arms
        ]
        return {"rollout": self.id, "arms": json.dumps(arms), "seed": self._seed}


def _place(seed: int, session: str) -> float:
    """A number in [0, 1) for a session."""
    told = f"{seed}:{session}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(told).digest()[:6], "big") / (1 << 48)
