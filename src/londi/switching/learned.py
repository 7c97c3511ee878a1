"""The learned Switcher, and how it is read from the folder of its run.

This file knows networks and checkpoints. It does not know how a Switcher is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import nn

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.errors import LondiError
from londi.models.base import LanguageModel
from londi.storage.checkpoint import has_state, load_state
from londi.storage.names import resolve
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import PenaltyActor, UniversalActor, UniversalValue, masked_policy
from londi.switching.switcher import CHECKPOINT, Switcher
from londi.types import Array, StateDict


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expected return and calls of either choice, at B observations; columns (QUICK, DEEPTHINK).

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


class SavedSwitcher(Protocol):
    """An algorithm that can make its Switcher again from a checkpoint."""

    @staticmethod
    def switcher(state: StateDict, encoder: Encoder, greedy: bool) -> Switcher:
        """The Switcher of `state`, which the algorithm's learner has left."""


class LearnedSwitcher(Switcher):
    """The actor of a trained Switcher.

    Args:
        actor: logits `[B, 2]` from observations `[B, D]`.
        encoder: the spec of the encoder it was trained with.
        greedy: take the likelier choice; otherwise sample, as in training.
        supported: the costs and budgets that the actor reads, where it was trained for a range.
        value_head: return and calls to come `[B, 2, 2]` from the same observations; a universal
            Switcher has one.
    """

    def __init__(
        self,
        actor: nn.Module,
        encoder: str,
        greedy: bool = False,
        supported: CostBudgetRange | None = None,
        value_head: nn.Module | None = None,
    ) -> None:
        self.actor = actor.eval().requires_grad_(False)
        self.encoder = encoder
        self.greedy = greedy
        self.supported = supported
        self._value_head = value_head

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        with torch.inference_mode():
            logits = self.actor(torch.from_numpy(observation))
            policy = masked_policy(logits, torch.from_numpy(allowed))
        call = policy.probability[:, 1].numpy()
        return (call > 0.5).astype(float) if self.greedy else call.astype(float)

    def expect(self, observation: Array) -> Expectation:
        """Expected return and calls of either choice, at observations `[B, D]`.

        Raises:
            LondiError: if it is not a universal one, whose critics tell return and calls apart.
        """
        if self._value_head is None:
            raise LondiError("only a universal Switcher says what it expects")
        with torch.inference_mode():
            said = self._value_head(torch.from_numpy(observation)).numpy()
        return Expectation(said[..., 0], said[..., 1])


def load_learned(
    folder: Path, quick: LanguageModel, deepthink: LanguageModel, greedy: bool = False
) -> Switcher:
    """The Switcher that a run of `londi train` left in `folder`, for these two models.

    Raises:
        LondiError: if there is no checkpoint in `folder`, it is damaged, or its weights do not fit
            the encoder that these models give.
    """
    saved = folder / CHECKPOINT
    if not has_state(saved):
        raise LondiError(f"no checkpoint in {str(folder)!r}; expected the folder of a run")
    damaged = LondiError(f"the checkpoint in {str(folder)!r} is damaged or of no Switcher")
    try:
        state: StateDict = load_state(saved)["switcher"]
        kind = _kind(state, folder)
        make = _MAKERS.get(kind) or cast(SavedSwitcher, resolve(kind, "algorithm")).switcher
        encoder = make_encoder(str(state["encoder"]), quick, deepthink)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise error if isinstance(error, LondiError) else damaged from error
    try:
        return make(state, encoder, greedy)
    except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
        raise error if isinstance(error, LondiError) else damaged from error
    except RuntimeError as error:
        raise LondiError(
            f"the Switcher in {str(folder)!r} was trained in front of other models"
        ) from error


def _fixed(state: StateDict, encoder: Encoder, greedy: bool) -> Switcher:
    actor = PenaltyActor(encoder, _width(state), state["budget"], state["punishment"])
    actor.load_state_dict(state["actor"])
    return LearnedSwitcher(actor, encoder.spec, greedy)


def _universal(state: StateDict, encoder: Encoder, greedy: bool) -> Switcher:
    terms, width = CostBudgetRange(**state["cost_budget"]), _width(state)
    actor = UniversalActor(encoder, width, terms)
    actor.load_state_dict(state["actor"])
    value_head = UniversalValue(encoder, width, terms)
    value_head.load_state_dict(state["value_head"])
    return LearnedSwitcher(actor, encoder.spec, greedy, terms, value_head)


_MAKERS = {"sac": _fixed, "universal": _universal}
"""Makers of the built-in algorithms' Switchers."""


def _width(state: StateDict) -> int:
    """Width of the hidden layers, which is that of the last one's weights."""
    width, weights = state["width"], state["actor"]["head.weight"]
    if type(width) is not int or width != weights.shape[1]:
        raise ValueError(f"width: expected {weights.shape[1]}, got {width!r}")
    return width


def _kind(state: StateDict, folder: Path) -> str:
    """The algorithm that a saved Switcher is of; one of release 0.1 is brought to today's form."""
    if "algorithm" not in state:
        if "terms" in state:
            state["algorithm"], state["cost_budget"] = "universal", state.pop("terms")
            state["value_head"] = _without_inner(state.pop("forecast"))
            state["actor"] = _without_inner(state["actor"])
        else:
            calls = Budget.of(read_run(folder, TrainConfig)).calls
            state["algorithm"], state["budget"] = "sac", calls or 1
            state.setdefault("punishment", 0.0)
    kind = state["algorithm"]
    if not isinstance(kind, str):
        raise ValueError(f"algorithm: expected a name, got {kind!r}")
    return kind


def _without_inner(weights: StateDict) -> StateDict:
    return {name.replace("trunk.inner.", "trunk."): value for name, value in weights.items()}
