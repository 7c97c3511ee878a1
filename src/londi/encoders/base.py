"""Encoders: features of prompts, and the network that reads them.

Features `[B, size]` are made once and stored in the replay buffer. The trunk is the part of the
network that reads them. Frozen encoders make rich features for a plain trunk; the paper's
Transformer makes token ids for a trunk that is trained. This file knows no environment and no cost.
It imports torch only for a trunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import FOREIGN_ERRORS, LondiError, ModelError, one_line
from londi.types import Reply

if TYPE_CHECKING:  # features are made without torch
    from torch import nn


class Encoder(ABC):
    """Features of prompts, and a network that reads them.

    Attributes:
        size: features of a prompt.
        embedding: how many of them, the first ones, are a model's embedding, by whose distance a
            state is seen to be unlike those of a training; 0 for none.
        reads_quick: whether the features come from QUICK's replies, so that QUICK has to be
            asked at every step.
        slow: whether it takes so long that no other request of a gateway may wait for it; it is
            then called on a thread of its own.
        spec: how `make_encoder` can make it again.
    """

    size: int
    embedding = 0
    reads_quick = False
    slow = True
    spec: str

    def checked_encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        """What `encode` makes, checked.

        Raises:
            ModelError: if it raises an error, or gives other than `size` finite numbers a prompt.
        """
        try:
            rows = np.asarray(self.encode(prompts, replies), np.float32)
        except LondiError:
            raise
        except FOREIGN_ERRORS as error:  # whatever a user's encoder or a library raises
            raise ModelError(f"encoder {self.spec!r} failed: {one_line(error)}") from error
        expected = (len(prompts), self.size)
        if rows.shape != expected:
            raise ModelError(
                f"encoder {self.spec!r}: expected features {expected}, got {rows.shape}"
            )
        if not np.isfinite(rows).all():
            raise ModelError(f"encoder {self.spec!r}: expected finite features, got {rows.min()}")
        return rows

    @abstractmethod
    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        """float32 `[len(prompts), size]`; `replies` is empty unless `reads_quick`."""

    def trunk(self, extras: int, width: int) -> nn.Module:
        """A new network from `[B, size + extras]` to `[B, width]`."""
        from londi.encoders.trunk import FeatureTrunk

        return FeatureTrunk(self.size, extras, width)


class NoEncoder(Encoder):
    """Sees nothing of the text: for Switchers that do not look."""

    size = 0
    slow = False
    spec = "none"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return np.zeros((len(prompts), 0), np.float32)


class ConfidenceEncoder(Encoder):
    """QUICK's probability of its own choice: for the threshold on its uncertainty."""

    size = 1
    reads_quick = True
    slow = False
    spec = "confidence"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        return np.array([[reply.confidence] for reply in replies], np.float32)


class ProgressEncoder(Encoder):
    """By how much the last action changed the score, where a prompt says so: for rules."""

    size = 1
    slow = False
    spec = "progress"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        gains = [getattr(prompt, "gains", ())[-1:] for prompt in prompts]
        return np.array([[float(sum(gain))] for gain in gains], np.float32)
