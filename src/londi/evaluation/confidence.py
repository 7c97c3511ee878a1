"""Confidence sequences for two arms of an experiment: intervals that hold whenever one looks.

An interval for a fixed number of sessions is wrong far more often than it says when it is looked at
each day until it pleases. A confidence sequence covers the truth at all looks at once. The one here
is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
("Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 2024,
arXiv 2103.06476, theorem 2.2): it needs no bound of a session's cost, which has none. It holds for
many sessions, and not for few: how well is measured in `benchmarks/control.py`.

This file knows numbers of two arms. It does not know how sessions came into an arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Self

import numpy as np

from londi.types import Array

PAPER = "Waudby-Smith et al. 2024, arXiv 2103.06476"
"""Where the intervals are from."""
LEAST = 50
"""Sessions of each arm below which there is no interval: sums of few are no normal numbers."""
TIGHTEST = 1000
"""Effective number of sessions at which an interval is tightest beside all others of its kind."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the interval of a confidence sequence around it.

    Attributes:
        estimate: the estimate; NaN without any session in one of the arms.
        low: lower end; -inf where nothing can be said yet.
        high: upper end; inf likewise.
    """

    estimate: float
    low: float = -inf
    high: float = inf

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


class Sample:
    """A running mean and variance of the sessions of one arm.

    Each value has a weight, one over the probability with which its session came into the arm. So
    the mean is that of all sessions, also where that probability was changed on the way (Hajek's
    estimator).

    Attributes:
        count: number of values.
        mean: weighted mean; NaN without any value.
    """

    __slots__ = ("_squares", "_weight", "_weight_squares", "count", "mean")

    def __init__(self) -> None:
        self.count, self.mean = 0, float("nan")
        self._weight = self._weight_squares = self._squares = 0.0

    @classmethod
    def of(cls, values: Array) -> Self:
        """The sample of values `[n]` of equal weight."""
        made = cls()
        made.extend(values)
        return made

    @classmethod
    def moments(cls, count: int, mean: float, squares: float) -> Self:
        """The sample of values of equal weight of which only the moments are known.

        Args:
            count: number of values.
            mean: of them.
            squares: sum of their squared distances from it.
        """
        made = cls()
        if count:
            made._join(count, mean, squares, 1.0)
        return made

    def merge(self, other: Sample, weight: float = 1.0) -> None:
        """Add the values of another sample, which have equal weights there, with the weight."""
        if other.count:
            self._join(other.count, other.mean, other._squares, weight)

    def add(self, value: float, weight: float = 1.0) -> None:
        """Add a value with a weight > 0."""
        self._join(1, value, 0.0, weight)

    def extend(self, values: Array, weight: float = 1.0) -> None:
        """Add values `[n]`, each with the weight."""
        if len(values):
            values = np.asarray(values, float)
            mean = float(values.mean())
            self._join(len(values), mean, float(((values - mean) ** 2).sum()), weight)

    def _join(self, count: int, mean: float, squares: float, weight: float) -> None:
        """Add values of one weight by their mean and their squared distances from it.

        Sums of squares of the values themselves would cancel (Chan, Golub and LeVeque, The American
        Statistician 1983).
        """
        added, before = count * weight, self.mean if self.count else mean
        apart = self._weight * added / (self._weight + added) * (mean - before) ** 2
        self._squares += weight * squares + apart
        self._weight += added
        self._weight_squares += added * weight
        self.mean = before + (mean - before) * added / self._weight
        self.count += count

    @property
    def size(self) -> float:
        """Number of values of equal weight that say as much (Kish)."""
        return self._weight**2 / self._weight_squares if self.count else 0.0

    @property
    def variance(self) -> float:
        """Variance of a value; 0 for fewer than two."""
        size = self.size
        return self._squares / self._weight * size / (size - 1) if size > 1 else 0.0


def margin(size: float, alpha: float = 0.05) -> float:
    """Half the width of a confidence sequence, in standard errors, for all sizes at once.

    That of theorem 2.2, sqrt(2 (1 + 1 / (n rho^2)) log(sqrt(n rho^2 + 1) / alpha)); the theorem
    holds for each rho, and this one makes it narrowest about `TIGHTEST` (their equation for the
    best rho: rho^2 = (-2 log alpha + log(-2 log alpha) + 1) / n).

    Args:
        size: n > 0.
        alpha: probability that any of the intervals misses.
    """
    grown = size * (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / TIGHTEST
    return sqrt(2 * (1 + 1 / grown) * log(sqrt(grown + 1) / alpha))


def mean_difference(treated: Sample, control: Sample, alpha: float = 0.05) -> Interval:
    """The confidence sequence of the mean of the treated less that of the control group.

    Both arms take the larger of their variances: that of a small control group without a single
    failure would be 0, and its interval a point.

    Args:
        treated: one arm.
        control: the other arm; no session is in both.
        alpha: probability that the interval misses the difference at any look.
    """
    estimate = treated.mean - control.mean
    variance = max(treated.variance, control.variance)
    if min(treated.count, control.count) < LEAST or variance == 0:
        return Interval(estimate)
    size = _size(treated, control)
    half = margin(size, alpha) * sqrt(variance / size)
    return Interval(estimate, estimate - half, estimate + half)


def mean_interval(sample: Sample, alpha: float = 0.05) -> Interval:
    """The confidence sequence of a mean.

    Args:
        sample: the sessions.
        alpha: probability that the interval misses the mean at any look.
    """
    if sample.count < LEAST or sample.variance == 0:
        return Interval(sample.mean)
    half = margin(sample.size, alpha) * sqrt(sample.variance / sample.size)
    return Interval(sample.mean, sample.mean - half, sample.mean + half)


def saving(treated: Sample, control: Sample, alpha: float = 0.05) -> Interval:
    """The confidence sequence of 1 - (mean cost of the treated) / (mean cost of the control group).

    It is made for the logarithm of the ratio of means (the delta method), in which skewed costs are
    nearest to normal numbers. Both arms take the larger of their relative variances: few control
    sessions have not yet met the dear ones, and would seem to vary less than they do.

    Args:
        treated: costs >= 0 of one arm.
        control: of the other arm; no session is in both.
        alpha: probability that the interval misses the saving at any look.
    """
    if not (treated.mean > 0 and control.mean > 0):
        free = control.mean > 0 and treated.mean == 0
        return Interval(1.0 if free else float("nan"), high=1.0)
    ratio = treated.mean / control.mean
    if min(treated.count, control.count) < LEAST:
        return Interval(1 - ratio, high=1.0)
    relative = max(arm.variance / arm.mean**2 for arm in (treated, control))
    size = _size(treated, control)
    half = margin(size, alpha) * sqrt(relative / size)
    if relative == 0 or half > _MOST:
        return Interval(1 - ratio, high=1.0)
    return Interval(1 - ratio, 1 - ratio * exp(half), 1 - ratio * exp(-half))


_MOST = 100.0
"""Half a width of a logarithm beyond which nothing is said; exp of it is still a number."""


def _size(treated: Sample, control: Sample) -> float:
    """Effective number of sessions of a comparison: the smaller arm decides it."""
    return 1 / (1 / treated.size + 1 / control.size)
