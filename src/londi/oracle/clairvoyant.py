"""Clairvoyant optimum of `londi limit`: the best return of any Switcher on given episodes.

Both models are deterministic, so an episode is a graph: from each reachable state, QUICK's action
leads to one state and DEEPTHINK's action to one, often the same. Dynamic programming over the graph
finds the greatest return with at most k calls, for every k. It knows how the episode will go, which
no Switcher does: the result is an upper bound, not a target.

Values of unexplored states are bounded from both sides. This file does not know how states are
explored (`londi.oracle.explore`), nor how Switchers decide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from londi.config import LimitConfig
from londi.config.ray import RayConfig
from londi.envs.seeds import held_out_seeds
from londi.models.pair import ModelPair, load_pair
from londi.oracle.explore import Explorations, explorations
from londi.oracle.graph import ENDED, Graph
from londi.scale.opening import check_loadable, open_workers
from londi.scale.workers import Workers, shares
from londi.storage.atomic import write_whole
from londi.storage.records import read_lines

LIMIT = "limit.json"
EPISODES = "limit.jsonl"

_TINY = 1e-9  # of return

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EpisodeLimit:
    """The best returns of one episode with at most 0, 1, ... K calls.

    Attributes:
        episode: its seed.
        states: number of states explored.
        complete: whether all reachable states were explored.
        at_least: [K + 1], a return that is reached.
        at_most: [K + 1], a return that is not exceeded; equal to `at_least` where `complete`.
        calls: [K + 1], calls on the path to `at_least`.
        steps: [K + 1], length of that path.
    """

    episode: int
    states: int
    complete: bool
    at_least: list[float]
    at_most: list[float]
    calls: list[int]
    steps: list[int]

    @property
    def most_calls(self) -> list[int]:
        """[K + 1], the calls that `at_most` takes; all K that are allowed where it is not known."""
        rows = zip(self.at_least, self.at_most, self.calls, strict=True)
        return [calls if low == high else k for k, (low, high, calls) in enumerate(rows)]


@dataclass(frozen=True, slots=True)
class MeanLimit:
    """Means over episodes.

    Attributes:
        return_at_least, return_at_most: bounds of the best returns.
        call_rate: DEEPTHINK calls over the steps of the path to the lower bound.
        calls: DEEPTHINK calls per episode.
    """

    return_at_least: float
    return_at_most: float
    call_rate: float
    calls: float


@dataclass(frozen=True, slots=True)
class Limit:
    """The best returns of any Switcher on a set of episodes.

    Attributes:
        episodes: the best returns of each episode.
        budgets: means with at most 0, 1, ... K calls in each episode.
        hull: means by the price of a call, from the highest to none: each episode makes the calls
            that pay for themselves in `return_at_most`.
    """

    episodes: list[EpisodeLimit]
    budgets: list[MeanLimit]
    hull: list[MeanLimit]


def clairvoyant(
    config: LimitConfig,
    *,
    pair: ModelPair | None = None,
    on_states: Callable[[int, str], None] = lambda done, text: None,
    ray: RayConfig | None = None,
) -> Limit:
    """Compute the limit of the held-out episodes that `config` names.

    Args:
        config: the settings.
        pair: models and environment in place of those that `config` names; closed at the end.
        on_states: called now and then with the number of episodes that are done, and a text.
        ray: where episodes are explored; None for this process.

    Raises:
        InvalidConfig: if a model draws its actions, or the environment does not declare its least
            and greatest return.
    """
    check_loadable(pair is not None, config.workers, ray)
    with closing(pair or load_pair(config, 0)) as pair:  # refused before there are workers
        load = partial(load_pair, config, 0)
        opened = open_workers(
            load, config.workers, ray, device=config.device, end=ModelPair.close, first=pair
        )
        with closing(opened) as workers:
            return limit(
                workers,
                held_out_seeds(config.episodes),
                states=config.states,
                minutes=config.minutes,
                most_calls=config.most_calls,
                on_states=on_states,
            )


def limit(
    workers: Workers[ModelPair],
    episodes: Sequence[int],
    *,
    states: int,
    minutes: float,
    most_calls: int,
    on_states: Callable[[int, str], None] = lambda done, text: None,
) -> Limit:
    """The limit of these episodes, each worker exploring a stretch of them.

    Args:
        workers: with the models and their environment.
        episodes: their seeds.
        states: largest number of states of each episode.
        minutes: time limit for exploring states, in minutes.
        most_calls: largest number of calls in an episode.
        on_states: called now and then with the number of episodes that are done, and a text.
    """
    units = [(part, states, minutes, most_calls) for part in shares(episodes, workers.count)]
    found: list[EpisodeLimit] = []
    far: dict[int, Explorations] = {}
    for place, item in workers.stream(_explore_share, units):
        if isinstance(item, Explorations):
            far[place] = item
            now = far.values()
            on_states(sum(one.done for one in now), f"{sum(one.states for one in now)} states")
        else:
            found += item
    return summed_up(found)


def _explore_share(
    pair: ModelPair, episodes: Sequence[int], states: int, minutes: float, most_calls: int
) -> Iterator[Explorations | list[EpisodeLimit]]:
    graphs = yield from explorations(pair, episodes, states=states, minutes=minutes)
    yield [_solve(graph, most_calls) for graph in graphs]


class Explored:
    """The explored graphs of some episodes."""

    def __init__(self, graphs: Sequence[Graph]) -> None:
        self._graphs = {graph.seed: graph for graph in graphs}

    def limit(self, most_calls: int) -> Limit:
        """The best returns with at most 0, 1, ... `most_calls` calls in each episode."""
        return summed_up([_solve(graph, most_calls) for graph in self._graphs.values()])

    def hindsight(self, episode: int, choices: Sequence[int], cost: float) -> list[bool | None]:
        """Whether a call was worth its price, at each step of a played episode.

        It is judged with knowledge of how the episode goes, and the best choices from there on.

        Args:
            episode: its seed.
            choices: g at each step of the episode.
            cost: c, in units of reward.

        Returns:
            One entry a step; None where it is not known, since states were left unexplored.
        """
        table = _Table.of(self._graphs[episode])
        least, most = (_options(table, cost, side) for side in (0, 1))
        told: list[bool | None] = []
        place = 0
        for t, g in enumerate(choices):
            if place < 0 or t >= len(least):  # beyond the explored states
                told.append(None)
                continue
            (quick_least, call_least), (quick_most, call_most) = least[t][place], most[t][place]
            if call_least > quick_most + _TINY:
                told.append(True)
            elif quick_least >= call_most - _TINY:
                told.append(False)
            else:
                told.append(None)
            place = int(table.after[place, g])
        return told


def summed_up(episodes: list[EpisodeLimit]) -> Limit:
    """The means over these episodes, put in the order of their seeds, as methods play them.

    Copies of an environment that explore side by side leave them in another order.
    """
    episodes = sorted(episodes, key=lambda best: best.episode)
    most = len(episodes[0].at_least)
    made, taken = [best.calls for best in episodes], [best.most_calls for best in episodes]
    sides = [(best.at_most, calls) for best, calls in zip(episodes, taken, strict=True)]
    budgets = [_mean(episodes, [k] * len(episodes), made) for k in range(most)]
    # Each price at which some episode's choice turns, the greatest first. Chosen by what is not
    # exceeded, so that nothing lies beyond.
    prices = {np.inf, 0.0} | {price for side in sides for price in turns(*side)}
    hull: list[MeanLimit] = []
    for price in sorted(prices, reverse=True):
        point = _mean(episodes, [worthwhile(*side, price) for side in sides], taken)
        if not hull or point != hull[-1]:
            hull.append(point)
    return Limit(episodes, budgets, hull)


def write_limit(folder: Path, found: Limit) -> None:
    """Write `limit.json` and, one line an episode, `limit.jsonl`."""
    rows = {"budgets": list(map(asdict, found.budgets)), "hull": list(map(asdict, found.hull))}
    write_whole(folder / EPISODES, [json.dumps(asdict(best)) + "\n" for best in found.episodes])
    write_whole(folder / LIMIT, [json.dumps(rows, indent=1) + "\n"])


def read_limit(folder: Path) -> Limit:
    """Read what `write_limit` wrote."""
    return summed_up(read_lines(folder / EPISODES, EpisodeLimit))


def turns(returns: Sequence[float], calls: Sequence[int]) -> Iterator[float]:
    """The prices of a call below which more of `calls` are worth making, the greatest first."""
    k = 0
    while True:
        gains = [
            ((returns[j] - returns[k]) / (calls[j] - calls[k]), j)
            for j in range(k + 1, len(calls))
            if calls[j] > calls[k] and returns[j] > returns[k]
        ]
        if not gains:
            return
        price, k = max(gains)
        yield price


def worthwhile(returns: Sequence[float], calls: Sequence[int], price: float) -> int:
    """The k with the highest return less `price` per call; the smallest of equals."""
    if np.isinf(price):
        return 0
    return int(np.argmax(np.round(np.array(returns) - price * np.array(calls), 9)))


def _mean(
    episodes: Sequence[EpisodeLimit], chosen: Sequence[int], made: Sequence[Sequence[int]]
) -> MeanLimit:
    """With `chosen[i]` calls at most in episode i, of which `made[i][chosen[i]]` are made."""
    pairs = list(zip(episodes, chosen, strict=True))
    calls = sum(row[k] for row, k in zip(made, chosen, strict=True))
    return MeanLimit(
        return_at_least=float(np.mean([best.at_least[k] for best, k in pairs])),
        return_at_most=float(np.mean([best.at_most[k] for best, k in pairs])),
        call_rate=calls / sum(best.steps[k] for best, k in pairs),
        calls=calls / len(pairs),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A graph in numbers, to be solved from the last step to the first.

    Attributes:
        after: [n, 2], next states of QUICK's and DEEPTHINK's action in each of n states.
        gain: [n, 2], gains of those actions.
        rest: [n, 2], the least and the greatest sum of gains that can follow each state.
        worth: [horizon + 1], the reward for a gain of 1 after that many steps.
    """

    after: Ints
    gain: Floats
    rest: Floats
    worth: Floats

    @classmethod
    def of(cls, graph: Graph) -> _Table:
        """The table of an explored graph."""
        worth = graph.worth
        if worth is None:
            worth = np.ones(max(way.steps for way in graph.ways) + 2)
        rest = np.array(graph.reach) - np.array(graph.earned)[:, None]
        return cls(np.array(graph.after), np.array(graph.gain), rest, worth)

    @property
    def steps(self) -> range:
        """The steps of an episode, the last one first."""
        return range(len(self.worth) - 2, -1, -1)

    def options(self, t: int, value: Floats, side: int) -> tuple[Floats, Floats]:
        """Values of (QUICK, DEEPTHINK) at step `t` in each state, [n, K] each.

        Args:
            t: the step.
            value: [n, K], values of the states after it.
            side: assumption for unexplored states: 0 the worst, 1 the best.
        """
        quick, deepthink = (
            np.select(
                [to[:, None] >= 0, to[:, None] == ENDED],
                [
                    gain[:, None] * self.worth[t + 1] + value[np.maximum(to, 0)],
                    gain[:, None] * self.worth[t + 1],
                ],
                self.rest[:, side, None] * self.worth[t + 1],
            )
            for to, gain in zip(self.after.T, self.gain.T, strict=True)
        )
        return quick, deepthink


