"""Policies that decide whether DEEPTHINK is called: the base of all, and simple baselines.

A Switcher sees an observation and says with what probability it would call. This file knows no
environment, no network and no training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from londi.errors import InvalidConfig
from londi.models.base import LanguageModel
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.decision import Decision, draw
from londi.types import Array, CostBudget

CHECKPOINT = "checkpoint"
"""The folder, in that of a run, where its state is."""


class Switcher(ABC):
    """A policy g(s) in {0, 1}.

    Attributes:
        encoder: the name of the encoder whose features it reads (`make_encoder`).
        supported: the costs and budgets that it was trained for, where that is a range.
    """

    encoder: str
    supported: CostBudgetRange | None = None

    @staticmethod
    def load(
        source: Path | str,
        quick: LanguageModel | None = None,
        deepthink: LanguageModel | None = None,
        greedy: bool = False,
    ) -> Switcher:
        """A trained Switcher, from the folder of its run or from the file of `londi export`.

        It draws its choices, as in training and as `londi evaluate` does by default; a `greedy`
        one takes the likelier.

        Args:
            source: the folder, or a file whose name ends in ``.onnx``.
            quick: the small model that it was trained with; a file needs none.
            deepthink: the large model; likewise.
            greedy: take the likelier choice.

        Raises:
            LondiError: if there is no Switcher, it is damaged, or it was trained with other models.
        """
        path = Path(source)
        if path.suffix == ".onnx":
            from londi.switching.exported import load_exported

            return load_exported(path, quick, deepthink, greedy)
        if quick is None or deepthink is None:
            raise InvalidConfig(
                f"the Switcher in {str(path)!r}: expected its two models, got none; the file of"
                " `londi export` needs no model"
            )
        from londi.switching.learned import load_learned

        return load_learned(path, quick, deepthink, greedy)

    def check_supported(self, cost: float, budget: Budget) -> None:
        """Refuse a cost or budget that this Switcher was not trained for.

        Raises:
            InvalidConfig: for such a cost or budget.
        """
        if self.supported is not None:
            self.supported.check(CostBudget(cost, budget.start))

    @abstractmethod
    def call_probability(self, observation: Array, allowed: Array) -> Array:
        """P(g = 1) `[B]`, at observations `[B, D]`; 0 where `allowed` `[B, 2]` forbids it."""

    def decide(self, observation: Array, allowed: Array, rng: np.random.Generator) -> Decision:
        """Choices at observations `[B, D]`, among those `allowed` `[B, 2]`."""
        return draw(self.call_probability(observation, allowed), allowed, rng)


class ConstantSwitcher(Switcher):
    """Calls DEEPTHINK with one fixed probability, whatever it sees.

    0 is always-QUICK, 1 is always-DEEPTHINK, anything between is random switching.
    """

    encoder = "none"

    def __init__(self, probability: float) -> None:
        if not 0 <= probability <= 1:
            raise InvalidConfig(f"probability: expected a number in [0, 1], got {probability!r}")
        self.probability = probability

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        return np.where(allowed[:, 1], self.probability, 0.0)


class ThresholdSwitcher(Switcher):
    """Calls DEEPTHINK where QUICK's probability of its own choice is below a threshold."""

    encoder = "confidence"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        return np.where(allowed[:, 1] & (observation[:, 0] < self.threshold), 1.0, 0.0)
