"""Methods as curves: return against call rate, all on the same episodes, with what sums them up.

A method that can be turned from never calling to always calling is a curve, and one figure says how
good it is all along: the area under it (APGR). This file knows figures, and nobody who plays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from londi.evaluation.results import Result
from londi.storage.atomic import write_whole
from londi.storage.records import read_record
from londi.types import renamed

FRONTIER = "frontier.json"
TIMELINES = "timelines.json"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval, bootstrapped over training seeds and episodes."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A method at one setting.

    Attributes:
        setting: the setting, such as ``"c = 0.01"`` or ``"every 4 steps"``.
        result: its figures.
        iqm: interquartile mean of its returns, over seeds and episodes.
    """

    setting: str
    result: Result
    iqm: float


@dataclass(frozen=True, slots=True)
class MethodCurve:
    """A method at the settings that validation episodes chose, the lowest call rate first.

    Attributes:
        method: its name, such as ``"every-k"``.
        label: what it does, in a few words.
        points: those that make the curve, with a budget or without.
        budgets: the best setting for each budget, by validation episodes; the least budget first.
        apgr: the area under the gap recovered over the call rate.
        apgr_routellm: the same area as RouteLLM has it, without hull and ends; None in files of
            release 0.1.
        of_limit: what share that is of the clairvoyant's; None where that is not known.
        ahead: by how much the area of the universal Switcher is more, episode for episode; None for
            that Switcher itself.
        cpt: the smallest call rate that recovers 50, 80 and 95 percent of the gap.
        saved: share of DEEPTHINK's calls saved at DEEPTHINK's return; 0 if it falls short of that.
    """

    method: str
    label: str
    points: list[CurvePoint]
    budgets: list[CurvePoint]
    apgr: Estimate
    of_limit: Estimate | None
    ahead: Estimate | None
    cpt: tuple[float, float, float]
    saved: Estimate
    apgr_routellm: float | None = None


@dataclass(frozen=True, slots=True)
class LimitPoint:
    """Mean return and calls of the clairvoyant over the episodes.

    Attributes:
        calls: DEEPTHINK calls an episode.
        call_rate: DEEPTHINK steps over steps.
        return_at_least, return_at_most: its return; they differ where the search was cut short.
    """

    calls: float
    call_rate: float
    return_at_least: float
    return_at_most: float


@dataclass(frozen=True, slots=True)
class Frontier:
    """Everything that was played, in figures.

    Attributes:
        env: the environment.
        cost: c, at which the universal Switcher is operated unless it is told otherwise.
        episodes: held-out episodes, the same for all.
        seeds: training seeds.
        quick, deepthink: the two models alone.
        curves: the methods, the universal Switcher first.
        surface: the universal Switcher at every cost and budget of a grid.
        limit: the clairvoyant by the price of a call, the lowest call rate first; empty where it
            was not looked for.
        limit_budgets: with at most 0, 1, 2, ... calls in each episode.
        limit_apgr: the area under `limit`.
    """

    env: str
    cost: float
    episodes: int
    seeds: tuple[int, ...]
    quick: Result
    deepthink: Result
    curves: list[MethodCurve]
    surface: list[CurvePoint]
    limit: list[LimitPoint]
    limit_budgets: list[LimitPoint]
    limit_apgr: float | None


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One step of a timeline.

    Attributes:
        text: what was observed.
        quick, deepthink: what either model would do.
        choice: g, 1 where DEEPTHINK acted.
        done: the action that was done.
        probability: P(g = 1) of the Switcher.
        gain: by how much return the Switcher expects a call now to be better.
        more_calls: how many calls more it expects where one is made now.
        reward: what the step brought.
        clairvoyant: whether one who knows how it will go would have called here, at that cost;
            None where that is not known.
    """

    text: str
    quick: str
    deepthink: str
    choice: int
    done: str
    probability: float
    gain: float
    more_calls: float
    reward: float
    clairvoyant: bool | None


@dataclass(frozen=True, slots=True)
class Replay:
    """One episode as the universal Switcher plays it.

    Attributes:
        episode: its seed.
        goal: the mission.
        cost: c.
        budget: n; None for no cap.
        total: the return.
        success: whether it ended well.
        steps: in order.
    """

    episode: int
    goal: str
    cost: float
    budget: int | None
    total: float
    success: bool
    steps: list[ReplayStep]


def write_frontier(folder: Path, found: Frontier, timelines: Sequence[Replay]) -> None:
    """Write `frontier.json` and `timelines.json`, each whole or not at all."""
    write_whole(folder / TIMELINES, [json.dumps([asdict(t) for t in timelines]) + "\n"])
    write_whole(folder / FRONTIER, [json.dumps(asdict(found), indent=1) + "\n"])


def read_frontier(folder: Path) -> Frontier:
    """Read what `write_frontier` wrote.

    Raises:
        DamagedFile: if there is no such file, or a value in it has the wrong type.
    """
    return read_record(folder / FRONTIER, Frontier, renamed)


def read_timelines(folder: Path) -> list[Replay]:
    """Read the replays that `write_frontier` wrote.

    Raises:
        DamagedFile: as `read_frontier`.
    """
    return read_record(folder / TIMELINES, list[Replay])
