"""A guard: turns the Switcher off by itself where treated sessions lose more reward than they may.

All processes that write to one file of traces see the same feedback, and the same guard. This file
knows arms and rewards. It does not know how a session is served.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil, inf

from londi.config.rollout import GuardConfig
from londi.evaluation.confidence import Interval, Sample, mean_difference
from londi.serve.core.arms import Arm
from londi.serve.noted import NotedArms
from londi.storage.rollout_log import ArmShare, RolloutLog
from londi.storage.traces import now

_log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two looks at the traces."""


class Guard:
    """Arms in which the Switcher acts, until it drops the reward; then those without it.

    Args:
        on: the arms with the Switcher.
        off: the same with DEEPTHINK in its place.
        version: of the Switcher.
        config: what it may cost; its `most_drop` is given.
        log: feedback, and earlier guards.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        on: NotedArms,
        off: NotedArms,
        version: str,
        config: GuardConfig,
        log: RolloutLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        assert config.most_drop is not None
        self._on, self._off, self._version = on, off, version
        self._most, self._alpha = config.most_drop, 1 - config.confidence
        self._since, self._log, self._clock = config.begins, log, clock
        self._samples = {"treated": Sample(), "control": Sample()}
        self._shares: dict[str, dict[str, float]] = {}
        self._read, self._next, self._said = 0, -inf, ""
        self._lock = threading.Lock()

    def arm(self, session: str) -> Arm:
        """The arm of a session, at its next step."""
        return (self._off if self.off else self._on).arm(session)

    @property
    def slow(self) -> bool:
        """Whether any of the policies may take milliseconds to decide."""
        return self._on.slow

    @property
    def off(self) -> str:
        """Why the Switcher is off, in one line; empty while it is not."""
        with self._lock:
            if not self._said and self._clock() >= self._next:
                self._look()
        return self._said

    def _look(self) -> None:
        """Read what is new in the traces, and turn the Switcher off where that says so."""
        self._next = self._clock() + PAUSE
        found = self._log.turned_off(self._version, self._since)
        if found is not None:
            self._said = found
            _log.warning("%s", found)
            return
        self._count()
        difference = mean_difference(
            self._samples["treated"], self._samples["control"], self._alpha
        )
        if difference.high < -self._most:
            self._said = self._line(difference)
            _log.warning("%s", self._said)
            self._off.note(self._version, self._said)

    def _count(self) -> None:
        """Count the sessions that have feedback now, and began beside one another."""
        for one in self._log.rewarded(self._read):
            self._read = one.place
            if one.rollout is None or one.begun < self._since:
                continue
            if one.rollout not in self._shares:
                self._shares[one.rollout] = _compared(self._log.arms(one.rollout), self._version)
            if share := self._shares[one.rollout].get(one.arm or ""):
                self._samples[one.arm or ""].add(one.value, 1 / share)

    def _line(self, difference: Interval) -> str:
        treated, control = self._samples["treated"], self._samples["control"]
        again = datetime.fromtimestamp(ceil(now()) + 1, UTC)
        return (
            f"the Switcher {self._version} is off: its sessions lose {-difference.estimate:.3g} of"
            f" the mean reward, at least {-difference.high:.3g}, and most_drop is {self._most:g}"
            f" ({treated.count:,} treated sessions, {control.count:,} control sessions); DEEPTHINK"
            " answers them. To turn it on again set rollout.guard.since:"
            f" {again:%Y-%m-%dT%H:%M:%SZ}, or name another Switcher"
        )


def _compared(arms: tuple[ArmShare, ...], version: str) -> dict[str, float]:
    """Shares of the control group and of the treated by that version; none where one is missing."""
    shares = {
        arm.arm: arm.share
        for arm in arms
        if arm.arm == "control" or (arm.arm == "treated" and arm.policy == version)
    }
    return shares if len(shares) == 2 else {}
