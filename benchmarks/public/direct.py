"""Direct estimates of two models on the same tasks: returns, their gap, and a router's bound.

Shapes: R draws of the bootstrap, n episodes of one model in a task and m of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np

from londi.types import Array

from .records import LoggedEpisode

DRAWS = 2_000


@dataclass(frozen=True)
class Figure:
    """A number, and its 95% interval; None where a task has too few episodes for one."""

    estimate: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """Two models on the tasks that both played, each task with equal weight.

    Attributes:
        cheap, strong: the models.
        tasks: number of tasks that both played.
        episodes: of the two.
        levels: pairs of episodes on the same level: the same task and seed.
        returns: of the two.
        gap: of the second less the first.
        best: best of two per episode: on the same levels where all have one, else of each two
            episodes of a task, as if levels were unrelated.
        most: the same if luck were never shared, which no router by episode exceeds.
    """

    cheap: str
    strong: str
    tasks: int
    episodes: tuple[int, int]
    levels: int
    returns: tuple[Figure, Figure]
    gap: Figure
    best: Figure
    most: Figure


def compare(
    cheap: Sequence[LoggedEpisode],
    strong: Sequence[LoggedEpisode],
    over_tasks: bool,
    seed: int = 0,
) -> Comparison | None:
    """The direct estimates of two models; None where they have no task in common.

    Args:
        cheap: episodes of one model.
        strong: of the other.
        over_tasks: whether the bootstrap draws tasks, or episodes within them.
        seed: of the bootstrap.
    """
    sides = [_by_task(side) for side in (cheap, strong)]
    shared = sorted(sides[0].keys() & sides[1].keys())
    if not shared:
        return None
    rng = np.random.default_rng(seed)
    pairs = [(sides[0][task], sides[1][task]) for task in shared]
    levels = [_levels(*pair) for pair in pairs]
    counts = tuple(sum(len(pair[k]) for pair in pairs) for k in (0, 1))
    same = all(len(found) == len(x) == len(y) for found, (x, y) in zip(levels, pairs, strict=True))
    draws = 1 if over_tasks else DRAWS
    found = []
    for (x, y), at in zip(pairs, levels, strict=True):
        first, second = (np.array([one.total for one in side]) for side in (x, y))
        found.append(_task(first, second, at if same else [], draws, rng))
    exact, drawn = (np.stack([one[k] for one in found]) for k in (0, 1))  # [tasks, R, 5]
    if over_tasks:
        drawn = exact[rng.integers(len(shared), size=(len(shared), DRAWS)), 0]
        enough = len(shared) > 1
    else:
        enough = min(len(side) for pair in pairs for side in pair) > 1
    means, spread = exact[:, 0].mean(0), drawn.mean(0)
    ends = np.percentile(spread, [2.5, 97.5], axis=0)
    figures = [
        Figure(float(means[k]), (float(ends[0, k]), float(ends[1, k])) if enough else None)
        for k in range(5)
    ]
    return Comparison(
        cheap[0].model,
        strong[0].model,
        len(shared),
        (counts[0], counts[1]),
        sum(map(len, levels)),
        (figures[0], figures[1]),
        *figures[2:],
    )


def alone(episodes: Sequence[LoggedEpisode], over_tasks: bool, seed: int = 0) -> Figure:
    """The return of one model, each task with equal weight; arguments as of `compare`."""
    rng = np.random.default_rng(seed)
    totals = [np.array([one.total for one in side]) for side in _by_task(episodes).values()]
    means = np.array([found.mean() for found in totals])
    if over_tasks:
        drawn = means[rng.integers(len(means), size=(DRAWS, len(means)))].mean(1)
        enough = len(means) > 1
    else:
        drawn = np.mean([x[rng.integers(len(x), size=(DRAWS, len(x)))].mean(1) for x in totals], 0)
        enough = min(map(len, totals)) > 1
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(float(means.mean()), (float(low), float(high)) if enough else None)


def _by_task(episodes: Sequence[LoggedEpisode]) -> dict[str, list[LoggedEpisode]]:
    found: dict[str, list[LoggedEpisode]] = {}
    for one in episodes:
        found.setdefault(one.task, []).append(one)
    return found


def _levels(
    cheap: Sequence[LoggedEpisode], strong: Sequence[LoggedEpisode]
) -> list[tuple[int, int]]:
    """Places of the episodes that have the same seed."""
    at = {one.seed: k for k, one in enumerate(strong) if one.seed is not None}
    return [(k, at[one.seed]) for k, one in enumerate(cheap) if one.seed in at]


def _task(
    x: Array, y: Array, levels: list[tuple[int, int]], draws: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """The five figures of a task, as they are `[1, 5]` and drawn `[R, 5]`."""
    rows: list[tuple[Array, Array, Array]] = []
    if levels:  # whole pairs are drawn
        x, y = x[[i for i, _ in levels]], y[[j for _, j in levels]]
        for at in (np.arange(len(x))[None], rng.integers(len(x), size=(draws, len(x)))):
            rows.append((x[at], y[at], np.maximum(x, y)[at].mean(1)))
    else:
        table = np.maximum(x[:, None], y)
        own = [np.arange(len(one))[None] for one in (x, y)]
        drawn = [rng.integers(len(one), size=(draws, len(one))) for one in (x, y)]
        for first, second in (own, drawn):
            shares = _shares(first, len(x)), _shares(second, len(y))
            best = ((shares[0] @ table) * shares[1]).sum(1)
            rows.append((x[first], y[second], best))
    exact, resampled = (
        np.stack([a.mean(1), b.mean(1), b.mean(1) - a.mean(1), best, _most(a, b)], 1)
        for a, b, best in rows
    )
    return exact, resampled


def _shares(drawn: Array, count: int) -> Array:
    """How often each of `count` episodes is in draws `[R, n]`, as shares `[R, count]`."""
    out = np.zeros((len(drawn), count))
    np.add.at(out, (np.arange(len(drawn))[:, None], drawn), 1 / drawn.shape[1])
    return out


def _most(x: Array, y: Array) -> Array:
    """Mean best of two `[R]` where the worst of `[R, n]` meet the best of `[R, m]`."""
    length = lcm(x.shape[1], y.shape[1])
    rising = np.repeat(np.sort(x, 1), length // x.shape[1], axis=1)
    falling = np.repeat(-np.sort(-y, 1), length // y.shape[1], axis=1)
    out: Array = np.maximum(rising, falling).mean(1)
    return out
