"""The network that reads the features of a frozen encoder.

This file knows numbers, and no text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FeatureTrunk(nn.Module):
    """Normalise the features, append what else is observed, two hidden layers."""

    def __init__(self, size: int, extras: int, width: int) -> None:
        super().__init__()
        self._size = size
        self.norm = nn.LayerNorm(size) if size > 1 else nn.Identity()
        self.layers = nn.Sequential(
            nn.Linear(size + extras, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, observation: Tensor) -> Tensor:
        features, extras = observation[:, : self._size], observation[:, self._size :]
        out: Tensor = self.layers(torch.cat([self.norm(features), extras], 1))
        return out
