"""Networks of what a call adds to a session: a Switcher learned from a log of drawn choices.

They tell return and calls apart, so that one Switcher serves every cost: it calls where the return
that a call adds is worth more than c times the calls that it adds. Where both models would do the
same a call adds one call and nothing else; so where the log tells of some steps whether they did,
networks say how likely they are to differ, and the others what a call adds where they do. Where
networks disagree, as where the log never went, they are trusted less. They were learned without a
budget; where one is spent, no call is possible, whatever they say. This file knows no learner.

Shapes: B states, observations of D numbers; the last axis of 2 is (return, calls).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.switching.observation import ObservationLayout

FOLDS = 3
"""Networks of each kind, each fitted without the sessions of one part."""
SHARPNESS = 3.0
"""Log-odds of a call for each c by which it is worth more than it costs."""
PESSIMISM = 0.3
"""Standard deviations between the networks that are taken off the return that a call adds."""
_SPREAD = 0.05
"""Least standard deviation of an input; a rarer one would count for more than it can tell."""


class StateNetwork(nn.Module):
    """N numbers of a state `[B, N]`, from an observation `[B, D]` without its cost and budget.

    Args:
        encoder: of the features that an observation begins with.
        width: of the first hidden layer; the second has half of it.
        outputs: N.
    """

    mean: Tensor
    spread: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder, width: int, outputs: int = 2) -> None:
        super().__init__()
        self._layout = ObservationLayout(encoder.size)
        inputs = encoder.size + 2
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.register_buffer("shift", torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(outputs))
        self.layers = nn.Sequential(
            nn.Linear(inputs, width),
            nn.ReLU(),
            nn.Linear(width, max(1, width // 2)),
            nn.ReLU(),
            nn.Linear(max(1, width // 2), outputs),
        )

    def standardise(self, observation: Tensor) -> None:
        """Take mean and standard deviation of the inputs from logged observations `[T, D]`."""
        inputs = self._inputs(observation)
        self.mean.copy_(inputs.mean(0))
        self.spread.copy_(inputs.std(0, correction=0).clamp(min=_SPREAD))

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, D]` -> `[B, N]`."""
        inputs = (self._inputs(observation) - self.mean) / self.spread
        out: Tensor = self.shift + self.scale * self.layers(inputs.clamp(-5.0, 5.0))
        return out

    def _inputs(self, observation: Tensor) -> Tensor:
        view = self._layout.view(observation)
        return torch.cat([view.features, view.progress], 1)


class EffectActor(nn.Module):
    """Logits `[B, 2]` at any cost.

    Args:
        encoder: of the features that an observation begins with.
        width: of the other networks; those of effects are half as wide.
        disagreement: whether there are networks of how likely the models are to differ.
    """

    def __init__(self, encoder: Encoder, width: int, disagreement: bool = False) -> None:
        super().__init__()
        self._layout = ObservationLayout(encoder.size)
        self.effects = nn.ModuleList(
            StateNetwork(encoder, max(1, width // 2)) for _ in range(FOLDS)
        )
        self.disagreement = nn.ModuleList(
            StateNetwork(encoder, width, outputs=1) for _ in range(FOLDS if disagreement else 0)
        )

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, D]` -> `[B, 2]`."""
        each = self._each(observation)
        mean = each.mean(0)
        returns, calls = mean.unbind(1)
        returns = returns - PESSIMISM * (each - mean).square().mean(0).sqrt()[:, 0]
        cost = self._layout.view(observation).cost.clamp(min=1e-9)
        odds = SHARPNESS * (returns / cost - calls)
        return torch.stack([torch.zeros_like(odds), odds.clamp(-30.0, 30.0)], 1)

    def effect(self, observation: Tensor) -> Tensor:
        """`[B, 2]`, what a call adds: the mean of the networks."""
        return self._each(observation).mean(0)

    def _each(self, observation: Tensor) -> Tensor:
        """`[FOLDS, B, 2]`, what each network says."""
        each = torch.stack([network(observation) for network in self.effects])
        if not self.disagreement:
            return each
        differ = torch.stack([network(observation) for network in self.disagreement]).sigmoid()
        return composed(differ.mean(0), each)


def composed(differ: Tensor, effect: Tensor) -> Tensor:
    """`[..., B, 2]`, what a call adds to (return, calls).

    Args:
        differ: `[B, 1]`, how likely the models are to differ.
        effect: `[..., B, 2]`, what a call adds beyond itself where they do.
    """
    return differ * effect + torch.tensor([0.0, 1.0])


class EffectValue(nn.Module):
    """Return and calls to come `[B, 2, 2]` of either choice, where the log's policy goes on.

    Args:
        encoder: of the features that an observation begins with.
        width: of the first hidden layers.
        actor: what a call adds.
    """

    rate: Tensor

    def __init__(self, encoder: Encoder, width: int, actor: EffectActor) -> None:
        super().__init__()
        self.actor = actor
        self.values = nn.ModuleList(StateNetwork(encoder, width) for _ in range(FOLDS))
        self.register_buffer("rate", torch.tensor(0.5))

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, D]` -> `[B, 2, 2]`, for (QUICK, DEEPTHINK) and (return, calls)."""
        value = torch.stack([network(observation) for network in self.values]).mean(0)
        effect = self.actor.effect(observation)
        quick = value - self.rate * effect
        return torch.stack([quick, quick + effect], 1)
