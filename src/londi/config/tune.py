"""Settings of `londi tune`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from londi.config.base import INF, check, check_budget
from londi.errors import InvalidConfig


@dataclass(frozen=True)
class TuneConfig:
    """Choose where a universal Switcher is operated, on validation episodes."""

    call_rate: float | None = None
    """Share of the steps at which DEEPTHINK is to be called."""
    keep_return: float | None = None
    """Share of DEEPTHINK's return that is to be kept, with as few calls as it takes; 0.99 where
    prices are given and nothing else."""
    price: str = ""
    """Money for a million tokens that each model reads, such as `quick=0.1,deepthink=2.0`."""
    worth: float | None = None
    """Money that a return of 1 is worth: with prices, what is left of it is made as much as can
    be."""
    budget: int | Literal["none"] = "none"
    """n: most DEEPTHINK calls of an episode. Alone, calls within it are as cheap as they come."""
    episodes: int = 200
    """Validation episodes, played at every cost."""
    points: int = 9
    """Costs to try, all over the range of the Switcher."""
    num_envs: int = 32
    """Environments played side by side."""
    seed: int = 0
    """Seed of random choices."""

    def __post_init__(self) -> None:
        check(self, episodes=(1, INF), points=(2, INF), num_envs=(1, INF), seed=(0, INF))
        ranges = {"call_rate": (0, 1), "keep_return": (0, INF), "worth": (0, INF)}
        asked = [name for name in ranges if getattr(self, name) is not None]
        check(self, **{name: ranges[name] for name in asked})
        if len(asked) > 1:
            raise InvalidConfig(
                f"expected one of call_rate, keep_return and worth, got {' and '.join(asked)}"
            )
        if not (asked or self.price or self.budget != "none"):
            raise InvalidConfig(
                "expected what to tune for: --call_rate, --keep_return, --budget or --price"
            )
        if self.worth is not None and not self.price:
            raise InvalidConfig("worth: expected prices as well, such as quick=0.1,deepthink=2.0")
        check_budget(self.budget)
        _ = self.prices

    @property
    def prices(self) -> dict[str, float]:
        """`price` by model; empty without.

        Raises:
            InvalidConfig: if it is no such text.
        """
        if not self.price:
            return {}
        parts = [part.split("=") for part in self.price.replace(" ", "").split(",")]
        try:
            found = {name: float(value) for name, value in parts}
            good = len(parts) == 2 and all(0 <= value < INF for value in found.values())
        except ValueError:
            good = False
        if not good or found.keys() != {"quick", "deepthink"}:
            raise InvalidConfig(
                f"price: expected two such as quick=0.1,deepthink=2.0, got {self.price!r}"
            )
        return found
