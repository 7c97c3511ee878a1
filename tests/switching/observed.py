"""Observations, and an actor that they leave undecided."""

from __future__ import annotations

import numpy as np
import torch

from londi.switching.networks import Network
from londi.switching.observation import CAPPED, CONTEXT

WIDTH = 8


def seen(n: int, seed: int = 0, size: int = 1) -> np.ndarray:
    """Observations `[n, size + CONTEXT]`: features, the calls left of one, the cost, progress."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n, size + CONTEXT)).astype(np.float32)
    rows[:, size + CAPPED] = rng.integers(2, size=n)
    return rows


def undecided(made: Network, observation: np.ndarray) -> Network:
    """The actor with large random weights, so that it would call at half of `observation`."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.6)
        logits = made(torch.from_numpy(observation))
        made.head.bias[1] -= (logits[:, 1] - logits[:, 0]).median()
    return made


def everywhere(n: int) -> np.ndarray:
    return np.ones((n, 2), dtype=bool)
