"""Estimators of a policy's value from logged sessions, and their bootstrap intervals.

This file knows arrays of weights and outcomes: neither what they are outcomes of, nor whether a log
can answer at all (`refusals.py`).

All estimators have one form. At each step j of a session there are a weight, the importance ratio
of the choices before it, and a numerator; the estimate is the sum over j of the numerators' sum
over the weights' sum. An estimator that is not self-normalised has one step and weights of 1.

Shapes: T logged steps, N sessions, H steps of the longest, K outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from londi.types import Array

_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Sessions:
    """Places of T steps in a table with a row for each session.

    Attributes:
        row: [T], the session, from 0.
        column: [T], the steps made before in the session.
    """

    row: Array
    column: Array

    @staticmethod
    def of(begins: Array) -> Sessions:
        """The places of T steps, from whether a session begins at each `[T]`."""
        starts = np.flatnonzero(begins)
        row = np.cumsum(begins) - 1
        return Sessions(row, np.arange(len(begins)) - starts[row])

    @property
    def count(self) -> int:
        """Number of sessions, N."""
        return int(self.row[-1]) + 1

    @property
    def horizon(self) -> int:
        """Steps of the longest session, H."""
        return int(self.column.max()) + 1

    def table(self, steps: Array, absent: float = 0.0) -> Array:
        """Numbers of steps `[T, ...]` as `[N, H, ...]`, `absent` behind a session's end."""
        out = np.full((self.count, self.horizon, *steps.shape[1:]), absent)
        out[self.row, self.column] = steps
        return out


def cumulative_weights(sessions: Sessions, ratio: Array) -> Array:
    """Importance weights `[N, H + 1]`: entry j is the product of a session's first j ratios.

    A session that has ended stays in a state that earns nothing, so its weight stays.

    Args:
        sessions: the places of the steps.
        ratio: [T], the choice's probability under the evaluated policy over its propensity.
    """
    ratios = sessions.table(ratio, absent=1.0)
    return np.concatenate([np.ones((sessions.count, 1)), np.cumprod(ratios, axis=1)], axis=1)


def effective_sample_size(weights: Array) -> Array:
    """Kish's (sum w)^2 / sum w^2 over the first axis; 0 where all weights are 0."""
    total, squares = weights.sum(0), (weights**2).sum(0)
    out: Array = np.divide(total**2, squares, out=np.zeros_like(squares), where=squares > 0)
    return out


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each session adds to an estimate.

    Attributes:
        numerator: [N, J, K].
        weight: [N, J].
    """

    numerator: Array
    weight: Array

    def unnormalised(self) -> Contributions:
        """The same with a session's numerators summed and no division by weights."""
        return Contributions(self.numerator.sum(1, keepdims=True), np.ones((len(self.weight), 1)))

    def estimate(self) -> Array:
        """[K], over all sessions."""
        out: Array = self.counted(np.ones((1, len(self.weight))))[0]
        return out

    def counted(self, counts: Array) -> Array:
        """Estimates `[B, K]`, with each session as often as `counts` `[B, N]` says."""
        n, steps, outcomes = self.numerator.shape
        above = (counts @ self.numerator.reshape(n, -1)).reshape(-1, steps, outcomes)
        below = (counts @ self.weight)[:, :, None]
        terms = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        out: Array = terms.sum(1)
        return out


def per_decision(weights: Array, outcome: Array, gamma: float) -> Contributions:
    """Per-decision importance sampling (Precup, Sutton & Singh 2000), self-normalised.

    The sum over steps of gamma^t rho_t r_t, where rho_t is the product of the ratios up to and with
    step t. `unnormalised` is the unbiased form.

    Args:
        weights: [N, H + 1], of `cumulative_weights`.
        outcome: [N, H, K], 0 behind a session's end.
        gamma: discount of a step.
    """
    discount = gamma ** np.arange(outcome.shape[1])[:, None]
    return Contributions(weights[:, 1:, None] * outcome * discount, weights[:, 1:])


def direct(value: Array) -> Contributions:
    """Fitted Q evaluation (Le, Voloshin & Yue 2019, arXiv 1903.08738): the mean value at the start.

    Args:
        value: [N, K], the fitted V of each session's first state.
    """
    return Contributions(value[:, None], np.ones((len(value), 1)))


def doubly_robust(
    weights: Array, outcome: Array, q: Array, value: Array, gamma: float
) -> Contributions:
    """The doubly robust estimator of sequences, self-normalised: WDR.

    The sum over steps of gamma^t (rho_(t-1) V(s_t) + rho_t (r_t - Q(s_t, g_t))), each rho divided
    by its mean over sessions (Thomas & Brunskill 2016, arXiv 1604.00923, their WDR).
    `unnormalised` is the DR of Jiang & Li (2016, arXiv 1511.03722), whose recursion this sum is
    written out; it is unbiased where Q was fitted on other sessions.

    Args:
        weights: [N, H + 1], of `cumulative_weights`.
        outcome: [N, H, K], 0 behind a session's end, as are the next two.
        q: [N, H, K], the fitted Q of the logged choice.
        value: [N, H, K], the fitted V under the evaluated policy.
        gamma: discount of a step.
    """
    discount = gamma ** np.arange(outcome.shape[1])[:, None]
    numerator = np.zeros((*weights.shape, outcome.shape[2]))
    numerator[:, :-1] += discount * value
    numerator[:, 1:] += discount * (outcome - q)
    return Contributions(weights[:, :, None] * numerator, weights)


def bootstrap(
    parts: Sequence[Contributions], rng: np.random.Generator, resamples: int
) -> list[Array]:
    """Estimates `[resamples, K]` of each, over N sessions drawn with replacement for all alike.

    Args:
        parts: contributions of the same N sessions.
        rng: draws the sessions.
        resamples: how often.
    """
    n = len(parts[0].weight)
    size = max(1, _NUMBERS_AT_ONCE // n)
    out: list[list[Array]] = [[] for _ in parts]
    for first in range(0, resamples, size):
        rows = min(size, resamples - first)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float)
        for found, part in zip(out, parts, strict=True):
            found.append(part.counted(counts))
    return [np.concatenate(found) for found in out]


def percentile_interval(draws: Array, size: float, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of resampled estimates `[B]`, expanded for a small sample.

    A resampled mean spreads too little by sqrt((n - 1) / n), and by a normal quantile in place of
    Student's. So the share that is taken is the normal one of sqrt(n / (n - 1)) t_(n - 1)
    (Hesterberg 2015, arXiv 1411.5279: the expanded percentile interval).

    Args:
        draws: of `bootstrap`.
        size: n, the effective sample size; above 2.
        level: such as 0.95.
    """
    normal = NormalDist()
    z, freedom = normal.inv_cdf((1 + level) / 2), size - 1
    # Student's quantile to second order in 1 / freedom (Abramowitz & Stegun 26.7.5).
    student = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    upper = normal.cdf(student * (size / freedom) ** 0.5)
    low, high = np.quantile(draws, [1 - upper, upper])
    return float(low), float(high)
