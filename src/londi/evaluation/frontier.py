"""`londi frontier`: universal Switchers against baselines at every call rate, and the limit.

Every method is played at many settings on validation episodes, those that are worth it again on
held-out ones, with and without budgets. Whatever has been played lies in a file of its own, so that
an interrupted comparison goes on where it was. This file knows who plays what, and how that is
summed up; not how anybody decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from londi.baselines.registry import (
    UNIVERSAL,
    Baseline,
    find_baseline,
)
from londi.config import FrontierConfig
from londi.config.ray import RayConfig
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds
from londi.errors import InvalidConfig
from londi.evaluation.comparison import ALONE, Comparison, Spot
from londi.evaluation.curves import (
    CurvePoint,
    Frontier,
    LimitPoint,
    MethodCurve,
    Replay,
    write_frontier,
)
from londi.evaluation.metrics import apgr, apgr_routellm, cpt
from londi.evaluation.replays import replay
from londi.evaluation.results import Episode, call_rate
from londi.evaluation.tracks import CurveSums, Floats, Track, numbers
from londi.models.pair import ModelPair
from londi.oracle import clairvoyant
from londi.oracle.explore import explore
from londi.storage.runs import create_run, is_free, locked
from londi.switching.switcher import LearnedSwitcher

PRICES = 60
"""Prices of a call that the limit's curve is drawn at, at most."""


TOLD = 2
"""Step between the universal Switcher's settings that replays are made at."""


SHARES = (0.5, 0.8, 0.95)


def frontier(
    config: FrontierConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    pair: ModelPair | None = None,
    on_played: Callable[[int, str], None] = lambda done, text: None,
    ray: RayConfig | None = None,
) -> Frontier:
    """Play everything, and leave the figures in `folder`.

    Args:
        config: the settings.
        folder: where to.
        resume: go on with what has been played.
        overwrite: replace an earlier comparison.
        pair: models and environment in place of those that the runs name.
        on_played: told of every play: how many methods are done, and which it was.
        ray: where episodes are played and explored; None for this process.

    Raises:
        LondiError: if a run is no universal Switcher's, they do not belong together, or a setting
            is out of their range.
    """
    if not resume:
        is_free(folder, FrontierConfig, overwrite)
    comparison = Comparison(folder, config, pair, on_played, ray)
    with closing(comparison), warm():
        if not resume:
            create_run(folder, config, overwrite)
        with locked(folder):
            found, timelines = _compare(comparison)
            write_frontier(folder, found, timelines)
    return found


def _compare(comparison: Comparison) -> tuple[Frontier, list[Replay]]:
    config = comparison.config
    ends = comparison.ends()
    if np.mean([e.total for e in ends[0]]) == np.mean([e.total for e in ends[1]]):
        raise InvalidConfig("QUICK and DEEPTHINK have the same return: there is nothing to compare")
    best = _limit(comparison) if config.states else None
    limit_track = _limit_track(best) if best else None
    methods = [UNIVERSAL, *map(find_baseline, config.methods)]
    shown: list[tuple[Baseline, list[CurvePoint], list[CurvePoint]]] = []
    tracks: list[Track] = []
    for method in methods:
        points, budgets, track = _curve(comparison, method, ends)
        shown.append((method, points, budgets))
        tracks.append(track)
        comparison.done += 1
    sums = CurveSums(tracks, limit_track, ends)
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
            apgr_routellm=_routellm(points, ends),
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
        spot: numbers([runs], "total").mean() for spot, runs in zip(spots, tried, strict=True)
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
    at = [(call_rate(runs), float(numbers([runs], "total").mean())) for runs in tried]
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
        told += replay(
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


def _routellm(
    points: Sequence[CurvePoint], ends: tuple[Sequence[Episode], Sequence[Episode]]
) -> float:
    quick, deepthink = (float(np.mean([e.total for e in end])) for end in ends)
    at = [(p.result.call_rate, p.result.return_mean) for p in points]
    return apgr_routellm(at, quick, deepthink)


def _cpts(
    points: Sequence[CurvePoint], ends: tuple[Sequence[Episode], Sequence[Episode]]
) -> tuple[float, float, float]:
    quick, deepthink = (float(np.mean([e.total for e in end])) for end in ends)
    at = [(p.result.call_rate, p.result.return_mean) for p in points]
    half, most, nearly = (cpt(share, at, quick, deepthink) for share in SHARES)
    return half, most, nearly


def _limit(comparison: Comparison) -> clairvoyant.Limit:
    """The limit of the held-out episodes, found now or before."""
    config, folder = comparison.config, comparison.folder
    if (folder / clairvoyant.EPISODES).is_file():
        return clairvoyant.read_limit(folder)
    found = clairvoyant.limit(
        comparison.players.workers,
        held_out_seeds(config.episodes),
        states=config.states,
        minutes=config.minutes,
        most_calls=config.most_calls,
        on_states=lambda done, text: comparison.tell(f"limit, {done} episodes: {text}"),
    )
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
