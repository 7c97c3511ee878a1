"""The terms that one training can serve: every cost of a range, every budget up to the largest.

What a call costs and how many are left follow from the choices alone, so that a step which was
played on some terms can be learned from on any (`CostBudgetRange.relabel`). This file knows no
environment, no text and no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np
import torch
from torch import Tensor

from londi.config import TrainConfig
from londi.errors import InvalidConfig
from londi.learning.replay import Batch
from londi.switching.budget import Budget
from londi.types import CostBudget

UNCAPPED = 0.3
"""Share of the draws that have no budget."""


@dataclass(frozen=True, slots=True)
class RelabelledBatch(Batch):
    """Transitions on terms of their own; their rewards are the task's, with no call charged.

    Attributes:
        cost: [B] float32, c.
        remaining: [B] float32, x, the calls that are left; inf without a cap.
    """

    cost: Tensor
    remaining: Tensor


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
        """What a universal training is for; None for any other.

        Raises:
            InvalidConfig: if it is to be operated outside of that.
        """
        if not config.universal:
            return None
        made = cls(*config.cost_range, config.most_budget)
        made.check(CostBudget(config.cost, Budget.of(config).start))
        return made

    @property
    def scale(self) -> int:
        """What a share of the budget is a share of: the largest is not seen as none."""
        return self.most + 1

    @property
    def budget(self) -> Budget:
        """The rule of all of its budgets."""
        return Budget(scale=self.scale)

    @property
    def typical(self) -> float:
        """A cost in the middle."""
        return (self.low + self.high) / 2

    def of_episode(self, seed: int) -> CostBudget:
        """The terms on which a training plays the episode of that seed."""
        rng = np.random.default_rng([seed, 0])
        (cost,), (remaining,) = self._costs(1, rng), self._budgets(np.zeros(1), rng)
        return CostBudget(float(cost), float(remaining))

    def check(self, terms: CostBudget) -> None:
        """Refuse what lies outside: there is no extrapolation.

        Raises:
            InvalidConfig: for such terms.
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

    def relabel(
        self, batch: Batch, share: int, cost: int, rng: np.random.Generator
    ) -> RelabelledBatch:
        """`batch` as if it had been played on other terms, drawn anew for each transition.

        Args:
            batch: with rewards of the task alone.
            share: the column of an observation that holds the share of the budget left.
            cost: the column that holds c.
            rng: where the terms come from.
        """
        choice = batch.action.numpy()
        costs = torch.from_numpy(self._costs(len(choice), rng)).float()
        remaining, rule = self._budgets(choice, rng), self.budget
        seen, allowed = [], []
        for observation, left in (
            (batch.observation, remaining),
            (batch.next_observation, remaining - choice),
        ):
            observation = observation.clone()
            observation[:, share] = torch.from_numpy(rule.feature(left))
            observation[:, cost] = costs
            seen.append(observation)
            allowed.append(torch.from_numpy(rule.allowed(left)))
        return RelabelledBatch(
            observation=seen[0],
            action=batch.action,
            reward=batch.reward,
            next_observation=seen[1],
            terminated=batch.terminated,
            allowed=allowed[0],
            next_allowed=allowed[1],
            cost=costs,
            remaining=torch.from_numpy(remaining).float(),
        )

    def _costs(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """`[n]`, as many in each factor of two."""
        return np.exp(rng.uniform(log(self.low), log(self.high), n))

    def _budgets(self, least: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """x `[n]`, not below `least` `[n]`: some without a cap, small ones more often."""
        x = np.floor((self.most + 1) * rng.random(len(least)) ** 1.5)
        return np.where(rng.random(len(least)) < UNCAPPED, inf, np.maximum(x, least))