def _solve(graph: Graph, most: int) -> EpisodeLimit:
    """Dynamic programming over the steps that are left, from the last to the first."""
    table, complete = _Table.of(graph), graph.complete
    least, choices = _backward(table, most, 0)
    greatest = least if complete else _backward(table, most, 1)[0]
    calls, steps = zip(*(_follow(table.after, choices, k) for k in range(most + 1)), strict=True)
    return EpisodeLimit(
        graph.seed,
        len(table.after),
        complete,
        least.tolist(),
        greatest.tolist(),
        list(calls),
        list(steps),
    )


def _backward(table: _Table, most: int, side: int) -> tuple[Floats, list[npt.NDArray[np.bool_]]]:
    """The best returns [K + 1] of the first state, and the choices [n, K + 1] of each step.

    Args:
        table: the episode.
        most: K.
        side: assumption for unexplored states: 0 the worst, 1 the best.
    """
    value = np.zeros((len(table.after), most + 1))
    choices: list[npt.NDArray[np.bool_]] = []
    for t in table.steps:
        quick, deepthink = table.options(t, value, side)
        call = np.full_like(quick, -np.inf)
        call[:, 1:] = deepthink[:, :-1]
        choices.append(call > quick)
        value = np.maximum(quick, call)
    return value[0], choices[::-1]


def _options(table: _Table, cost: float, side: int) -> list[Floats]:
    """Values of (QUICK, DEEPTHINK) in each state [n, 2] at each step, less the cost of calls."""
    value = np.zeros((len(table.after), 1))
    options: list[Floats] = []
    for t in table.steps:
        options.append(np.hstack(table.options(t, value, side)) - [0.0, cost])
        value = options[-1].max(1, keepdims=True)
    return options[::-1]


def _follow(after: Ints, choices: Sequence[npt.NDArray[np.bool_]], left: int) -> tuple[int, int]:
    """The calls and the steps of the best path with at most `left` calls."""
    place, calls = 0, 0
    for t, choice in enumerate(choices):
        g = int(choice[place, left - calls])
        calls += g
        place = after[place, g]
        if place < 0:
            return calls, t + 1
    return calls, len(choices)
