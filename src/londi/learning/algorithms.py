"""What a training is for: one cost and one budget, as in the paper, or all of a range.

A course says on what terms episodes are played, what is learned from them, and by whom. This file
knows no environment and no language model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from functools import partial
from math import inf, log
from typing import Any

import numpy as np
import torch

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import COST, EXTRAS, SHARE
from londi.learning.privileged import PrivilegedCritic
from londi.learning.replay import Batch, ReplayBuffer
from londi.learning.sac import SAC, AutoAlpha, FixedAlpha, Temperature, average
from londi.learning.universal import UniversalLearner
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import UniversalActor, UniversalCritic
from londi.switching.switcher import PunishedActor
from londi.types import CostBudget

Returns = tuple[float, float]
"""The least and the greatest return of an episode."""


def make_algorithm(config: TrainConfig, encoder: Encoder) -> Algorithm:
    """The course that `config` asks for.

    Args:
        config: the settings of the training.
        encoder: what the Switcher reads.

    Raises:
        InvalidConfig: if a universal Switcher is to be operated outside of its range.
    """
    if terms := CostBudgetRange.of(config):
        return UniversalAlgorithm(config, encoder, terms)
    return SACAlgorithm(config, encoder)


class Algorithm(ABC):
    """What a training is for.

    Attributes:
        budget: the rule of the calls in its episodes.
    """

    budget: Budget

    def __init__(self, config: TrainConfig, encoder: Encoder) -> None:
        self._config = config
        self._encoder = encoder

    @abstractmethod
    def terms(self, episode: int) -> CostBudget:
        """The terms on which the episode of that seed is played."""

    @abstractmethod
    def learner(self, foresight: int = 0, returns: Returns | None = None) -> SAC:
        """Who learns; its weights are drawn from torch's global generator.

        Args:
            foresight: numbers behind an observation that the critics alone see.
            returns: the least and the greatest return of an episode, where they are known.
        """

    @abstractmethod
    def sample(self, buffer: ReplayBuffer, rng: np.random.Generator) -> Batch:
        """A batch to learn from."""

    @abstractmethod
    def kept(self, learner: Any) -> dict[str, Any]:
        """What `Switcher.load` needs of a checkpoint."""

    def _settings(self) -> dict[str, Any]:
        """Those of any learner."""
        config, encoder = self._config, self._encoder
        return {
            "make_trunk": lambda: encoder.trunk(EXTRAS, config.width),
            "width": config.width,
            "gamma": config.gamma,
            "tau": config.tau,
            "actor_tau": config.actor_tau,
            "actor_lr": config.learning_rate,
            "critic_lr": config.learning_rate,
            "combine": average if config.critics == "mean" else torch.minimum,
            "observed": encoder.size + EXTRAS,
        }

    def _kept(self, learner: SAC) -> dict[str, Any]:
        """What is needed of any."""
        return {
            "encoder": self._config.encoder,
            "width": self._config.width,
            "actor": learner.mean_actor.module.state_dict(),
        }


class SACAlgorithm(Algorithm):
    """One cost and one budget: LONDI, or LONDI-B."""

    def __init__(self, config: TrainConfig, encoder: Encoder) -> None:
        super().__init__(config, encoder)
        self.budget = Budget.of(config)
        if config.alpha == "auto":
            entropy = config.target_entropy * log(2)
            self._alpha: Temperature = AutoAlpha(entropy, lr=config.learning_rate, initial=0.01)
        else:
            self._alpha = FixedAlpha(config.alpha)
        self._punishment = self.budget.punishment(self._alpha.value)

    def terms(self, episode: int) -> CostBudget:
        return CostBudget(self._config.cost, self.budget.start)

    def learner(self, foresight: int = 0, returns: Returns | None = None) -> SAC:
        encoder, width, budget = self._encoder, self._config.width, self.budget
        make_critic = partial(PrivilegedCritic, encoder, foresight, width, budget)
        return SAC(
            **self._settings(),
            alpha=self._alpha,
            make_actor=lambda: PunishedActor(encoder, width, self._punishment),
            make_critic=make_critic if foresight else None,
            worth=self._worth(returns) if returns else (-inf, inf),
        )

    def sample(self, buffer: ReplayBuffer, rng: np.random.Generator) -> Batch:
        config = self._config
        return buffer.sample(config.batch_size, config.cost, self.budget.penalty, rng)

    def kept(self, learner: Any) -> dict[str, Any]:
        return self._kept(learner) | {"punishment": self._punishment}

    def _worth(self, returns: Returns) -> tuple[float, float]:
        """Bounds of what can follow on a state.

        Of reward as much as lies between the least and the greatest return, and at worst a call,
        with its punishment, at every step. Of the reward twice that: critics that merely err are
        left alone.
        """
        gamma, most = self._config.gamma, 2 * (returns[1] - returns[0])
        dear = self._config.cost + self.budget.penalty * self.budget.punishes
        return -most - (dear / (1.0 - gamma) if gamma < 1 else inf), most


class UniversalAlgorithm(Algorithm):
    """Every cost and every budget of a range, drawn anew for each episode and each transition."""

    def __init__(self, config: TrainConfig, encoder: Encoder, terms: CostBudgetRange) -> None:
        super().__init__(config, encoder)
        self.budget = terms.budget
        self._terms = terms

    def terms(self, episode: int) -> CostBudget:
        return self._terms.of_episode(episode)

    def learner(self, foresight: int = 0, returns: Returns | None = None) -> SAC:
        encoder, width, terms = self._encoder, self._config.width, self._terms
        most = 2 * (returns[1] - returns[0]) if returns else inf  # as `SACAlgorithm` has it
        return UniversalLearner(
            **self._settings(),
            price=terms.typical,
            sharpness=UniversalActor.SHARPNESS,
            make_actor=lambda: UniversalActor(encoder, width, terms),
            make_critic=lambda: UniversalCritic(encoder, foresight, width, terms),
            make_forecast=lambda: UniversalCritic(encoder, 0, width, terms),
            worth=(-most, most),
        )

    def sample(self, buffer: ReplayBuffer, rng: np.random.Generator) -> Batch:
        size = self._encoder.size
        batch = buffer.sample(self._config.batch_size, 0.0, 0.0, rng)
        return self._terms.relabel(batch, size + SHARE, size + COST, rng)

    def kept(self, learner: Any) -> dict[str, Any]:
        return self._kept(learner) | {
            "terms": asdict(self._terms),
            "forecast": learner.mean_forecast.module.state_dict(),
        }
