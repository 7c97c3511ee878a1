"""The switching problem on some corridors side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from londi import Budget, SwitchingVectorEnv
from londi.encoders.base import Encoder
from londi.encoders.quick import QuickEncoder
from londi.switching.observation import ObservationLayout
from londi.types import Step
from playthings import Corridor, deepthink, quick

LAYOUT = ObservationLayout(QuickEncoder(3).size)


def make(
    budget: Budget | None = None,
    cost: float = 0.1,
    num_envs: int = 3,
    encoder: Encoder | None = None,
    limit: int | None = None,
    privileged: bool = False,
) -> SwitchingVectorEnv:
    return SwitchingVectorEnv(
        lambda: Corridor(limit),
        quick(),
        deepthink(),
        cost=cost,
        budget=budget,
        encoder=encoder or QuickEncoder(3),
        num_envs=num_envs,
        privileged=privileged,
    )


def play(env: SwitchingVectorEnv, choose: Callable[[int], np.ndarray], steps: int) -> list[Step]:
    """The steps of all slots, choices by the number of the step."""
    taken: list[Step] = []
    for t in range(steps):
        *_, info = env.step(choose(t))
        taken += [step for step in info["steps"] if step is not None]
    return taken
