"""Settings of `londi limit`."""

from __future__ import annotations

from dataclasses import dataclass

from londi.config.base import INF, PairConfig, check


@dataclass(frozen=True)
class LimitConfig(PairConfig):
    """Find the best that any Switcher could have done on held-out episodes."""

    episodes: int = 100
    """Held-out episodes."""
    most_calls: int = 20
    """K: the largest number of DEEPTHINK calls in an episode that is looked at."""
    states: int = 5_000
    """Most states of an episode; where there are more, the limit is told as `at least` and `at
    most`."""
    minutes: float = 60.0
    """After which no further state is looked at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, episodes=(1, INF), most_calls=(0, INF), states=(1, INF), minutes=(0, INF))
