"""`londi limit`: the best that any Switcher could have done on these very episodes.

Both models are deterministic, so an episode is a graph: from each state that can be reached, what
QUICK does leads to one state, and what DEEPTHINK does to one, often the same. States that nothing
tells apart are one, and dynamic programming over the graph finds the greatest return with at most k
calls, for every k. It knows how the episode will go, which no Switcher does: a limit, not an aim.

What nobody has looked at is bounded from both sides. This file knows nothing of how states are
reached (`londi.oracle.explore`), nor of how Switchers decide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from londi.config import LimitConfig
from londi.envs.seeds import held_out_seeds
from londi.models.pair import ModelPair, load_pair
from londi.oracle.explore import explore
from londi.oracle.graph import ENDED, Graph
from londi.storage.atomic import write_whole

LIMIT = "limit.json"
EPISODES = "limit.jsonl"

_TINY = 1e-9  # of return

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EpisodeLimit:
    """The best of one episode, by the calls that it may make: 0, 1, ... K of them.

    Attributes:
        episode: its seed.
        states: how many were looked at.
        complete: whether those are all that can be reached.
        at_least: [K + 1], a return that is reached.
        at_most: [K + 1], one that is not exceeded; the same where `complete`.
        calls: [K + 1], those made on the way to `at_least`.
        steps: [K + 1], the length of that way.
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
        """[K + 1], the calls that `at_most` takes: all that may be made, where it is not known."""
        rows = zip(self.at_least, self.at_most, self.calls, strict=True)
        return [calls if low == high else k for k, (low, high, calls) in enumerate(rows)]


@dataclass(frozen=True, slots=True)
class MeanLimit:
    """Means over episodes.

    Attributes:
        return_at_least, return_at_most: of the best returns.
        call_rate: DEEPTHINK calls over the steps of the way to the former.
        calls: DEEPTHINK calls an episode.
    """

    return_at_least: float
    return_at_most: float
    call_rate: float
    calls: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What no Switcher exceeds on a set of episodes.

    Attributes:
        episodes: of each.
        budgets: with at most 0, 1, ... K calls in each episode.
        hull: by the price of a call, from the greatest to none: each episode makes the calls that
            are worth it for `return_at_most`.
    """

    episodes: list[EpisodeLimit]
    budgets: list[MeanLimit]
    hull: list[MeanLimit]


def clairvoyant(
    config: LimitConfig,
    *,
    pair: ModelPair | None = None,
    on_states: Callable[[int, str], None] = lambda done, text: None,
) -> Limit:
    """Compute the limit of the held-out episodes that `config` names.

    Args:
        config: the settings.
        pair: models and environment in place of those that `config` names; closed at the end.
        on_states: called now and then with the number of episodes that are done, and a text.

    Raises:
        InvalidConfig: if a model draws its actions, or the environment does not declare its least
            and greatest return.
    """
    pair = pair or load_pair(config, 0)
    episodes = held_out_seeds(config.episodes)
    with closing(pair):
        graphs = explore(
            pair, episodes, states=config.states, minutes=config.minutes, on_states=on_states
        )
    return Explored(graphs).limit(config.most_calls)


class Explored:
    """The states that two models can reach in some episodes."""

    def __init__(self, graphs: Sequence[Graph]) -> None:
        self._graphs = {graph.seed: graph for graph in graphs}

    def limit(self, most_calls: int) -> Limit:
        """What nobody exceeds, with up to so many calls in each episode."""
        return summed_up([_solve(graph, most_calls) for graph in self._graphs.values()])

    def hindsight(self, episode: int, choices: Sequence[int], cost: float) -> list[bool | None]:
        """At each step of a played episode, whether a call would have been worth its price there.

        That is for one who knows how it will go, and does what is best from there on.

        Args:
            episode: its seed.
            choices: g at each step, which name the way that was taken.
            cost: c, in units of reward.

        Returns:
            None where that is not known, since not all states were looked at.
        """
        table = _Table.of(self._graphs[episode])
        least, most = (_options(table, cost, side) for side in (0, 1))
        told: list[bool | None] = []
        place = 0
        for t, g in enumerate(choices):
            if place < 0 or t >= len(least):  # beyond what was looked at
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
    """The means over these episodes."""
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
    lines = (folder / EPISODES).read_text(encoding="utf-8").splitlines()
    return summed_up([EpisodeLimit(**json.loads(line)) for line in lines])


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
    """The k that is worth most where a call costs `price`; of equals the least."""
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
        after: [n, 2], where QUICK and DEEPTHINK lead from each of n states.
        gain: [n, 2], what they bring.
        rest: [n, 2], the least and the greatest sum of gains that can follow on each state.
        worth: [horizon + 1], what a gain of 1 is worth after so many steps.
    """

    after: Ints
    gain: Floats
    rest: Floats
    worth: Floats

    @classmethod
    def of(cls, graph: Graph) -> _Table:
        """All that has been seen of an episode."""
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
        """What (QUICK, DEEPTHINK) at step `t` are worth in each state, [n, K] each.

        Args:
            t: the step.
            value: [n, K], what each state is worth after it.
            side: what is believed of the unknown: 0 the worst, 1 the best.
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
        side: what is believed of the unknown: 0 the worst, 1 the best.
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
    """What (QUICK, DEEPTHINK) are worth in each state [n, 2] at each step, calls paid for."""
    value = np.zeros((len(table.after), 1))
    options: list[Floats] = []
    for t in table.steps:
        options.append(np.hstack(table.options(t, value, side)) - [0.0, cost])
        value = options[-1].max(1, keepdims=True)
    return options[::-1]


def _follow(after: Ints, choices: Sequence[npt.NDArray[np.bool_]], left: int) -> tuple[int, int]:
    """The calls and the steps of the best way with at most `left` calls."""
    place, calls = 0, 0
    for t, choice in enumerate(choices):
        g = int(choice[place, left - calls])
        calls += g
        place = after[place, g]
        if place < 0:
            return calls, t + 1
    return calls, len(choices)
