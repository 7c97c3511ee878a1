"""Settings of `londi evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from londi.config.base import INF, check


@dataclass(frozen=True)
class EvaluateConfig:
    """Play held-out episodes with QUICK, DEEPTHINK, the baselines and the learned Switcher."""

    episodes: int = 500
    """Held-out episodes, the same for every method."""
    validation_episodes: int = 100
    """Other episodes, on which the threshold is set to the Switcher's call rate."""
    env: str = ""
    """Environment to play instead of the one that the Switcher was trained on."""
    env_options: dict[str, Any] = field(default_factory=dict)
    """Options of the environment that are changed, such as `{split: dev}` in ScienceWorld."""
    cost: float | None = None
    """c, for a universal Switcher; by default the `cost` of its training."""
    budget: int | Literal["none"] | None = None
    """n, for a universal Switcher; by default the `budget` of its training. `none` is no cap."""
    greedy: bool = False
    """Take the likelier choice of the Switcher's, instead of drawing from its policy as in
    training. On the built-in pair drawing does a little better."""
    num_envs: int = 32
    """Environments played side by side."""
    seed: int = 0
    """Seed of random choices."""

    def __post_init__(self) -> None:
        check(
            self, episodes=(1, INF), validation_episodes=(1, INF), num_envs=(1, INF), seed=(0, INF)
        )
