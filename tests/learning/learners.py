"""A small learner, and a batch for it."""

from __future__ import annotations

import torch

from londi.learning.replay import Batch
from londi.learning.sac import (
    SAC,
    FixedAlpha,
    Rates,
    Temperature,
)
from playthings import perceptron


def random_batch(size: int = 16, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    everything = torch.ones(size, 2, dtype=torch.bool)
    return Batch(
        observation=torch.randn(size, 3, generator=generator),
        action=torch.randint(2, (size,), generator=generator),
        reward=torch.randn(size, generator=generator),
        next_observation=torch.randn(size, 3, generator=generator),
        terminated=(torch.rand(size, generator=generator) < 0.3).float(),
        allowed=everything,
        next_allowed=everything,
    )


def learner(seed: int = 0, alpha: Temperature | None = None, **rates: float) -> SAC:
    torch.manual_seed(seed)
    actor, *critics = (perceptron(3, 8) for _ in range(3))
    return SAC(actor, (critics[0], critics[1]), alpha or FixedAlpha(0.1), Rates(**rates))
