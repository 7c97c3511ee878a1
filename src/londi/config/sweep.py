"""Settings of `londi sweep`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from londi.config.base import INF, check
from londi.errors import InvalidConfig


@dataclass(frozen=True)
class SweepConfig:
    """Train and evaluate a Switcher at every point of a grid."""

    base: dict[str, Any] = field(default_factory=dict)
    """Settings of `londi train` that all runs share."""
    grid: list[dict[str, list[Any]]] = field(default_factory=list)
    """One grid or several, such as `[{cost: [0.1, 0.3], seed: [0, 1, 2]}]`: every combination of
    the values is a run, and runs that differ in their seed only are one line of the table."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """Settings of `londi evaluate` for the play of each Switcher."""
    jobs: int = 1
    """Runs that are made side by side, each in a process of its own."""

    def __post_init__(self) -> None:
        check(self, jobs=(1, INF))
        if not any(self.grid):
            raise InvalidConfig("grid: expected settings with their values, got none")
        for name, values in (item for part in self.grid for item in part.items()):
            if not values:
                raise InvalidConfig(f"grid: expected at least one value of {name!r}, got none")
