"""Metrics of returns and call rates, and their intervals. This file knows numbers and no player.

PGR = (r - r_quick) / (r_deepthink - r_quick), the share of the gap between QUICK and DEEPTHINK
that a method recovers, is RouteLLM's (arXiv 2406.18665), with the call rate as the price. Our APGR
is the area under its non-decreasing hull with both models as end points; `apgr_routellm` is theirs,
without hull and ends. The two are equal on non-decreasing curves that have both ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 10_000


def pgr(value: float, quick: float, deepthink: float) -> float | None:
    """Performance gap recovered by a mean return of `value`; None without a gap."""
    return None if quick == deepthink else (value - quick) / (deepthink - quick)


def apgr(points: Sequence[tuple[float, float]], quick: float, deepthink: float) -> float:
    """Area under the gap recovered over the call rate, from 0 to 1, by trapezoids.

    Over the non-decreasing hull of the points: a higher rate is allowed, not asked for.

    Args:
        points: (call rate, mean return) of a method.
        quick: the mean return of QUICK alone, at a call rate of 0.
        deepthink: that of DEEPTHINK alone, at 1.

    Raises:
        ValueError: if there is no gap.
    """
    rates, shares = _hull(points, quick, deepthink)
    return float(np.trapezoid(shares, rates))


def apgr_routellm(points: Sequence[tuple[float, float]], quick: float, deepthink: float) -> float:
    """RouteLLM's area under the gap recovered, over the call rates of the points, by trapezoids.

    Args:
        points: (call rate, mean return) of a method.
        quick: the mean return of QUICK alone.
        deepthink: that of DEEPTHINK alone.

    Raises:
        ValueError: if there is no gap.
    """
    if quick == deepthink:
        raise ValueError("there is no gap between QUICK and DEEPTHINK to be recovered")
    rates, returns = np.array(sorted(points)).T
    return float(np.trapezoid((returns - quick) / (deepthink - quick), rates))


def cpt(
    share: float, points: Sequence[tuple[float, float]], quick: float, deepthink: float
) -> float:
    """The smallest call rate at which that `share` of the gap is recovered; the rest as `apgr`."""
    rates, shares = _hull(points, quick, deepthink)
    first = int(np.argmax(shares >= share - 1e-12))
    if first == 0:
        return float(rates[0])
    low, high = shares[first - 1], shares[first]
    return float(np.interp(share, [low, high], rates[first - 1 : first + 1]))


def _hull(
    points: Sequence[tuple[float, float]], quick: float, deepthink: float
) -> tuple[Floats, Floats]:
    """Call rates and shares of the gap recovered, with both ends, neither of them falling."""
    if quick == deepthink:
        raise ValueError("there is no gap between QUICK and DEEPTHINK to be recovered")
    ends = [(0.0, quick), (1.0, deepthink)]
    rates, returns = np.array(sorted([*points, *ends])).T
    shares = (returns - quick) / (deepthink - quick)
    return rates, np.maximum.accumulate(shares)


def iqm(values: Floats) -> float:
    """Interquartile mean: of the middle half of all values, as rliable has it (2108.13264)."""
    ordered = np.sort(values, axis=None)
    n = len(ordered)
    # What of each value lies in the middle half, where n is no multiple of four.
    edges = np.arange(n + 1).clip(n / 4, 3 * n / 4)
    return float(np.average(ordered, weights=np.diff(edges)))


def bootstrap(values: Floats, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean of `values` `[runs, episodes]`.

    Runs are drawn with replacement, and episodes with replacement for all runs alike, since
    all runs played the same ones.
    """
    rng = np.random.default_rng(seed)
    runs, episodes = values.shape
    means = np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        drawn = values[rng.integers(runs, size=runs)].mean(0)
        means[k] = drawn[rng.integers(episodes, size=episodes)].mean()
    return _interval(means, level)


def bootstrap_difference(
    one: Floats, other: Floats, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `one` less that of `other`, `[runs, episodes]` each.

    Runs are drawn with replacement on either side by itself, and episodes for both alike, since
    both sides played the same ones.

    Raises:
        ValueError: if the two have not as many episodes.
    """
    episodes = one.shape[1]
    if other.shape[1] != episodes:
        raise ValueError("both sides must have played the same episodes")
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        drawn = rng.integers(episodes, size=episodes)
        left, right = (
            side[rng.integers(len(side), size=len(side))].mean(0)[drawn].mean()
            for side in (one, other)
        )
        means[k] = left - right
    return _interval(means, level)


def _interval(means: Floats, level: float) -> tuple[float, float]:
    """The middle `level` of resampled means."""
    tail = 50 * (1 - level)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)
