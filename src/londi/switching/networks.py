"""Networks of a Switcher that is told its terms: c and the budget left, anywhere in a range.

An observation holds both as plain numbers. Here they become what a network can tell apart: c by
its logarithm, and few calls left by their inverse. This file knows no environment and no learner.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.encoders.registry import COST, EXTRAS, SHARE
from londi.learning.sac import Actor
from londi.switching.cost_budget import CostBudgetRange


class UniversalTrunk(nn.Module):
    """A trunk `[B, encoder.size + EXTRAS + more]` -> `[B, width]` that reads terms of `terms`.

    Args:
        encoder: of the features that an observation begins with.
        more: numbers behind an observation.
        width: of the hidden layers.
        terms: what c and x may be.
    """

    def __init__(self, encoder: Encoder, more: int, width: int, terms: CostBudgetRange) -> None:
        super().__init__()
        self._share, self._cost = encoder.size + SHARE, encoder.size + COST
        self._terms = terms
        self._middle = (log(terms.low) + log(terms.high)) / 2
        self._half = max(log(terms.high) - self._middle, 1e-9)
        self.inner = encoder.trunk(EXTRAS + more + 2, width)

    def forward(self, observation: Tensor) -> Tensor:
        share, cost = observation[:, self._share], observation[:, self._cost]
        observation = observation.clone()
        # Clamped for the rows of places where nothing is played, which hold zeros.
        log_cost = cost.clamp(self._terms.low, self._terms.high).log()
        observation[:, self._cost] = (log_cost - self._middle) / self._half
        uncapped = share >= 1
        scarce = 1 / (1 + self._terms.scale * share)
        out: Tensor = self.inner(
            torch.cat([observation, torch.stack([scarce * ~uncapped, uncapped.float()], 1)], 1)
        )
        return out


class UniversalActor(Actor):
    """Logits `[B, 2]` on any terms of a range, from `[B, encoder.size + EXTRAS]`."""

    SHARPNESS = 3.0
    """How much surer it is of its choices than its loss makes it (`londi.learning.universal`): less, and every
    tenth step goes against what is nearly certain; much more, and no chance is left."""

    def __init__(self, encoder: Encoder, width: int, terms: CostBudgetRange) -> None:
        super().__init__(UniversalTrunk(encoder, 0, width, terms), width)

    def forward(self, observation: Tensor) -> Tensor:
        return self.SHARPNESS * super().forward(observation)


class UniversalCritic(nn.Module):
    """Return and calls to come, `[B, 2, 2]` for (QUICK, DEEPTHINK) and (return, calls).

    As `PrivilegedCritic`: where both models would do the same, a call leads where not calling leads,
    and only one call of a budget less is left.

    Args:
        encoder: of the features that an observation begins with.
        foresight: numbers behind it, `PrivilegedInfo.size`; 0 where there is none.
        width: of the hidden layers.
        terms: what c and x may be.
    """

    def __init__(
        self, encoder: Encoder, foresight: int, width: int, terms: CostBudgetRange
    ) -> None:
        super().__init__()
        self._share = encoder.size + SHARE
        self._agree = encoder.size + EXTRAS if foresight else None
        self.trunk = UniversalTrunk(encoder, foresight, width, terms)
        self.head = nn.Linear(width, 6)

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, encoder.size + EXTRAS + foresight]` -> `[B, 2, 2]`."""
        quick, better, spent = self.head(self.trunk(observation)).view(-1, 3, 2).unbind(1)
        called = torch.tensor([0.0, 1.0])
        if self._agree is None:
            gain = better
        else:
            capped = observation[:, self._share, None] < 1
            agree = observation[:, self._agree, None] == 1
            gain = torch.where(agree, spent * capped, better)
        return torch.stack([quick, quick + called + gain], 1)
