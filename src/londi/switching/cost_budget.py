"""The costs and budgets that one training can serve: a range of c, and every n up to a largest.

This file knows no environment, no text and no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np

from londi.config import TrainConfig
from londi.errors import InvalidConfig
from londi.switching.budget import Budget
from londi.types import CostBudget

UNCAPPED = 0.3
"""Share of the draws that have no budget."""


@dataclass(frozen=True, slots=True)
class CostBudgetRange:
    """All costs from `low` to `high`, and all budgets up to `most` calls, and none.

    Attributes:
        low, high: in units of reward, 0 < low <= high.
        most: the largest budget, >= 1.
    """

    low: float
    high: float
    most: int

    @classmethod
    def of(cls, config: TrainConfig) -> CostBudgetRange | None:
        """The range of a universal training; None for any other.

        Raises:
            InvalidConfig: if it is to be operated outside of that range.
        """
        if not config.universal:
            return None
        made = cls(*config.cost_range, config.most_budget)
        made.check(CostBudget(config.cost, Budget.of(config).start))
        return made

    @property
    def typical(self) -> float:
        """A cost in the middle."""
        return (self.low + self.high) / 2

    def of_episode(self, seed: int) -> CostBudget:
        """The cost and budget at which a training plays the episode of that seed."""
        rng = np.random.default_rng([seed, 0])
        (cost,), (remaining,) = self.costs(1, rng), self.budgets(np.zeros(1), rng)
        return CostBudget(float(cost), float(remaining))

    def check(self, terms: CostBudget) -> None:
        """Refuse a cost or budget outside of the range: there is no extrapolation.

        Raises:
            InvalidConfig: for such a cost or budget.
        """
        if not self.low <= terms.cost <= self.high:
            raise InvalidConfig(
                f"cost: expected one that the Switcher was trained for, from {self.low:g} to"
                f" {self.high:g}, got {terms.cost:g}"
            )
        if self.most < terms.remaining < inf:
            raise InvalidConfig(
                f"budget: expected one that the Switcher was trained for, at most {self.most} or"
                f" none, got {terms.remaining:g}"
            )

    def spread(self, count: int) -> list[float]:
        """`count` costs from the least to the greatest, each greater by the same factor."""
        out: list[float] = np.exp(np.linspace(log(self.low), log(self.high), count)).tolist()
        return out

    def costs(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Random costs `[n]`, as many in each factor of two."""
        return np.exp(rng.uniform(log(self.low), log(self.high), n))

    def budgets(self, least: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Random x `[n]`, not below `least` `[n]`: some without a cap, small ones more often."""
        x = np.floor((self.most + 1) * rng.random(len(least)) ** 1.5)
        return np.where(rng.random(len(least)) < UNCAPPED, inf, np.maximum(x, least))
