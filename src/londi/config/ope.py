"""Settings of `londi ope`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from londi.config.base import INF, MOST_SEED, Settings, check


@dataclass(frozen=True)
class OpeConfig(Settings):
    """Estimate from traces what a Switcher would return and save, before it is turned on."""

    cost: float | None = None
    """c at which the Switcher is to play; by default that of its training."""
    sessions: Literal["held-out", "all"] = "held-out"
    """Sessions to estimate from: `held-out` are those that the Switcher was not trained on; on the
    others an estimate is too good."""
    method: Literal["wdr", "dr", "wpdis", "pdis", "fqe"] = "wdr"
    """Estimator to report; the others stand beside it. `wdr` and `dr` are doubly robust, `wpdis`
    and `pdis` importance sampling by decision, `fqe` is fitted Q evaluation."""
    greedy: bool = False
    """Estimate the Switcher that takes the likelier choice; by default it draws, as it serves."""
    seed: int = 0
    """Seed of the intervals."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, seed=(0, MOST_SEED))
        if self.cost is not None:
            check(self, cost=(0, INF))
