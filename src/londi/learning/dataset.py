"""Logged steps to learn from without playing.

This file knows arrays: neither how steps were logged, nor what is learned from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from londi.learning.replay import Experience, ReplayBuffer
from londi.types import Array


@dataclass(frozen=True, slots=True)
class OfflineDataset:
    """T steps of whole episodes, each episode's in order; observations of D numbers.

    What was played is a log of environments (`londi.learning.logs`), without a budget and with a
    cost of zero in what is observed, or the traces of real traffic.

    Attributes:
        episode: [T], an integer for each: the seed in an environment.
        observation: [T, D], what was seen.
        choice: [T], g.
        propensity: [T], the probability that the choice had at the draw; NaN where nobody knows it.
        reward: [T], the task's own.
        next_observation: [T, D], what was seen next, before another episode began.
        terminated: [T], whether the task ended here.
        allowed: [T, 2], the choices that were possible.
        agreement: [T], 1 where both models said the same, 0 where they did not; NaN where nobody
            knows it, as where one alone was asked.
    """

    episode: Array
    observation: Array
    choice: Array
    propensity: Array
    reward: Array
    next_observation: Array
    terminated: Array
    allowed: Array
    agreement: Array

    @property
    def begins(self) -> Array:
        """[T], whether an episode does."""
        out: Array = np.diff(self.episode, prepend=-1) != 0
        return out

    @property
    def ends(self) -> Array:
        """[T], whether an episode does."""
        out: Array = np.append(self.begins[1:], True)
        return out

    @property
    def next_allowed(self) -> Array:
        """[T, 2], the choices possible at the next step; both behind the last one."""
        out: Array = np.roll(self.allowed, -1, axis=0)
        out[self.ends] = True
        return out

    @property
    def had_choice(self) -> Array:
        """[T], whether both choices were possible."""
        out: Array = np.all(self.allowed, axis=1)
        return out

    @property
    def call_propensity(self) -> Array:
        """[T], P(g = 1) at the draw, from the propensity of the choice; NaN where nobody knows."""
        out: Array = np.where(self.choice == 1, self.propensity, 1 - self.propensity)
        return out

    def rows(self, kept: Any) -> OfflineDataset:
        """The steps that an index of arrays keeps, of whole episodes."""
        return OfflineDataset(*(getattr(self, field.name)[kept] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The steps of several logs, one after another."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*map(np.concatenate, columns))

    def to_come(self) -> Array:
        """[T], the return from each step on to the end of its episode, undiscounted."""
        backward = np.cumsum(self.reward[::-1])[::-1]
        ends = np.append(np.flatnonzero(self.begins)[1:], len(self.episode)) - 1
        beyond = np.append(backward, 0.0)[ends + 1]
        lengths = np.diff(np.append(np.flatnonzero(self.begins), len(self.episode)))
        out: Array = backward - np.repeat(beyond, lengths)
        return out

    def replay(self) -> ReplayBuffer:
        """The steps as a full replay buffer."""
        n, size = self.observation.shape
        buffer = ReplayBuffer(n, size)
        buffer.add(
            Experience(
                observation=self.observation,
                choice=self.choice,
                reward=self.reward,
                next_observation=self.next_observation,
                terminated=self.terminated,
                allowed=self.allowed,
                next_allowed=self.next_allowed,
                overspent=np.zeros(n),
            )
        )
        return buffer
