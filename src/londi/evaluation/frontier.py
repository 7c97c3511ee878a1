"""`londi frontier`: universal Switchers held against baselines, all along, and against the limit.

Every method is played at many settings on validation episodes, those that are worth it again on
held-out ones, with and without budgets. Whatever has been played lies in a file of its own, so that
an interrupted comparison goes on where it was. This file knows who plays what, and how that is
summed up; not how anybody decides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from londi.baselines.registry import BASELINES, UNIVERSAL, Baseline, BaselineContext, OperatingPoint
from londi.config import FrontierConfig, TrainConfig
from londi.envs.memoized import memoized
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds, validation_seeds
from londi.errors import InvalidConfig, LondiError
from londi.evaluation.curves import (
    CurvePoint,
    Estimate,
    Frontier,
    LimitPoint,
    MethodCurve,
    Replay,
    write_frontier,
)
from londi.evaluation.evaluate import play, read_played, summary, write_played
from londi.evaluation.metrics import Episode, apgr, call_rate, cpt, iqm, result
from londi.evaluation.replays import watch
from londi.models.pair import Pair, load_pair
from londi.oracle import clairvoyant
from londi.oracle.explore import explore
from londi.storage.checkpoint import has_state
from londi.storage.runs import create_run, is_free, make_folder, read_run
from londi.switching.budget import Budget
from londi.switching.switcher import CHECKPOINT, ConstantSwitcher, LearnedSwitcher, Switcher

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES = 2000
PRICES = 60
"""Prices of a call that the limit's curve is drawn at, at most."""
TOLD = 2
"""Of the universal Switcher's settings every other one has its timelines."""
SHARES = (0.5, 0.8, 0.95)
ALONE = {
    "quick": OperatingPoint("alone", ConstantSwitcher(0.0), 0.0),
    "deepthink": OperatingPoint("alone", ConstantSwitcher(1.0), 0.0),
}
Spot = tuple[int, int | None]
"""Where a method is played: at which of its candidates, and with what budget."""


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
        return cls(*(_numbers(played, name) for name in ("total", "calls", "steps")))

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


def _numbers(played: Sequence[Sequence[Sequence[Episode]]], name: str) -> Floats:
    return np.array([[[getattr(e, name) for e in run] for run in point] for point in played], float)


@dataclass(frozen=True, slots=True)
class _Summary:
    """What sums up a curve: of all episodes, or of a sample of them."""

    apgr: float
    saved: float

    @classmethod
    def of(cls, track: Track, seeds: Ints, episodes: Ints, ends: tuple[Track, Track]) -> _Summary:
        returns, calls, steps = track.means(seeds, episodes)
        alone = np.zeros(1, np.int64)
        quick = float(ends[0].means(alone, episodes)[0][0])
        deepthink, most, _ = (float(x[0]) for x in ends[1].means(alone, episodes))
        area = apgr(list(zip(calls / steps, returns, strict=True)), quick, deepthink)
        cheapest = cpt(1.0, list(zip(calls / most, returns, strict=True)), quick, deepthink)
        return cls(area, 1.0 - cheapest)


