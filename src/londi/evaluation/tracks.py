"""A method's settings as arrays, and what sums up its curve, with bootstrap intervals.

This file knows arrays, and nobody who plays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from londi.evaluation.curves import (
    Estimate,
)
from londi.evaluation.metrics import apgr, cpt
from londi.evaluation.results import Episode

Floats = npt.NDArray[np.float64]


Ints = npt.NDArray[np.int64]


RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Track:
    """P settings of a method on E episodes, each played by S seeds.

    Attributes:
        totals: [P, S, E], returns.
        calls: [P, S, E].
        steps: [P, S, E].
    """

    totals: Floats
    calls: Floats
    steps: Floats

    @classmethod
    def of(cls, played: Sequence[Sequence[Sequence[Episode]]]) -> Track:
        """From `[P][S][E]` episodes."""
        return cls(*(numbers(played, name) for name in ("total", "calls", "steps")))

    def means(self, seeds: Ints, episodes: Ints) -> tuple[Floats, Floats, Floats]:
        """Returns, calls and steps `[P]` over these seeds and episodes, which may repeat."""
        drawn = (x[:, seeds][:, :, episodes].mean((1, 2)) for x in self._arrays)
        returns, calls, steps = drawn
        return returns, calls, steps

    @property
    def seeds(self) -> int:
        return int(self.totals.shape[1])

    @property
    def _arrays(self) -> tuple[Floats, Floats, Floats]:
        return self.totals, self.calls, self.steps


def numbers(played: Sequence[Sequence[Sequence[Episode]]], name: str) -> Floats:
    return np.array([[[getattr(e, name) for e in run] for run in point] for point in played], float)


@dataclass(frozen=True, slots=True)
class CurveSummary:
    """Area and saving of a curve, over all episodes or a sample of them."""

    apgr: float
    saved: float

    @classmethod
    def of(
        cls, track: Track, seeds: Ints, episodes: Ints, ends: tuple[Track, Track]
    ) -> CurveSummary:
        returns, calls, steps = track.means(seeds, episodes)
        alone = np.zeros(1, np.int64)
        quick = float(ends[0].means(alone, episodes)[0][0])
        deepthink, most, _ = (float(x[0]) for x in ends[1].means(alone, episodes))
        area = apgr(list(zip(calls / steps, returns, strict=True)), quick, deepthink)
        cheapest = cpt(1.0, list(zip(calls / most, returns, strict=True)), quick, deepthink)
        return cls(area, 1.0 - cheapest)


class CurveSums:
    """Area and saving of each curve, with intervals over the same samples of episodes for all."""

    def __init__(
        self,
        tracks: Sequence[Track],
        limit: Track | None,
        ends: tuple[Sequence[Episode], Sequence[Episode]],
    ) -> None:
        alone = Track.of([[ends[0]]]), Track.of([[ends[1]]])
        rng = np.random.default_rng(0)
        episodes = len(ends[0])
        everyone = [*tracks, limit] if limit else list(tracks)

        def summed(sample: Callable[[int], Ints], drawn: Ints) -> list[CurveSummary]:
            return [CurveSummary.of(t, sample(t.seeds), drawn, alone) for t in everyone]

        self._limit = -1 if limit else None
        self._all = summed(np.arange, np.arange(episodes))
        self._drawn: list[list[CurveSummary]] = []
        for _ in range(RESAMPLES):
            drawn = rng.integers(episodes, size=episodes)
            if len({float(t.means(np.zeros(1, int), drawn)[0][0]) for t in alone}) == 2:
                self._drawn.append(summed(lambda n: rng.integers(n, size=n), drawn))

    @property
    def limit_apgr(self) -> float | None:
        return None if self._limit is None else self._all[self._limit].apgr

    def apgr(self, k: int) -> Estimate:
        return self._estimate(lambda s: s[k].apgr)

    def saved(self, k: int) -> Estimate:
        return self._estimate(lambda s: s[k].saved)

    def ahead(self, k: int) -> Estimate:
        return self._estimate(lambda s: s[0].apgr - s[k].apgr)

    def of_limit(self, k: int) -> Estimate | None:
        if (last := self._limit) is None:
            return None
        return self._estimate(lambda s: s[k].apgr / s[last].apgr)

    def _estimate(self, figure: Callable[[list[CurveSummary]], float]) -> Estimate:
        value = figure(self._all)
        low, high = np.percentile([value, *map(figure, self._drawn)], [2.5, 97.5])
        return Estimate(value, float(low), float(high))
