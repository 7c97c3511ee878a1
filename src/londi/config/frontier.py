"""Settings of `londi frontier`."""

from __future__ import annotations

from dataclasses import dataclass, field

from londi.config.base import INF, check
from londi.errors import InvalidConfig, UnknownName

METHODS = (
    "random",
    "first-k",
    "every-k",
    "confidence",
    "stuck",
    "episode-router",
    "step-router",
    "cql",
    "dqn",
    "ppo",
)
"""The baselines that a frontier can hold a universal Switcher against."""


@dataclass(frozen=True)
class FrontierConfig:
    """Hold universal Switchers against baselines, all along, and against the best there is."""

    runs: list[str] = field(default_factory=list)
    """Folders of `londi train --universal true` that differ in their seed only."""
    methods: list[str] = field(default_factory=lambda: list(METHODS[:-2]))
    """Baselines: random, first-k, every-k, confidence, stuck (SwiftSage's rule), episode-router
    (RouteLLM's way), step-router (MTRouter's way), cql (SeqRoute's way), and dqn and ppo
    (`pip install 'londi[baselines]'`), which are trained anew for each of three costs."""
    episodes: int = 300
    """Held-out episodes, the same for every method."""
    validation_episodes: int = 100
    """Other episodes, by which the settings of every method are chosen."""
    points: int = 9
    """Most settings of a method that are played on the held-out episodes."""
    budgets: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 12])
    """Budgets that every method is played with as well."""
    log_steps: int = 40_000
    """Environment steps of the log that routers learn from, and of each training of dqn and ppo.
    The router by episode learns from an episode for every 40 of them."""
    states: int = 2_000
    """Most states of an episode that the clairvoyant looks at; 0 leaves it out."""
    most_calls: int = 30
    """The largest number of DEEPTHINK calls in an episode that the clairvoyant is asked for."""
    minutes: float = 60.0
    """After which the clairvoyant looks at no further state."""
    timelines: int = 6
    """Episodes that are told step by step."""
    num_envs: int = 32
    """Environments played side by side."""
    seed: int = 0
    """Seed of random choices."""

    def __post_init__(self) -> None:
        check(
            self,
            episodes=(1, INF),
            validation_episodes=(1, INF),
            points=(1, INF),
            log_steps=(1000, 1_000_000),
            states=(0, INF),
            most_calls=(0, INF),
            minutes=(0, INF),
            timelines=(0, INF),
            num_envs=(1, INF),
            seed=(0, INF),
        )
        if not self.runs:
            raise InvalidConfig("runs: expected folders of `londi train --universal true`")
        for name in self.methods:
            if name not in METHODS:
                raise UnknownName("method", name, METHODS)
        if any(budget < 0 for budget in self.budgets):
            raise InvalidConfig(f"budgets: expected whole numbers >= 0, got {self.budgets}")
