"""The figures of an evaluation, and their intervals. It knows arrays and no player.

PGR = (r - r_quick) / (r_deepthink - r_quick), the share of the gap between QUICK and DEEPTHINK
that a method recovers, is RouteLLM's (arXiv 2406.18665), with the call rate as the price. Our APGR
is the area under its non-decreasing hull with both models as end points; `apgr_routellm` is theirs,
without hull and ends. The two are equal on non-decreasing curves that have both ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from londi.types import Step

Floats = npt.NDArray[np.float64]

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Episode:
    """One played episode in numbers.

    Attributes:
        seed: which episode.
        total: its return, undiscounted, no cost taken off.
        success: whether it ended well.
        steps: its length.
        calls: steps at which DEEPTHINK acted.
        overspent: calls beyond the budget.
        lm_seconds: seconds inside the language models.
        lm_flops: their floating-point operations.
        joules: energy of the GPU in them.
        quick_tokens, deepthink_tokens: prompt tokens that each of them read.
        substituted_actions: actions that the environment did not know and replaced by the closest.
        aborted: whether the environment broke it off.
    """

    seed: int
    total: float
    success: bool
    steps: int
    calls: int
    overspent: int
    lm_seconds: float
    lm_flops: float
    joules: float = 0.0
    quick_tokens: int = 0
    deepthink_tokens: int = 0
    substituted_actions: int = 0
    aborted: bool = False

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Episode:
        """The numbers of an episode's steps."""
        usage = [step.quick + step.deepthink for step in steps]
        return cls(
            seed=steps[0].episode,
            total=sum(step.reward for step in steps),
            success=steps[-1].success,
            steps=len(steps),
            calls=sum(step.choice for step in steps),
            overspent=sum(step.overspent for step in steps),
            lm_seconds=sum(u.seconds for u in usage),
            lm_flops=sum(u.flops for u in usage),
            joules=sum(u.joules for u in usage),
            quick_tokens=sum(step.quick.tokens for step in steps),
            deepthink_tokens=sum(step.deepthink.tokens for step in steps),
            substituted_actions=sum(step.substituted_action is not None for step in steps),
            aborted=steps[-1].aborted is not None,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """How one method does on a set of episodes: one object of `results.json`.

    Attributes:
        method: quick, deepthink, random, threshold or londi.
        env: the environment.
        cost: c, at which the Switcher was trained.
        budget: n; None for no cap.
        seed: the training seeds.
        episodes: episodes of each training seed.
        return_mean: mean return, no cost taken off.
        return_ci: its 95% interval, bootstrapped over training seeds and episodes.
        success_rate: share of the episodes that ended well.
        call_rate: DEEPTHINK steps over steps.
        overspent: DEEPTHINK calls beyond the budget, per episode.
        exceeded: share of the episodes with such a call.
        lm_seconds: seconds inside the language models, per episode.
        lm_flops: their floating-point operations, per episode.
        joules: energy of the GPU in them, per episode; 0 on a CPU.
        cost_saved: 1 - DEEPTHINK calls / those of always-DEEPTHINK, on the same episodes.
        pgr: share of the gap between QUICK and DEEPTHINK recovered; None without a gap.
        substituted_actions: share of the actions that the environment did not know and replaced.
        aborted: episodes that the environment broke off.
    """

    method: str
    env: str
    cost: float
    budget: int | None
    seed: tuple[int, ...]
    episodes: int
    return_mean: float
    return_ci: tuple[float, float]
    success_rate: float
    call_rate: float
    overspent: float
    exceeded: float
    lm_seconds: float
    lm_flops: float
    joules: float
    cost_saved: float
    pgr: float | None
    substituted_actions: float
    aborted: int


Played = Sequence[Sequence[Episode]]
"""The same episodes, played once for each training seed: `[seeds][episodes]`."""


def result(
    method: str,
    played: Played,
    quick: Played,
    deepthink: Played,
    *,
    env: str,
    cost: float,
    budget: int | None,
    seed: tuple[int, ...],
) -> Result:
    """The figures of `method`, which `played` these episodes, between its two models.

    Raises:
        ValueError: if the episodes are not the same for all three.
    """
    if not all(_seeds(p) == _seeds(played) for p in (quick, deepthink)):
        raise ValueError("every method must play the same episodes")
    returns = np.array([[e.total for e in episodes] for episodes in played])
    mean = float(returns.mean())
    return Result(
        method=method,
        env=env,
        cost=cost,
        budget=budget,
        seed=seed,
        episodes=returns.shape[1],
        return_mean=mean,
        return_ci=bootstrap(returns),
        success_rate=_mean(played, "success"),
        call_rate=call_rate(played),
        overspent=_mean(played, "overspent"),
        exceeded=float(np.mean([[e.overspent > 0 for e in episodes] for episodes in played])),
        lm_seconds=_mean(played, "lm_seconds"),
        lm_flops=_mean(played, "lm_flops"),
        joules=_mean(played, "joules"),
        cost_saved=1.0 - _mean(played, "calls") / _mean(deepthink, "calls"),
        pgr=pgr(mean, _mean(quick, "total"), _mean(deepthink, "total")),
        substituted_actions=_mean(played, "substituted_actions") / _mean(played, "steps"),
        aborted=sum(e.aborted for episodes in played for e in episodes),
    )


def call_rate(played: Played) -> float:
    """DEEPTHINK steps over steps."""
    return _mean(played, "calls") / _mean(played, "steps")


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


def _mean(played: Played, field: str) -> float:
    return float(np.mean([[getattr(e, field) for e in episodes] for episodes in played]))


def _seeds(played: Played) -> list[int]:
    (first, *others) = [[e.seed for e in episodes] for episodes in played]
    if any(other != first for other in others):
        raise ValueError("every training seed must play the same episodes")
    return first
