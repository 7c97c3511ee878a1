"""Networks that decide: from an observation to the logits of QUICK and DEEPTHINK.

An observation holds x and c as they are. Inputs of a network are normalised here, by an object
that is made once for a cost and budget, or for a range of them. This file knows no environment
and no learner.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Protocol

import torch
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.observation import ObservationLayout, ObservationView

CONTEXT_INPUTS = 4
"""Numbers behind the features: share of the budget left, cost, steps, repeats."""


class Inputs(Protocol):
    """Makes network inputs `[B, I]` of observations `[B, D]`."""

    @property
    def extras(self) -> int:
        """Inputs behind the encoder's features, I - F."""

    def __call__(self, observation: Tensor) -> Tensor: ...


def budget_share(view: ObservationView[Tensor], most: int) -> Tensor:
    """[B], the share of `most` calls that is left, in [-1, 1]; 1 without a cap."""
    share = (view.budget_left / max(1, most)).clamp(-1.0, 1.0)
    return torch.where(view.capped > 0, share, torch.ones_like(share))


def _joined(view: ObservationView[Tensor], share: Tensor, cost: Tensor, *more: Tensor) -> Tensor:
    terms = torch.stack([share, cost], 1)
    return torch.cat([view.features, terms, view.progress, view.privileged, *more], 1)


@dataclass(frozen=True, slots=True)
class FixedInputs:
    """Inputs of a network for one budget.

    Attributes:
        layout: of the observations.
        budget: n, of which the share left is shown; 1 where there is no cap.
    """

    layout: ObservationLayout
    budget: int = 1

    @property
    def extras(self) -> int:
        return CONTEXT_INPUTS + self.layout.privileged

    def __call__(self, observation: Tensor) -> Tensor:
        view = self.layout.view(observation)
        return _joined(view, budget_share(view, self.budget), view.cost)


@dataclass(frozen=True, slots=True)
class UncappedInputs:
    """Inputs of a network that has learned without budgets: every state is shown as uncapped.

    A budget that was never shown in learning would reach weights as they were drawn at the start.

    Attributes:
        layout: of the observations.
        cost: c as it was in learning, shown at every state.
    """

    layout: ObservationLayout
    cost: float = 0.0

    @property
    def extras(self) -> int:
        return CONTEXT_INPUTS

    def __call__(self, observation: Tensor) -> Tensor:
        view = self.layout.view(observation)
        ones = torch.ones_like(view.cost)
        return _joined(view, ones, self.cost * ones)


@dataclass(frozen=True, slots=True)
class UniversalInputs:
    """Inputs of a network that reads c and x anywhere in a range.

    The cost is shown by its logarithm, and few calls left by their inverse, so that a network can
    tell them apart.

    Attributes:
        layout: of the observations.
        terms: the range of costs and budgets.
    """

    layout: ObservationLayout
    terms: CostBudgetRange

    @property
    def extras(self) -> int:
        return CONTEXT_INPUTS + self.layout.privileged + 2

    def __call__(self, observation: Tensor) -> Tensor:
        view, terms = self.layout.view(observation), self.terms
        middle = (log(terms.low) + log(terms.high)) / 2
        half = max(log(terms.high) - middle, 1e-9)
        # Clamped for the rows of places where nothing is played, which hold zeros.
        cost = (view.cost.clamp(terms.low, terms.high).log() - middle) / half
        # Of most + 1, so that a full budget stays distinct from no cap. No training for a range
        # overspends, so a state beyond the budget is shown as one without a call left.
        share = budget_share(view, terms.most + 1).clamp(min=0)
        uncapped = view.capped == 0
        scarce = 1 / (1 + (terms.most + 1) * share)
        more = torch.stack([scarce * ~uncapped, uncapped.float()], 1)
        return _joined(view, share, cost, more)


@dataclass(frozen=True, slots=True)
class Policy:
    """Action probabilities and their logarithms, both [B, 2].

    A forbidden action has probability 0, and 0 also in `log_probability`, so that the
    product of the two is its limit, 0, and never NaN.
    """

    probability: Tensor
    log_probability: Tensor

    def entropy(self) -> Tensor:
        """[B], in nats; at most log 2 = 0.693."""
        return -(self.probability * self.log_probability).sum(-1)