class Comparison:
    """A comparison under way: plays what has not been played yet, and remembers it in files.

    Args:
        folder: of the comparison.
        config: its settings.
        pair: models and environment in place of those that the runs name.
        on_played: told of each play: how many methods are done, and what was played.
    """

    def __init__(
        self,
        folder: Path,
        config: FrontierConfig,
        pair: Pair | None,
        on_played: Callable[[int, str], None],
    ) -> None:
        runs = [Path(run) for run in config.runs]
        trainings = [read_run(run, TrainConfig) for run in runs]
        _check(runs, trainings, config)
        self.folder, self.config, self.trainings = folder, config, trainings
        self._on_played, self.done = on_played, 0
        self.pair = pair or load_pair(trainings[0], config.seed)
        # The settings of a method mostly take the same ways through an episode.
        self.pair.make = memoized(self.pair.make)
        self.benches = [
            BaselineContext(
                folder / "learned" / f"seed={training.seed}",
                training,
                Switcher.load(run, self.pair.quick, self.pair.deepthink),
                self.pair,
                config.log_steps,
            )
            for run, training in zip(runs, trainings, strict=True)
        ]

    def ends(self, held_out: bool = True) -> tuple[list[Episode], list[Episode]]:
        """QUICK and DEEPTHINK alone, without a budget."""
        quick, deepthink = (
            self._played(name, alone, None, held_out, 0) for name, alone in ALONE.items()
        )
        return quick, deepthink

    def played(
        self,
        method: Baseline,
        candidates: Sequence[Sequence[OperatingPoint]],
        spots: Sequence[Spot],
        held_out: bool,
    ) -> list[list[list[Episode]]]:
        """`[P][S][E]`: the episodes as they are played at P spots.

        Args:
            method: whose the candidates are.
            candidates: of each seed.
            spots: which of them, with what budgets.
            held_out: of these episodes, not of those for validation.
        """
        return [
            [
                self._played(method.name, of_seed[k], budget, held_out, s)
                for s, of_seed in enumerate(candidates)
            ]
            for k, budget in spots
        ]

    def candidates(self, method: Baseline) -> list[list[OperatingPoint]]:
        """Those of each seed; of one alone where seeds make no difference."""
        make_folder(self.folder / "learned")
        benches = self.benches if method.seeded else self.benches[:1]
        for bench in benches:
            make_folder(bench.folder)
        return [method.candidates(bench) for bench in benches]

    def _played(
        self, name: str, candidate: OperatingPoint, budget: int | None, held_out: bool, seed: int
    ) -> list[Episode]:
        config = self.config
        file = played_file(
            self.folder, held_out, name, candidate.setting, budget, self.trainings[seed].seed
        )
        if not file.is_file():
            make_folder(file.parent)
            episodes = (
                held_out_seeds(config.episodes)
                if held_out
                else validation_seeds(config.validation_episodes)
            )
            played = summary(
                play(
                    self.pair,
                    candidate.switcher,
                    episodes,
                    cost=candidate.cost,
                    budget=Budget(budget),
                    num_envs=config.num_envs,
                    seed=config.seed + seed,
                )
            )
            self.pair.commit()
            write_played(file, played)
        terms = "" if budget is None else f", at most {budget} calls"
        self.tell(f"{name} {candidate.setting}{terms}")
        return read_played(file)

    def tell(self, text: str) -> None:
        """Say how it goes on."""
        self._on_played(self.done, text)

    def points(
        self,
        method: str,
        candidates: Sequence[OperatingPoint],
        spots: Sequence[Spot],
        played: Sequence[Sequence[Sequence[Episode]]],
        ends: tuple[list[Episode], list[Episode]],
    ) -> list[CurvePoint]:
        """The figures of what was played at P spots."""
        points = []
        for (k, budget), runs in zip(spots, played, strict=True):
            found = result(
                method,
                runs,
                [ends[0]] * len(runs),
                [ends[1]] * len(runs),
                env=self.trainings[0].env,
                cost=candidates[k].cost,
                budget=budget,
                seed=tuple(training.seed for training in self.trainings[: len(runs)]),
            )
            returns = np.array([[e.total for e in run] for run in runs])
            points.append(CurvePoint(candidates[k].setting, found, iqm(returns)))
        return points


def frontier(
    config: FrontierConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    pair: Pair | None = None,
    on_played: Callable[[int, str], None] = lambda done, text: None,
) -> Frontier:
    """Play everything, and leave the figures in `folder`.

    Args:
        config: the settings.
        folder: where to.
        resume: go on with what has been played.
        overwrite: replace an earlier comparison.
        pair: models and environment in place of those that the runs name.
        on_played: told of every play: how many methods are done, and which it was.

    Raises:
        LondiError: if a run is no universal Switcher's, they do not belong together, or a setting
            is out of their range.
    """
    if not resume:
        is_free(folder, FrontierConfig, overwrite)
    comparison = Comparison(folder, config, pair, on_played)
    if not resume:
        create_run(folder, config, overwrite)
    with warm():
        found, timelines = _compare(comparison)
    comparison.pair.close()
    write_frontier(folder, found, timelines)
    return found


