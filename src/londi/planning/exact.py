"""Exact returns, calls and visits of a policy on graphs of episodes, by dynamic programming.

Models and environments are deterministic, so that a policy's return in an episode is a sum over the
paths of its graph. Nothing is sampled and nothing is bootstrapped. This file knows numbers alone.

Shapes: n states of E episodes; H steps of the longest; X numbers of calls that are left, from 0 to
the budget, or 1 without a cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from londi.oracle.graph import CUT, ENDED, UNKNOWN
from londi.planning.graphs import EpisodeGraph
from londi.types import Array

_SEEN = 1e-7
"""Probability of a visit below which a path is followed no more."""


@dataclass(frozen=True, slots=True)
class Values:
    """Sums to come under a policy; the last axis of `returns` and `calls` is the choice.

    Attributes:
        returns: `[H, X, n, 2]`, the return to come after each choice.
        calls: `[H, X, n, 2]`, the calls to come, this one among them.
        total: `[E]`, the return of each episode, from the full budget.
        spent: `[E]`, its calls.
        steps: `[E]`, its length.
    """

    returns: Array
    calls: Array
    total: Array
    spent: Array
    steps: Array


class GraphBatch:
    """Graphs of some episodes side by side.

    Where only one choice was explored, the other one is taken to lead to the same; a state in which
    neither was is taken for the end of the episode.

    Args:
        graphs: one an episode.

    Attributes:
        episode: `[n]`, the number of the episode of each state.
        first: `[E]`, its first state.
        known: `[n]`, whether a choice was explored.
    """

    def __init__(self, graphs: Sequence[EpisodeGraph]) -> None:
        sizes = [len(graph.after) for graph in graphs]
        self.first = np.cumsum([0, *sizes[:-1]])
        self.episode = np.repeat(np.arange(len(graphs)), sizes)
        self.features = np.concatenate([graph.features for graph in graphs])
        self.steps = np.concatenate([graph.steps for graph in graphs])
        self.repeats = np.concatenate([graph.repeats for graph in graphs])
        after = np.concatenate([graph.after for graph in graphs])
        gain = np.concatenate([graph.gain for graph in graphs]).astype(np.float32)
        unknown = (after == UNKNOWN) | (after == CUT)
        self.known = ~unknown.all(1)
        for g in (0, 1):
            lacks = unknown[:, g] & self.known
            after[lacks, g], gain[lacks, g] = after[lacks, 1 - g], gain[lacks, 1 - g]
        after[~self.known] = ENDED
        n = len(after)
        # The end of an episode is one more state, which is worth nothing.
        self._after = np.where(after < 0, n, after + self.first[self.episode][:, None])
        self._gain = gain
        self._horizon = np.array([len(graph.worth) - 1 for graph in graphs])
        self._worth = np.zeros((self._horizon.max() + 1, len(graphs)), np.float32)
        for e, graph in enumerate(graphs):
            self._worth[: len(graph.worth), e] = graph.worth

    def values(self, call: Array) -> Values:
        """What a policy returns and calls, from each state on.

        Args:
            call: float32 `[X, n]`, the probability of a call; 0 where no call is left.
        """
        (x, n), h = call.shape, len(self._worth) - 1
        returns, calls = np.zeros((2, h, x, n, 2), np.float32)
        value = np.zeros((3, x, n + 1), np.float32)  # return, calls and steps to come
        left = _left_after(x)
        for t in range(h - 1, -1, -1):
            live = t < self._horizon[self.episode]
            won = self._gain * self._worth[t + 1, self.episode][:, None]
            quick = value[..., self._after[:, 0]]
            deepthink = value[:, left][..., self._after[:, 1]]
            returns[t, ..., 0] = (won[:, 0] + quick[0]) * live
            returns[t, ..., 1] = (won[:, 1] + deepthink[0]) * live
            calls[t, ..., 0] = quick[1] * live
            calls[t, ..., 1] = (1 + deepthink[1]) * live
            value[0, :, :n] = returns[t, ..., 0] + call * np.diff(returns[t])[..., 0]
            value[1, :, :n] = calls[t, ..., 0] + call * np.diff(calls[t])[..., 0]
            value[2, :, :n] = (1 + quick[2] + call * (deepthink[2] - quick[2])) * live
        return Values(returns, calls, *value[:, -1, self.first])

    def visits(self, call: Array) -> Array:
        """float32 `[H, X, n]`, the probability of each state at each step under a policy.

        Args:
            call: float32 `[X, n]`, the probability of a call.
        """
        (x, n), h = call.shape, len(self._worth) - 1
        found = np.zeros((h, x, n), np.float32)
        now = np.zeros((x, n + 1))
        now[-1, self.first] = 1.0
        left = _left_after(x)
        for t in range(h):
            found[t] = now[:, :n] * (t < self._horizon[self.episode])
            places, states = np.nonzero(found[t] > _SEEN)
            if not len(places):
                break
            here, p = found[t, places, states], call[places, states]
            to = np.concatenate(
                [
                    places * (n + 1) + self._after[states, 0],
                    left[places] * (n + 1) + self._after[states, 1],
                ]
            )
            weight = np.concatenate([here * (1 - p), here * p])
            now = np.bincount(to, weight, x * (n + 1)).reshape(x, n + 1)
        return found


def _left_after(x: int) -> Array:
    """[X], the calls that are left after a call; without a cap there is one row, which stays."""
    return np.maximum(np.arange(x) - 1, 0) if x > 1 else np.zeros(1, np.int64)
