"""What a file of traces knows of rollouts: the reward of each session by its arm, and guards.

This file knows tables. It does not know what follows from them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from londi.storage.trace_tables import Row
from londi.storage.traces import TraceStore, now


@dataclass(frozen=True, slots=True)
class ArmShare:
    """One of the arms among which a session was drawn.

    Attributes:
        arm: its name.
        share: probability with which a session came into it.
        policy: version of the policy that decided there.
    """

    arm: str
    share: float
    policy: str


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A session that has feedback for the whole.

    Attributes:
        place: number of the feedback in the file; later ones have larger numbers.
        value: of the feedback.
        arm: the arm that the session began in; None where nobody wrote it down.
        rollout: id of the arms that it was drawn from; likewise.
        begun: when its first step was decided, in seconds since 1970.
    """

    place: int
    value: float
    arm: str | None
    rollout: str | None
    begun: float


_REWARDED = """
SELECT feedback.rowid, feedback.value, steps.arm, steps.rollout, steps.time
FROM feedback JOIN steps ON steps.rowid =
    (SELECT min(rowid) FROM steps WHERE session = feedback.session)
WHERE feedback.step IS NULL AND feedback.rowid > ? ORDER BY feedback.rowid
"""
_TURNED_OFF = "SELECT said FROM rollouts WHERE off = ? AND time >= ? ORDER BY rowid LIMIT 1"
_ARMS = "SELECT arms FROM rollouts WHERE rollout = ? LIMIT 1"


class RolloutLog:
    """The rollouts of a file of traces that is open for writing, by all its processes."""

    def __init__(self, traces: TraceStore) -> None:
        self._traces = traces

    def begin(self, arms: Row, off: str | None = None, said: str | None = None) -> None:
        """Note that sessions are drawn among other arms from now on.

        Args:
            arms: the arms, as a row.
            off: version of the Switcher that was turned off.
            said: why.
        """
        self._traces.add("rollouts", arms | {"time": now(), "off": off, "said": said})

    def rewarded(self, after: int) -> list[Rewarded]:
        """Sessions whose feedback came behind the place `after`."""
        return [Rewarded(*row) for row in self._traces.read(_REWARDED, after)]

    def turned_off(self, policy: str, since: float) -> str | None:
        """Why a version was turned off since then; None if it was not."""
        found = self._traces.read(_TURNED_OFF, policy, since)
        return found[0][0] if found else None

    def arms(self, rollout: str) -> tuple[ArmShare, ...]:
        """The arms of that id; none where the file does not know it."""
        found = self._traces.read(_ARMS, rollout)
        return read_arms(found[0][0]) if found else ()


def read_arms(told: str) -> tuple[ArmShare, ...]:
    """Arms as the traces have them, JSON."""
    return tuple(ArmShare(**arm) for arm in json.loads(told))