def _compare(comparison: Comparison) -> tuple[Frontier, list[Replay]]:
    config = comparison.config
    ends = comparison.ends()
    if np.mean([e.total for e in ends[0]]) == np.mean([e.total for e in ends[1]]):
        raise InvalidConfig("QUICK and DEEPTHINK have the same return: there is nothing to compare")
    best = _limit(comparison) if config.states else None
    limit_track = _limit_track(best) if best else None
    methods = [UNIVERSAL, *(BASELINES[name] for name in config.methods)]
    shown: list[tuple[Baseline, list[CurvePoint], list[CurvePoint]]] = []
    tracks: list[Track] = []
    for method in methods:
        points, budgets, track = _curve(comparison, method, ends)
        shown.append((method, points, budgets))
        tracks.append(track)
        comparison.done += 1
    sums = _Sums(tracks, limit_track, ends)
    curves = [
        MethodCurve(
            method=method.name,
            label=method.label,
            points=points,
            budgets=budgets,
            apgr=sums.apgr(k),
            of_limit=sums.of_limit(k),
            ahead=None if k == 0 else sums.ahead(k),
            cpt=_cpts(points, ends),
            saved=sums.saved(k),
        )
        for k, (method, points, budgets) in enumerate(shown)
    ]
    quick, deepthink = (
        comparison.points(name, [ALONE[name]], [(0, None)], [[end]], ends)[0].result
        for name, end in zip(ALONE, ends, strict=True)
    )
    found = Frontier(
        env=comparison.trainings[0].env,
        cost=comparison.trainings[0].cost,
        episodes=config.episodes,
        seeds=tuple(training.seed for training in comparison.trainings),
        quick=quick,
        deepthink=deepthink,
        curves=curves,
        surface=_surface(comparison, ends),
        limit=sorted(map(_best, best.hull), key=lambda b: b.call_rate) if best else [],
        limit_budgets=list(map(_best, best.budgets)) if best else [],
        limit_apgr=sums.limit_apgr,
    )
    return found, _timelines(comparison, ends)


def _curve(
    comparison: Comparison, method: Baseline, ends: tuple[list[Episode], list[Episode]]
) -> tuple[list[CurvePoint], list[CurvePoint], Track]:
    """A method's curve and its points within each budget, chosen on validation episodes."""
    config = comparison.config
    candidates = comparison.candidates(method)
    validation = comparison.ends(held_out=False)
    spots: list[Spot] = [(k, None) for k in range(len(candidates[0]))]
    tried = comparison.played(method, candidates, spots, held_out=False)
    good = worthwhile(tried, validation, config.points)
    capped: list[Spot] = [(k, n) for n in config.budgets for k in good]
    # One seed says how a setting does within a budget: it makes little difference.
    spots += capped
    tried += comparison.played(method, candidates[:1], capped, held_out=False)
    # A budget is one more way to call less.
    chosen = [spots[k] for k in worthwhile(tried, validation, config.points)]
    returns = {
        spot: _numbers([runs], "total").mean() for spot, runs in zip(spots, tried, strict=True)
    }
    best = [
        max((spot for spot in capped if spot[1] == n), key=returns.__getitem__)
        for n in config.budgets
    ]

    def figures(spots: Sequence[Spot]) -> tuple[list[CurvePoint], list[list[list[Episode]]]]:
        played = comparison.played(method, candidates, spots, held_out=True)
        return comparison.points(method.name, candidates[0], spots, played, ends), played

    points, played = figures(chosen)
    points.sort(key=lambda p: p.result.call_rate)
    return points, figures(best)[0], Track.of(played)


