"""A critic that knows what both models would do, and so where the choice changes nothing.

Asking both models in every state of a training shows where they agree. The critics are told, so
that the actor learns the average of what they know (asymmetric actor-critic, arXiv 1710.06542).
This file knows no environment and no learner.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.switching.budget import Budget
from londi.switching.networks import FixedInputs
from londi.switching.observation import ObservationLayout


class PrivilegedCritic(nn.Module):
    """Soft action values `[B, 2]`, in units of reward, exact where the choice changes nothing.

    Where both models would do the same, a call leads where not calling leads, at the price of c
    and of one call of the budget. So

        Q(s, 1) = Q(s, 0) - c - (the punishment, if no call of the budget is left)
                              + (what DEEPTHINK's action is worth more, if they differ, else
                                 what a call of the budget less is worth, if there is one)

    and the three numbers Q(s, 0) and those in the last brackets are what is learned. A critic that
    gives both values freely errs by more than c, and that error would decide in most states.

    Args:
        encoder: of the features that an observation begins with.
        privileged: numbers behind an observation, P (`PrivilegedInfo.size`).
        width: of the hidden layers.
        budget: the cap on calls.
    """

    def __init__(self, encoder: Encoder, privileged: int, width: int, budget: Budget) -> None:
        super().__init__()
        self._layout = ObservationLayout(encoder.size, privileged)
        self._inputs = FixedInputs(self._layout, budget.calls or 1)
        self._budgeted = budget.calls is not None
        self._penalty = budget.penalty
        self.trunk = encoder.trunk(self._inputs.extras, width)
        self.head = nn.Linear(width, 3)

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, D]` -> `[B, 2]`."""
        view = self._layout.view(observation)
        quick, better, spent = self.head(self.trunk(self._inputs(observation))).unbind(1)
        agree = view.privileged[:, 0] == 1
        gain = torch.where(agree, spent if self._budgeted else 0.0, better)
        punished = self._penalty * ((view.capped > 0) & (view.budget_left <= 0))
        return torch.stack([quick, quick - view.cost - punished + gain], 1)
