"""Settings of `londi limit`."""

from __future__ import annotations

from dataclasses import dataclass

from londi.config.base import INF, MOST_EPISODES, PairConfig, check


@dataclass(frozen=True)
class LimitConfig(PairConfig):
    """Compute the best return that any Switcher could reach on held-out episodes."""

    episodes: int = 100
    """Number of held-out episodes."""
    most_calls: int = 20
    """Largest number of DEEPTHINK calls in an episode to compute the best return for."""
    states: int = 5_000
    """Largest number of states to explore in one episode; where an episode has more, the result is
    a range, `at least` and `at most`."""
    minutes: float = 60.0
    """Time limit for exploring states, in minutes."""
    workers: int = 1
    """Number of workers that share the episodes, each with models of its own; on this machine they
    take turns, with `--ray` they explore at the same time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            episodes=(1, MOST_EPISODES),
            most_calls=(0, 10_000),
            states=(1, 100_000_000),
            minutes=(0, INF),
            workers=(1, self.episodes),
        )
