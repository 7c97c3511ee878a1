"""Settings of `londi sweep`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from londi.config.base import INF, Settings, check
from londi.errors import InvalidConfig
from londi.types import Values


@dataclass(frozen=True)
class SweepConfig(Settings):
    """Train and evaluate a Switcher at every point of a grid."""

    base: Values = field(default_factory=dict)
    """Settings of `londi train` that all runs share."""
    grid: list[dict[str, list[Any]]] = field(default_factory=list)
    """One or several grids, such as `[{cost: [0.1, 0.3], seed: [0, 1, 2]}]`. Every combination of
    the values is one run; runs that differ only in their seed share a row of the table."""
    evaluation: Values = field(default_factory=dict)
    """Settings of `londi evaluate`, applied to every run."""
    jobs: int = 1
    """Number of runs trained at the same time, each in its own process. With `device: cuda` each
    process has one GPU, in turns; jobs beyond the number of GPUs share them."""
    job_timeout: float = 0.0
    """Minutes without progress after which the process of a run is ended, and the run goes on from
    its checkpoint, once; 0 for never. Longer than models take to load, and than the `num_envs`
    episodes of an evaluation take."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, jobs=(1, 1024), job_timeout=(0, INF))
        if not any(self.grid):
            raise InvalidConfig("grid: expected settings with their values, got none")
        for name, values in (item for part in self.grid for item in part.items()):
            if not values:
                raise InvalidConfig(f"grid: expected at least one value of {name!r}, got none")