def worthwhile(
    tried: Sequence[Sequence[Sequence[Episode]]],
    ends: tuple[Sequence[Episode], Sequence[Episode]],
    most: int,
) -> list[int]:
    """At most so many settings, chosen so that as much as possible of their curve's area is kept.

    Args:
        tried: `[P][S][E]`, validation episodes played at every setting.
        ends: the same episodes, played by QUICK and by DEEPTHINK alone.
        most: settings to keep.

    Returns:
        Their places, in order.
    """
    quick, deepthink = (float(np.mean([e.total for e in end])) for end in ends)
    at = [(call_rate(runs), float(_numbers([runs], "total").mean())) for runs in tried]
    kept = list(range(len(at)))
    if quick == deepthink:  # too few episodes to tell
        return kept[:most]

    def area(places: Sequence[int]) -> float:
        return apgr([at[k] for k in places], quick, deepthink)

    while len(kept) > most:
        without = [[k for k in kept if k != gone] for gone in kept]
        kept = max(without, key=area)
    return kept


def _surface(comparison: Comparison, ends: tuple[list[Episode], list[Episode]]) -> list[CurvePoint]:
    """The universal Switcher at all its costs, with every budget and none."""
    candidates = comparison.candidates(UNIVERSAL)
    budgets = (*comparison.config.budgets, None)
    spots: list[Spot] = [(k, n) for n in budgets for k in range(len(candidates[0]))]
    played = comparison.played(UNIVERSAL, candidates, spots, held_out=True)
    return comparison.points(UNIVERSAL.name, candidates[0], spots, played, ends)


def _timelines(comparison: Comparison, ends: tuple[list[Episode], list[Episode]]) -> list[Replay]:
    """The held-out episodes in which it matters most who acts, told at several costs."""
    config, bench = comparison.config, comparison.benches[0]
    assert isinstance(bench.switcher, LearnedSwitcher)
    gaps = [abs(a.total - b.total) for a, b in zip(*ends, strict=True)]
    most = sorted(range(len(gaps)), key=lambda k: (-gaps[k], k))[: config.timelines]
    episodes = [ends[0][k].seed for k in sorted(most)]
    if not episodes:
        return []
    told: list[Replay] = []
    for at in UNIVERSAL.candidates(bench)[::TOLD]:
        told += watch(
            comparison.pair,
            bench.switcher,
            episodes,
            cost=at.cost,
            budget=None,
            seed=config.seed,
        )
    if config.states:
        known = clairvoyant.Explored(
            explore(comparison.pair, episodes, states=config.states, minutes=config.minutes)
        )
        told = [_with_hindsight(line, known) for line in told]
    comparison.pair.commit()
    return told


def _with_hindsight(line: Replay, known: clairvoyant.Explored) -> Replay:
    """The same, with what one who knows how it will go would have done at each step."""
    would = known.hindsight(line.episode, [moment.choice for moment in line.steps], line.cost)
    steps = [
        replace(moment, clairvoyant=call) for moment, call in zip(line.steps, would, strict=True)
    ]
    return replace(line, steps=steps)


class _Sums:
    """What sums up each curve, with intervals over the same samples of episodes for all."""

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

        def summed(sample: Callable[[int], Ints], drawn: Ints) -> list[_Summary]:
            return [_Summary.of(t, sample(t.seeds), drawn, alone) for t in everyone]

        self._limit = -1 if limit else None
        self._all = summed(np.arange, np.arange(episodes))
        self._drawn: list[list[_Summary]] = []
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

    def _estimate(self, figure: Callable[[list[_Summary]], float]) -> Estimate:
        value = figure(self._all)
        low, high = np.percentile([value, *map(figure, self._drawn)], [2.5, 97.5])
        return Estimate(value, float(low), float(high))


def _cpts(
    points: Sequence[CurvePoint], ends: tuple[Sequence[Episode], Sequence[Episode]]
) -> tuple[float, float, float]:
    quick, deepthink = (float(np.mean([e.total for e in end])) for end in ends)
    at = [(p.result.call_rate, p.result.return_mean) for p in points]
    half, most, nearly = (cpt(share, at, quick, deepthink) for share in SHARES)
    return half, most, nearly


