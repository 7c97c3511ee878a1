"""The rollout that the settings describe.

This file knows settings, policies and traces. It does not know how a session is served.
"""

from __future__ import annotations

from londi.config.rollout import RolloutConfig
from londi.config.serve import ServeConfig
from londi.serve.core.arms import Arm, Arms, Rollout, kept, shadowed
from londi.serve.core.policy import Policy, load_policy
from londi.serve.guard import Guard
from londi.serve.noted import NotedArms
from londi.storage.rollout_log import RolloutLog
from londi.storage.traces import TraceStore


def make_rollout(config: ServeConfig, policy: Policy, traces: TraceStore | None) -> Rollout:
    """The rollout of the settings, noted in the traces.

    Args:
        config: the settings.
        policy: the Switcher.
        traces: where steps are written down; None for nowhere.

    Raises:
        LondiError: if the previous Switcher cannot be loaded or does not fit.
    """
    given = config.rollout
    live = given.mode == "live"
    arms = [kept("control", given.control, policy)]
    if given.previous:
        previous = load_policy(given.previous, "rollout.previous")
        if config.cost is not None:
            previous.check_cost(config.cost)
        share = 1 - given.control - given.treated
        arms.append(Arm("previous", share, previous) if live else shadowed(share, previous))
    treated = Arm("treated", given.treated, policy) if live else shadowed(given.treated, policy)
    on = Arms([*arms, treated], given.seed)
    if traces is None:
        return on
    log = RolloutLog(traces)
    noted = NotedArms(on, log)
    if given.guard.most_drop is None or not live:
        return noted
    off = Arms([*arms, kept("off", given.treated, policy)], given.seed)
    return Guard(noted, NotedArms(off, log), policy.version, given.guard, log)


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
