"""Encoders: features of prompts, and the network that reads them.

Features `[B, size]` are made once and stored in the replay buffer. The trunk is the part of the
network that reads them. Frozen encoders make rich features for a plain trunk; the paper's
Transformer makes token ids for a trunk that is trained. This file knows no environment and no cost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from londi.envs.prompt import Prompt
from londi.types import Reply


class Encoder(ABC):
    """Features of prompts, and a network that reads them.

    Attributes:
        size: features of a prompt.
        reads_quick: whether the features come from QUICK's replies, so that QUICK has to be
            asked at every step.
        spec: how `make_encoder` can make it again.
    """

    size: int
    reads_quick = False
    spec: str

    @abstractmethod
    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        """float32 `[len(prompts), size]`; `replies` is empty unless `reads_quick`."""

    def trunk(self, extras: int, width: int) -> nn.Module:
        """A new network from `[B, size + extras]` to `[B, width]`."""
        return FeatureTrunk(self.size, extras, width)


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


class NoEncoder(Encoder):
    """Sees nothing of the text: for Switchers that do not look."""

    size = 0
    spec = "none"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return np.zeros((len(prompts), 0), np.float32)


class ConfidenceEncoder(Encoder):
    """QUICK's probability of its own choice: for the threshold on its uncertainty."""

    size = 1
    reads_quick = True
    spec = "confidence"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return np.array([[reply.confidence] for reply in replies], np.float32)


class ProgressEncoder(Encoder):
    """By how much the last action changed the score, where a prompt says so: for rules."""

    size = 1
    spec = "progress"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        gains = [getattr(prompt, "gains", ())[-1:] for prompt in prompts]
        return np.array([[float(sum(gain))] for gain in gains], np.float32)
