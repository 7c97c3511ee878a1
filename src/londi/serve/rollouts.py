"""The rollout that the settings describe.

This file knows settings, policies and traces. It does not know how a session is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from londi.config.rollout import RolloutConfig
from londi.config.serve import ServeConfig
from londi.serve.core.arms import Arm, Arms, Rollout, kept, shadowed
from londi.serve.core.policy import Policy, load_policy
from londi.serve.guard import Guard
from londi.serve.noted import NotedArms
from londi.storage.rollout_log import RolloutLog
from londi.storage.traces import TraceStore


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """The arms of the settings, before anything is written down.

    Attributes:
        config: the settings.
        version: of the Switcher.
        on: the arms.
        off: the arms once the Switcher is turned off.
    """

    config: RolloutConfig
    version: str
    on: Arms
    off: Arms

    @classmethod
    def of(cls, config: ServeConfig, policy: Policy) -> Self:
        """The plan of the settings.

        Args:
            config: the settings.
            policy: the Switcher.

        Raises:
            LondiError: if the previous Switcher cannot be loaded or does not fit.
        """
        given = config.rollout
        act = shadowed if given.mode == "shadow" else None
        arms = [kept("control", given.control, policy)]
        if given.previous:
            previous = load_policy(given.previous, "rollout.previous")
            if config.cost is not None:
                previous.check_cost(config.cost)
            share = 1 - given.control - given.treated
            arms.append(act(share, previous) if act else Arm("previous", share, previous))
        treated = act(given.treated, policy) if act else Arm("treated", given.treated, policy)
        on = Arms([*arms, treated], given.seed)
        off = Arms([*arms, kept("off", given.treated, policy)], given.seed)
        return cls(given, policy.version, on, off)

    def begin(self, traces: TraceStore | None) -> Rollout:
        """The rollout, noted in the traces; None for nowhere."""
        if traces is None:
            return self.on
        log = RolloutLog(traces)
        on, guard = NotedArms(self.on, log), self.config.guard
        if guard.most_drop is None or self.config.mode == "shadow":
            return on
        return Guard(on, NotedArms(self.off, log), self.version, guard, log)


def described_rollout(given: RolloutConfig) -> list[str]:
    """The rollout in words, a line each; none where the Switcher decides every session."""
    lines = []
    if given.any:
        rest = 1 - given.control - given.treated
        shares = [f"control {given.control:.4g}"]
        shares += [f"previous {rest:.4g} ({given.previous})"] * bool(given.previous)
        shares.append(f"{'treated' if given.mode == 'live' else 'shadow'} {given.treated:.4g}")
        lines.append(f"sessions: {', '.join(shares)}")
    if (most := given.guard.most_drop) is not None:
        lines.append(f"turned off where the mean reward drops by more than {most:g}")
    return lines