def masked_policy(logits: Tensor, allowed: Tensor) -> Policy:
    """Softmax of `logits` [B, 2] over the `allowed` [B, 2] actions, at least one in each row."""
    log_p = logits.masked_fill(~allowed, -torch.inf).log_softmax(-1)
    return Policy(log_p.exp(), log_p.masked_fill(~allowed, 0.0))


class Network(nn.Module):
    """Two numbers `[B, 2]` from an observation `[B, D]`: logits, or action values.

    Args:
        inputs: what the network reads of an observation; None for all of it.
        trunk: from inputs `[B, I]` to `[B, width]`.
        width: numbers that the trunk gives.
    """

    def __init__(self, inputs: Inputs | None, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.trunk = trunk
        self.head = nn.Linear(width, 2)

    @classmethod
    def reading(cls, encoder: Encoder, inputs: Inputs, width: int) -> Network:
        """A new network with the encoder's trunk; weights from torch's global generator."""
        return cls(inputs, encoder.trunk(inputs.extras, width), width)

    def forward(self, observation: Tensor) -> Tensor:
        """[B, D] -> [B, 2]."""
        read = observation if self.inputs is None else self.inputs(observation)
        out: Tensor = self.head(self.trunk(read))
        return out


class PenaltyActor(Network):
    """Logits of an actor that knows the punishment of a call beyond the budget.

    The exact soft policy has -punishment / alpha in the logit of such a call, a thousand or so: too
    steep to be learned beside the worth of calls within the budget, and what is learned of it
    spreads to those states, until no call is made anywhere.

    Args:
        encoder: of the features that an observation begins with.
        width: of the hidden layers.
        budget: n, of which the share left is shown.
        punishment: by how much such a call's logit is lowered (`Budget.punishment`).
    """

    def __init__(self, encoder: Encoder, width: int, budget: int, punishment: float) -> None:
        inputs = FixedInputs(ObservationLayout(encoder.size), budget)
        super().__init__(inputs, encoder.trunk(inputs.extras, width), width)
        self._layout = inputs.layout
        self.punishment = punishment

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, D]` -> `[B, 2]`."""
        quick, deepthink = super().forward(observation).unbind(1)
        view = self._layout.view(observation)
        beyond = (view.capped > 0) & (view.budget_left <= 0)
        return torch.stack([quick, deepthink - self.punishment * beyond], 1)


class UniversalActor(Network):
    """Logits `[B, 2]` at any cost and budget of a range."""

    SHARPNESS = 3.0
    """How much surer it is of its choices than its loss makes it (`londi.learning.universal`): with
    less, every tenth step goes against what is nearly certain; with more, no chance is left."""

    def __init__(self, encoder: Encoder, width: int, terms: CostBudgetRange) -> None:
        inputs = UniversalInputs(ObservationLayout(encoder.size), terms)
        super().__init__(inputs, encoder.trunk(inputs.extras, width), width)

    def forward(self, observation: Tensor) -> Tensor:
        return self.SHARPNESS * super().forward(observation)


class UniversalValue(nn.Module):
    """Return and calls to come, `[B, 2, 2]` for (QUICK, DEEPTHINK) and (return, calls).

    As in `PrivilegedCritic`: where both models would do the same, a call leads to the state that
    QUICK leads to, with one call of the budget less.

    Args:
        encoder: of the features that an observation begins with.
        width: of the hidden layers.
        terms: the range of costs and budgets.
        privileged: numbers for critics alone; 0 where there is none.
    """

    def __init__(
        self, encoder: Encoder, width: int, terms: CostBudgetRange, privileged: int = 0
    ) -> None:
        super().__init__()
        self._layout = ObservationLayout(encoder.size, privileged)
        self._inputs = UniversalInputs(self._layout, terms)
        self.trunk = encoder.trunk(self._inputs.extras, width)
        self.head = nn.Linear(width, 6)

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, D]` -> `[B, 2, 2]`."""
        out = self.head(self.trunk(self._inputs(observation)))
        quick, better, spent = out.view(-1, 3, 2).unbind(1)
        called = torch.tensor([0.0, 1.0])
        gain = better
        if self._layout.privileged:
            view = self._layout.view(observation)
            agree = view.privileged[:, :1] == 1
            gain = torch.where(agree, spent * view.capped[:, None], better)
        return torch.stack([quick, quick + called + gain], 1)
