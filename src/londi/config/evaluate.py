"""Settings of `londi evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from londi.config.base import (
    INF,
    MOST_ENVS,
    MOST_EPISODES,
    MOST_SEED,
    check,
    check_budget,
)
from londi.config.prices import PriceSettings
from londi.types import Values


@dataclass(frozen=True)
class EvaluateConfig(PriceSettings):
    """Play held-out episodes with QUICK, DEEPTHINK, the baselines and the trained Switcher."""

    episodes: int = 500
    """Number of held-out episodes, the same ones for every method."""
    validation_episodes: int = 100
    """Number of other episodes, which set the confidence threshold to the Switcher's call rate."""
    env: str = ""
    """Environment to play in place of the training environment."""
    env_options: Values = field(default_factory=dict)
    """Environment options to change, such as `{split: dev}` in ScienceWorld."""
    cost: float | None = None
    """c, the price of one DEEPTHINK call in units of reward, for a universal Switcher; by default
    the `cost` of its training, or where `londi tune` set it."""
    budget: int | Literal["none"] | None = None
    """Most DEEPTHINK calls in an episode, for a universal Switcher; `none` for no limit. By default
    the `budget` of its training, or where `londi tune` set it."""
    greedy: bool = False
    """Always take the Switcher's likelier choice. By default its choices are sampled, as in
    training, which does a little better on the built-in models."""
    cache: Literal["run", "none"] = "run"
    """Use of answers: `run` has the cache of the run; `none` asks the models every time, so that
    the seconds in the models are those of full batches for every method."""
    num_envs: int = 32
    """Number of environments played in parallel."""
    workers: int = 1
    """Number of workers that share the episodes and the `num_envs` environments, each with models
    of its own; on this machine they take turns, with `--ray` they play at the same time. Another
    number is another order of choices, and other figures within chance."""
    seed: int = 0
    """Seed for random choices."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            episodes=(1, MOST_EPISODES),
            validation_episodes=(1, MOST_EPISODES),
            num_envs=(1, MOST_ENVS),
            workers=(1, self.num_envs),
            seed=(0, MOST_SEED),
        )
        if self.cost is not None:
            check(self, cost=(0, INF))
        if self.budget is not None:
            check_budget(self.budget)
