"""Who decides whether DEEPTHINK is called: the learned Switcher and the baselines, one interface.

A Switcher sees an observation (the features of a prompt, the share of the budget left, the
cost c) and says with what probability it would call. This file knows no environment, no
language model and no training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.encoders.registry import EXTRAS, SHARE, make_encoder
from londi.errors import InvalidConfig, LondiError
from londi.learning.sac import Actor, masked_policy
from londi.models.base import LanguageModel
from londi.storage.checkpoint import has_state, load_state
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import UniversalActor, UniversalCritic
from londi.types import CostBudget

Array = npt.NDArray[Any]

CHECKPOINT = "checkpoint"
"""The folder, in that of a run, where its state is."""


class PunishedActor(Actor):
    """An actor that knows what a call beyond the budget is punished by, whatever it has learned.

    The exact soft policy has -punishment / alpha in the logit of such a call, a thousand or so: too
    steep to be learned beside what calls are worth while there is a budget, and what is learned of
    it runs over into those states, until no call is made anywhere.

    Args:
        encoder: of the features that an observation begins with.
        width: of the hidden layers.
        punishment: what such a call's logit is lowered by (`Budget.punishment`).
    """

    def __init__(self, encoder: Encoder, width: int, punishment: float) -> None:
        super().__init__(encoder.trunk(EXTRAS, width), width)
        self._share = encoder.size + SHARE
        self.punishment = punishment

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, encoder.size + EXTRAS]` -> `[B, 2]`."""
        quick, deepthink = super().forward(observation).unbind(1)
        beyond = observation[:, self._share] <= 0
        return torch.stack([quick, deepthink - self.punishment * beyond], 1)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a Switcher expects of either choice, at B observations; columns (QUICK, DEEPTHINK).

    Attributes:
        returns: [B, 2], the discounted task return to come, no cost taken off.
        calls: [B, 2], the discounted DEEPTHINK calls to come, this one among them.
    """

    returns: Array
    calls: Array

    @property
    def gain(self) -> Array:
        """[B], by how much return a call now is better."""
        out: Array = self.returns[:, 1] - self.returns[:, 0]
        return out

    @property
    def more_calls(self) -> Array:
        """[B], how many calls more are expected where one is made now."""
        out: Array = self.calls[:, 1] - self.calls[:, 0]
        return out


class Switcher(ABC):
    """A policy g(s) in {0, 1}.

    Attributes:
        encoder: the spec of the encoder whose features it reads (`londi.encoders.registry.make_encoder`).
        terms: the costs and budgets that it knows, where it was trained for all of a range.
    """

    encoder: str
    terms: CostBudgetRange | None = None

    @staticmethod
    def load(
        folder: Path | str, quick: LanguageModel, deepthink: LanguageModel, greedy: bool = False
    ) -> LearnedSwitcher:
        """The Switcher that a run of `londi train` left in `folder`, for these two models.

        It draws its choices, as in training and as `londi evaluate` does by default; a `greedy`
        one takes the likelier.

        Raises:
            LondiError: if there is no checkpoint in `folder`, or its weights do not fit the
                encoder that these models give.
        """
        saved = Path(folder) / CHECKPOINT
        if not has_state(saved):
            raise LondiError(f"no checkpoint in {str(folder)!r}; expected the folder of a run")
        try:
            state = load_state(saved)["switcher"]
            spec, width = state["encoder"], state["width"]
            terms = CostBudgetRange(**state["terms"]) if "terms" in state else None
            punishment = state.get("punishment", 0.0)
        except (KeyError, ValueError, OSError, SafetensorError) as error:
            raise LondiError(
                f"the checkpoint in {str(folder)!r} is damaged or of no Switcher"
            ) from error
        encoder = make_encoder(spec, quick, deepthink)
        actor: Actor = PunishedActor(encoder, width, punishment)
        forecast = None
        if terms:
            actor = UniversalActor(encoder, width, terms)
            forecast = UniversalCritic(encoder, 0, width, terms)
        try:
            actor.load_state_dict(state["actor"])
            if forecast:
                forecast.load_state_dict(state["forecast"])
        except (RuntimeError, KeyError) as error:
            raise LondiError(
                f"the Switcher in {str(folder)!r} was trained in front of other models"
            ) from error
        return LearnedSwitcher(actor, spec, greedy, terms, forecast)

    def operated(self, cost: float, budget: Budget) -> Budget:
        """`budget` as this Switcher has learned to see it, where a call costs `cost`.

        Raises:
            InvalidConfig: if it was trained for a range that these terms are not in.
        """
        if self.terms is None:
            return budget
        self.terms.check(CostBudget(cost, budget.start))
        return replace(budget, scale=self.terms.scale)

    @abstractmethod
    def call_probability(self, observation: Array, allowed: Array) -> Array:
        """P(g = 1) `[B]`, at observations `[B, D]`; 0 where `allowed` `[B, 2]` forbids it."""

    def decide(
        self, observation: Array, allowed: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """The choices g `[B]`, and the probability `[B]` that each one had."""
        call = self.call_probability(observation, allowed)
        choice = (rng.random(len(call)) < call).astype(np.int64)
        return choice, np.where(choice == 1, call, 1.0 - call)


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


class LearnedSwitcher(Switcher):
    """The actor of a trained Switcher.

    Args:
        actor: logits `[B, 2]` from observations `[B, D]`.
        encoder: the spec of the encoder it was trained with.
        greedy: take the likelier choice; otherwise sample, as in training.
        terms: the costs and budgets that the actor reads, where it is told them.
        forecast: return and calls to come `[B, 2, 2]` from the same observations, where there is
            one: that of a universal Switcher.
    """

    def __init__(
        self,
        actor: Actor,
        encoder: str,
        greedy: bool = False,
        terms: CostBudgetRange | None = None,
        forecast: nn.Module | None = None,
    ) -> None:
        self.actor = actor.eval().requires_grad_(False)
        self.encoder = encoder
        self.greedy = greedy
        self.terms = terms
        self._forecast = forecast

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        with torch.inference_mode():
            logits = self.actor(torch.from_numpy(observation))
            policy = masked_policy(logits, torch.from_numpy(allowed))
        call = policy.probability[:, 1].numpy()
        return (call > 0.5).astype(float) if self.greedy else call.astype(float)

    def expect(self, observation: Array) -> Expectation:
        """What it expects of either choice, at observations `[B, D]`.

        Raises:
            LondiError: if it is not a universal one, whose critics tell return and calls apart.
        """
        if self._forecast is None:
            raise LondiError("only a universal Switcher says what it expects")
        with torch.inference_mode():
            said = self._forecast(torch.from_numpy(observation)).numpy()
        return Expectation(said[..., 0], said[..., 1])
