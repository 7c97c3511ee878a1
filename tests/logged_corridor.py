"""Logs of the corridor of `playthings` and two of its states, to learn from and to be asked."""

from __future__ import annotations

from itertools import islice

import numpy as np

from londi.encoders.quick import QuickEncoder
from londi.envs.seeds import switching_seeds
from londi.learning.dataset import OfflineDataset
from londi.learning.logs import collect
from londi.switching.observation import CONTEXT
from playthings import toy

ENCODER = QuickEncoder(3)
HARD = 1
"""The feature that says so."""


def recorded(
    rate: float | None, steps: float = np.inf, episodes: int = 1200, seed: int = 0
) -> OfflineDataset:
    """A log of the corridor, at a call rate, or at one of each episode's own."""
    return collect(
        toy(),
        ENCODER,
        islice(switching_seeds(seed), episodes),
        (lambda rng: rng.random()) if rate is None else (lambda rng: rate),
        steps=steps,
        num_envs=8,
        seed=seed,
    )


def hard_and_easy() -> np.ndarray:
    """A hard state and an easy one, in the middle of nowhere."""
    rows = np.zeros((2, ENCODER.size + CONTEXT), np.float32)
    rows[:, 2] = 0.5
    rows[0, HARD], rows[1, 0] = 1.0, 1.0
    return rows
