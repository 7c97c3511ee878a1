"""Settings of `londi tune`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from londi.config.base import (
    INF,
    MOST_ENVS,
    MOST_EPISODES,
    MOST_SEED,
    check,
    check_budget,
)
from londi.config.prices import FORM, PriceSettings
from londi.errors import InvalidConfig


@dataclass(frozen=True)
class TuneConfig(PriceSettings):
    """Choose the cost and budget at which a universal Switcher plays, on validation episodes."""

    call_rate: float | None = None
    """Target for the share of steps at which DEEPTHINK is called, from 0 to 1."""
    keep_return: float | None = None
    """Target for the return as a share of DEEPTHINK's, reached with as few calls as possible; 0.99
    if prices are given and nothing else."""
    worth: float | None = None
    """Value of a return of 1, in the currency of `price`; the value of the return less the price of
    the tokens is then made as large as possible."""
    budget: int | Literal["none"] = "none"
    """Most DEEPTHINK calls in an episode. Given alone, calls within the budget cost as little as
    the Switcher knows."""
    episodes: int = 200
    """Number of validation episodes, played at every cost that is tried."""
    points: int = 9
    """Number of costs to try, over the whole range that the Switcher was trained for."""
    num_envs: int = 32
    """Number of environments played in parallel."""
    seed: int = 0
    """Seed for random choices."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            episodes=(1, MOST_EPISODES),
            points=(2, 1000),
            num_envs=(1, MOST_ENVS),
            seed=(0, MOST_SEED),
        )
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
            raise InvalidConfig(f"worth: expected prices as well, such as {FORM}")
        check_budget(self.budget)
