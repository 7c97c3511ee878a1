"""What critics may know in a training that no Switcher knows when it decides.

Asking both models in every state of a training shows where the choice between them changes
nothing. The critics are told, so that the actor learns the average of what they know
(asymmetric actor-critic, arXiv 1710.06542). This file knows no environment and no learner.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.encoders.registry import COST, EXTRAS, SHARE
from londi.models.base import LanguageModel, unwrap
from londi.switching.budget import Budget
from londi.types import Reply


class PrivilegedInfo:
    """What DEEPTHINK would do in a state.

    Whether it is what QUICK would do, then DEEPTHINK's own embedding, where it gives one,
    standardised.

    Attributes:
        size: numbers for a state.
    """

    def __init__(self, deepthink: LanguageModel) -> None:
        self._width = int(getattr(unwrap(deepthink), "embedding_size", 0))
        self.size = 1 + self._width

    def encode(self, quick: Reply, deepthink: Reply) -> np.ndarray:
        """float32 `[size]`, of what both models reply in one state."""
        row = np.zeros(self.size, np.float32)
        row[0] = quick.action == deepthink.action
        if deepthink.embedding is not None:
            states = deepthink.embedding
            row[1:] = (states - states.mean()) / (states.std() + 1e-6)
        return row


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
        foresight: numbers behind it, `PrivilegedInfo.size`.
        width: of the hidden layers.
        budget: the cap on calls.
    """

    def __init__(self, encoder: Encoder, foresight: int, width: int, budget: Budget) -> None:
        super().__init__()
        self._share, self._cost = encoder.size + SHARE, encoder.size + COST
        self._agree = encoder.size + EXTRAS
        self._budgeted = budget.calls is not None
        self._penalty = budget.penalty
        self.trunk = encoder.trunk(EXTRAS + foresight, width)
        self.head = nn.Linear(width, 3)

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, encoder.size + EXTRAS + foresight]` -> `[B, 2]`."""
        quick, better, spent = self.head(self.trunk(observation)).unbind(1)
        agree = observation[:, self._agree] == 1
        gain = torch.where(agree, spent if self._budgeted else 0.0, better)
        punished = self._penalty * (observation[:, self._share] <= 0)
        return torch.stack([quick, quick - observation[:, self._cost] - punished + gain], 1)
