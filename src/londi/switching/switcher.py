"""Policies that decide whether DEEPTHINK is called: the learned Switcher and simple baselines.

A Switcher sees an observation and says with what probability it would call. This file knows no
environment and no training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from londi.config import TrainConfig
from londi.errors import InvalidConfig, LondiError, extras_named
from londi.models.base import LanguageModel
from londi.storage.names import resolve
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.decision import Decision, draw
from londi.switching.exported import ONLY_UNIVERSAL, ExportedGraph
from londi.switching.observation import ObservationLayout
from londi.types import Array, CostBudget, StateDict

if TYPE_CHECKING:  # an exported Switcher needs no torch, so it is imported where it is used
    from torch import nn

    from londi.encoders.base import Encoder

CHECKPOINT = "checkpoint"
"""The folder, in that of a run, where its state is."""


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
            quick: the small model that it was trained with; a file needs none, nor does the run of
                a Switcher that reads texts alone.
            deepthink: the large model; likewise.
            greedy: take the likelier choice.

        Raises:
            LondiError: if there is no Switcher, it is damaged, or it was trained with other models.
        """
        path = Path(source)
        if path.suffix == ".onnx":
            graph = ExportedGraph.read(path)
            graph.check_models(quick, deepthink)
            return OnnxSwitcher(graph, greedy)
        return _of_run(path, quick, deepthink, greedy)

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

    def expect(self, observation: Array) -> Expectation:
        """Expected return and calls of either choice, at observations `[B, D]`.

        Raises:
            LondiError: if it is not a universal one, whose critics tell return and calls apart.
        """
        del observation
        raise LondiError(ONLY_UNIVERSAL)


class SavedSwitcher(Protocol):
    """An algorithm that can make its Switcher again from a checkpoint."""

    @staticmethod
    def switcher(state: StateDict, encoder: Encoder, greedy: bool) -> Switcher:
        """The Switcher of `state`, which the algorithm's learner has left."""


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
        self.value_head = value_head

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        import torch

        from londi.switching.networks import masked_policy

        with torch.inference_mode():
            logits = self.actor(torch.from_numpy(observation))
            policy = masked_policy(logits, torch.from_numpy(allowed))
        call = policy.probability[:, 1].numpy()
        return _played(call, self.greedy)

    def expect(self, observation: Array) -> Expectation:
        if self.value_head is None:
            return super().expect(observation)
        import torch

        with torch.inference_mode():
            said = self.value_head(torch.from_numpy(observation)).numpy()
        return Expectation(said[..., 0], said[..., 1])


def _played(call: Array, greedy: bool) -> Array:
    """Probabilities of a call as they are played; greedily 0 or 1, and a tie does not call."""
    return (call > 0.5).astype(float) if greedy else call.astype(float)


class OnnxSwitcher(Switcher):
    """A Switcher in one file, which ONNX Runtime runs.

    Args:
        graph: the file.
        greedy: take the likelier choice; otherwise sample, as in training.

    Attributes:
        made: what the file says of the Switcher.
    """

    def __init__(self, graph: ExportedGraph, greedy: bool = False) -> None:
        self._graph = graph
        self.made = graph.made
        self.encoder = graph.made.encoder
        self.greedy = greedy
        if graph.made.cost_range is not None and graph.made.most_budget is not None:
            low, high = graph.made.cost_range
            self.supported = CostBudgetRange(low, high, graph.made.most_budget)

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        call = self._graph.run(observation, allowed)
        return _played(call, self.greedy)

    def expect(self, observation: Array) -> Expectation:
        said = self._graph.expect(observation)
        return Expectation(said[..., 0], said[..., 1])


@extras_named()
def _of_run(
    folder: Path, quick: LanguageModel | None, deepthink: LanguageModel | None, greedy: bool
) -> Switcher:
    from londi.storage.checkpoint import has_state, load_state

    saved = folder / CHECKPOINT
    if not has_state(saved):
        raise LondiError(f"no checkpoint in {str(folder)!r}; expected the folder of a run")
    damaged = LondiError(f"the checkpoint in {str(folder)!r} is damaged or of no Switcher")
    try:
        state: StateDict = load_state(saved)["switcher"]
        kind = _kind(state, folder)
        make = _MAKERS.get(kind) or cast(SavedSwitcher, resolve(kind, "algorithm")).switcher
        encoder = _encoder(str(state["encoder"]), folder, quick, deepthink)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise error if isinstance(error, LondiError) else damaged from error
    try:
        return _cautious(make(state, encoder, greedy), state, encoder)
    except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
        raise error if isinstance(error, LondiError) else damaged from error
    except RuntimeError as error:
        raise LondiError(
            f"the Switcher in {str(folder)!r} was trained in front of other models"
        ) from error


def _cautious(switcher: Switcher, state: StateDict, encoder: Encoder) -> Switcher:
    """The Switcher with the caution that its training has left, if it has."""
    if "caution" not in state or not isinstance(switcher, LearnedSwitcher):
        return switcher
    from londi.switching.caution import Caution, CautiousActor

    caution = Caution.of(state["caution"])
    layout = ObservationLayout(encoder.size)
    switcher.actor = CautiousActor(switcher.actor, caution, layout).requires_grad_(False)
    return switcher


def _encoder(
    spec: str, folder: Path, quick: LanguageModel | None, deepthink: LanguageModel | None
) -> Encoder:
    """The encoder of the run in `folder`.

    Raises:
        LondiError: if it cannot be made, or reads models and there are none.
    """
    from londi.encoders.registry import make_encoder, make_prompt_encoder

    if quick is None or deepthink is None:
        made = make_prompt_encoder(spec)
        if made is None:
            raise InvalidConfig(
                f"the Switcher in {str(folder)!r}: expected its two models, got none; the file of"
                " `londi export` needs no model"
            )
        return made
    return make_encoder(spec, quick, deepthink)


def _fixed(state: StateDict, encoder: Encoder, greedy: bool) -> Switcher:
    from londi.switching.networks import PenaltyActor

    actor = PenaltyActor(encoder, _width(state), state["budget"], state["punishment"])
    actor.load_state_dict(state["actor"])
    return LearnedSwitcher(actor, encoder.spec, greedy)


def _universal(state: StateDict, encoder: Encoder, greedy: bool) -> Switcher:
    from londi.switching.networks import UniversalActor, UniversalValue

    terms, width = CostBudgetRange(**state["cost_budget"]), _width(state)
    actor = UniversalActor(encoder, width, terms)
    actor.load_state_dict(state["actor"])
    value_head = UniversalValue(encoder, width, terms)
    value_head.load_state_dict(state["value_head"])
    return LearnedSwitcher(actor, encoder.spec, greedy, terms, value_head)


def _effects(state: StateDict, encoder: Encoder, greedy: bool) -> Switcher:
    from londi.switching.effects import EffectActor, EffectValue

    actor = EffectActor(encoder, state["width"], state.get("disagreement", False))
    value_head = EffectValue(encoder, state["width"], actor)
    value_head.load_state_dict(state["value_head"])  # the actor is a part of it
    terms = CostBudgetRange(**state["cost_budget"])
    return LearnedSwitcher(actor, encoder.spec, greedy, terms, value_head)


_MAKERS = {"sac": _fixed, "universal": _universal, "r-learner": _effects}
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
