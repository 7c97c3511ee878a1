"""Settings of `londi frontier`."""

from __future__ import annotations

from dataclasses import dataclass, field

from londi.config.base import (
    INF,
    MOST_ENVS,
    MOST_EPISODES,
    MOST_SEED,
    MOST_STEPS,
    check,
    check_name,
)
from londi.config.prices import PriceSettings
from londi.errors import InvalidConfig

METHODS = (
    "random",
    "first-k",
    "every-k",
    "confidence",
    "stuck",
    "episode-router",
    "single-switch",
    "step-router",
    "cql",
    "dqn",
    "ppo",
    "stage-router",
)
"""The built-in baselines of `londi frontier`."""


@dataclass(frozen=True)
class FrontierConfig(PriceSettings):
    """Compare universal Switchers with baselines at all call rates, and with the best possible."""

    runs: list[str] = field(default_factory=list)
    """Folders of `londi train --universal` that differ only in their seed."""
    methods: list[str] = field(default_factory=lambda: list(METHODS[:-3]))
    """Baselines to compare with: random, first-k, every-k, confidence, stuck (SwiftSage's rule),
    episode-router (after RouteLLM; the form of LangChain's once-per-run router), single-switch
    (after SWE-Router), step-router (after MTRouter), cql (after SeqRoute), dqn and ppo (`pip
    install 'londi[baselines]'`; trained once for each of three costs), stage-router (Switchyard's;
    see `switchyard`), or your own as `module:name`."""
    episodes: int = 300
    """Number of held-out episodes, the same ones for every method."""
    validation_episodes: int = 100
    """Number of other episodes, used to choose the settings of every method."""
    points: int = 9
    """Largest number of settings of each method that are played on the held-out episodes."""
    budgets: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 12])
    """Budgets (most DEEPTHINK calls in an episode) with which every method is played too."""
    log_steps: int = 40_000
    """Number of environment steps in the log from which routers learn, and in each training of dqn
    and ppo. The router by episode learns from one episode for every 40 of these steps."""
    switchyard: str = ""
    """Python interpreter that has `nemo-switchyard`, for the method stage-router; by default the
    one that runs londi."""
    states: int = 2_000
    """Largest number of states in an episode that the clairvoyant (the best possible Switcher)
    explores; 0 leaves the clairvoyant out."""
    most_calls: int = 30
    """Largest number of DEEPTHINK calls in an episode to compute the clairvoyant for."""
    minutes: float = 60.0
    """Time limit for exploring the clairvoyant's states, in minutes."""
    timelines: int = 6
    """Number of episodes that the report shows step by step."""
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
            points=(1, 1000),
            log_steps=(1000, MOST_STEPS),
            states=(0, 100_000_000),
            most_calls=(0, 10_000),
            minutes=(0, INF),
            timelines=(0, 1000),
            num_envs=(1, MOST_ENVS),
            workers=(1, self.num_envs),
            seed=(0, MOST_SEED),
        )
        if not self.runs:
            raise InvalidConfig("runs: expected folders of `londi train --universal`")
        for name in self.methods:
            check_name("method", name, METHODS)
        if any(budget < 0 for budget in self.budgets):
            raise InvalidConfig(f"budgets: expected whole numbers >= 0, got {self.budgets}")
