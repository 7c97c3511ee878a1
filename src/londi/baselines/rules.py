"""Rules that decide whether DEEPTHINK is called, with a number to turn and nothing learned.

They read of an observation what stands behind the features (`SwitchingVectorEnv`). This file knows
no environment and no language model.
"""

from __future__ import annotations

import numpy as np

from londi.errors import InvalidConfig
from londi.switching.observation import ObservationLayout, steps_made
from londi.switching.switcher import Switcher
from londi.types import Array

BLIND, PROGRESS = ObservationLayout(0), ObservationLayout(1)
"""Layouts of observations without features, and with the last gain of score alone."""


class FirstSwitcher(Switcher):
    """Calls DEEPTHINK in the first k steps of an episode."""

    encoder = "none"

    def __init__(self, k: int) -> None:
        self.k = k

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        return np.where(allowed[:, 1] & (steps_made(BLIND.view(observation)) < self.k), 1.0, 0.0)


class EverySwitcher(Switcher):
    """Calls DEEPTHINK at a share of the steps, as evenly as it goes: 0.25 is every fourth.

    Args:
        share: of the steps.

    Raises:
        InvalidConfig: if that is no share.
    """

    encoder = "none"

    def __init__(self, share: float) -> None:
        if not 0 <= share <= 1:
            raise InvalidConfig(f"share: expected a number in [0, 1], got {share!r}")
        self.share = share

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        t = steps_made(BLIND.view(observation))
        # A tiny bit more, so that 3 * (1 / 3) counts as one.
        due = np.floor((t + 1) * self.share + 1e-9) > np.floor(t * self.share + 1e-9)
        return np.where(allowed[:, 1] & due, 1.0, 0.0)


class Memory:
    """Numbers that a rule keeps of each slot while an episode lasts; it forgets where one begins.

    Args:
        start: what it holds at the beginning of an episode.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._start = start
        self._kept = np.zeros(0)

    def at(self, begins: Array) -> Array:
        """[B], what is kept of each slot; `begins` [B] says where an episode does."""
        if len(self._kept) != len(begins):
            self._kept = np.full(len(begins), self._start)
        return np.where(begins, self._start, self._kept)

    def keep(self, values: Array) -> None:
        """Keep these [B]."""
        self._kept = values


class StuckSwitcher(Switcher):
    """SwiftSage's rule (arXiv 2305.17390): the large model takes over where there is no progress.

    Progress is a gain of score, or, with `novelty`, a state that was not seen before in the
    episode. After `patience` steps without any, DEEPTHINK makes the next `hold` steps, as SwiftSage
    plans several actions at once. It remembers what it saw, slot by slot: one player at a time.

    Args:
        patience: steps without progress, >= 1.
        hold: steps that DEEPTHINK then makes, >= 1.
        novelty: whether a new state is progress too.
    """

    encoder = "progress"

    def __init__(self, patience: int, hold: int, novelty: bool) -> None:
        self.patience, self.hold, self.novelty = patience, hold, novelty
        self._idle, self._due = Memory(), Memory()

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        view = PROGRESS.view(observation)
        begins = steps_made(view) == 0
        progress = begins | (view.features[:, 0] > 0)
        if self.novelty:
            progress |= view.repeats == 0
        idle = np.where(progress, 0, self._idle.at(begins) + 1)
        due = self._due.at(begins)
        due = np.where((due == 0) & (idle >= self.patience), self.hold, due)
        call = allowed[:, 1] & (due > 0)
        # Its turn counts from anew where DEEPTHINK's has ended.
        self._due.keep(np.maximum(due - 1, 0))
        self._idle.keep(np.where(due == 1, 0, idle))
        return np.where(call, 1.0, 0.0)
