"""Budgets: how many DEEPTHINK calls an episode may make, and what happens beyond.

LONDI-B's state is (s, x) with x_0 = n and x_{t+1} = x_t - g_t (arXiv 2402.12061). No cap is a
budget like any other, so that nobody else has to ask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from londi.config import TrainConfig
from londi.errors import InvalidConfig

BudgetMode = Literal["mask", "penalty"]


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap on the DEEPTHINK calls of one episode.

    Its methods take x, the calls that remain: any shape `[...]`, inf without a cap.

    Attributes:
        calls: n, a whole number >= 0; None for no cap.
        mode: ``"mask"`` makes g = 1 impossible at x = 0; ``"penalty"`` (the paper's) allows
            it, so that the agent can explore, and punishes every call beyond n.
        penalty: the punishment of one such call, in units of reward.
    """

    calls: int | None = None
    mode: BudgetMode = "mask"
    penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.calls is not None and (
            isinstance(self.calls, bool)
            or not isinstance(self.calls, (int, np.integer))
            or self.calls < 0
        ):
            raise InvalidConfig(f"budget: expected a whole number >= 0 or none, got {self.calls!r}")
        if self.mode not in ("mask", "penalty"):
            raise InvalidConfig(f"budget_mode: expected mask or penalty, got {self.mode!r}")
        if not (math.isfinite(self.penalty) and self.penalty >= 0):
            raise InvalidConfig(f"overspend_penalty: expected a number >= 0, got {self.penalty!r}")

    @classmethod
    def of(cls, config: TrainConfig) -> Budget:
        """The budget that a training's configuration asks for."""
        calls = None if config.budget == "none" else config.budget
        return cls(calls, config.budget_mode, config.overspend_penalty)

    @property
    def punishes(self) -> bool:
        """Whether a call beyond the budget is possible, and punished."""
        return self.calls is not None and self.mode == "penalty"

    @property
    def start(self) -> float:
        """x_0."""
        return math.inf if self.calls is None else float(self.calls)

    def allowed(self, remaining: np.ndarray) -> np.ndarray:
        """Possible choices, bool `[..., 2]` for (QUICK, DEEPTHINK)."""
        allowed = np.ones((*remaining.shape, 2), dtype=bool)
        if self.mode == "mask":
            allowed[..., 1] = remaining > 0
        return allowed

    def punishment(self, alpha: float) -> float:
        """By how much the exact soft policy lowers the logit of a call beyond the budget.

        Args:
            alpha: the temperature, in units of reward a nat; taken as 0.001 at least.
        """
        return self.penalty / max(alpha, 1e-3) if self.punishes else 0.0

    def overspends(self, remaining: np.ndarray, choice: np.ndarray) -> np.ndarray:
        """Whether `choice` `[...]` calls DEEPTHINK beyond the budget, bool `[...]`."""
        over: np.ndarray = (choice == 1) & (remaining <= 0)
        return over