def _limit(comparison: Comparison) -> clairvoyant.Limit:
    """What the clairvoyant does in the held-out episodes, found now or before."""
    config, folder = comparison.config, comparison.folder
    if (folder / clairvoyant.EPISODES).is_file():
        return clairvoyant.read_limit(folder)
    seen = explore(
        comparison.pair,
        held_out_seeds(config.episodes),
        states=config.states,
        minutes=config.minutes,
        on_states=lambda done, text: comparison.tell(f"limit, {done} episodes: {text}"),
    )
    found = clairvoyant.Explored(seen).limit(config.most_calls)
    clairvoyant.write_limit(folder, found)
    return found


def _limit_track(found: clairvoyant.Limit) -> Track:
    """The clairvoyant as a method whose settings are prices of a call.

    Its returns are those that are not exceeded, so that nobody's share of its area is said to be
    more than it is. Where they are not known to be reached, its steps are those of the best way
    that was found.
    """
    sides = [(best.at_most, best.most_calls) for best in found.episodes]
    prices = {price for side in sides for price in clairvoyant.turns(*side)}
    drawn = np.quantile([0.0, *prices], np.linspace(0, 1, PRICES))[::-1]
    chosen = [[clairvoyant.worthwhile(*side, price) for side in sides] for price in drawn]

    def numbers(figures: Callable[[clairvoyant.EpisodeLimit], Sequence[float]]) -> Floats:
        rows = [
            [figures(best)[k] for best, k in zip(found.episodes, ks, strict=True)] for ks in chosen
        ]
        return np.array(rows, float)[:, None]

    return Track(
        numbers(lambda best: best.at_most),
        numbers(lambda best: best.most_calls),
        numbers(lambda best: best.steps),
    )


def _best(point: clairvoyant.MeanLimit) -> LimitPoint:
    return LimitPoint(point.calls, point.call_rate, point.return_at_least, point.return_at_most)


def played_file(
    folder: Path, held_out: bool, method: str, setting: str, budget: int | None, seed: int
) -> Path:
    """Where the episodes that a method has played at a setting are."""
    split = "held-out" if held_out else "validation"
    terms = "" if budget is None else f" n = {budget}"
    return folder / "played" / split / method / f"{_slug(setting + terms)}-{seed}.json"


def _check(runs: Sequence[Path], trainings: Sequence[TrainConfig], config: FrontierConfig) -> None:
    """Refuse runs that cannot be compared, before anything is spent."""
    for run, training in zip(runs, trainings, strict=True):
        if not training.universal:
            raise LondiError(
                f"the Switcher in {str(run)!r} was trained for c = {training.cost:g} alone; a"
                " frontier needs those of `londi train --universal true`"
            )
        if not has_state(run / CHECKPOINT):
            raise LondiError(f"no checkpoint in {str(run)!r}; train it first")
        first, other = asdict(trainings[0]), asdict(training)
        differing = [name for name in first if name != "seed" and other[name] != first[name]]
        if differing:
            name = differing[0]
            raise LondiError(
                "expected runs that differ in their seed only, got"
                f" {name} = {first[name]!r} in {str(runs[0])!r} and {other[name]!r} in {str(run)!r}"
            )
    seeds = [training.seed for training in trainings]
    if len(set(seeds)) < len(seeds):
        raise LondiError(f"expected one run a seed, got seeds {seeds}")
    most = trainings[0].most_budget
    for budget in config.budgets:
        if budget > most:
            raise InvalidConfig(
                f"budgets: expected at most the {most} that the Switchers were trained for, got"
                f" {budget}"
            )


def _slug(text: str) -> str:
    """A name for a file; other texts have another."""
    return re.sub(r"[^\w.=]+", "-", text) + "-" + hashlib.sha256(text.encode()).hexdigest()[:6]
