"""`londi limit`: the best that any Switcher could have done on these very episodes.

Both models are deterministic, so an episode is a graph: from each state that can be reached, what
QUICK does leads to one state, and what DEEPTHINK does to one, often the same. States that nothing
tells apart are one, and dynamic programming over the graph finds the greatest return with at most k
calls, for every k. It knows how the episode will go, which no Switcher does: a limit, not an aim.

This file knows states of a world that can be taken up again, and nothing of how Switchers decide.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from londi.config import LimitConfig
from londi.episodes import held_out_seeds
from londi.errors import InvalidConfig
from londi.pair import Pair, load_pair
from londi.prompts import HISTORIES, History, Prompt
from londi.runs import write_whole

LIMIT = "limit.json"
EPISODES = "limit.jsonl"

_SUCCESS, _ENDED, _UNKNOWN = -1, -2, -3
"""Where a choice leads that leads to no state: to a reward, to none, or where nobody has looked."""
_BATCH = 256  # states whose actions are asked for at once
_TINY = 1e-9  # of return
_SECONDS = 5.0  # between two reports

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@runtime_checkable
class Rewindable(Protocol):
    """What a text environment must be able to do: keep its states, and take them up again.

    Attributes:
        horizon: steps after which an episode is cut off.
    """

    @property
    def horizon(self) -> int: ...

    def reward_at(self, steps: int) -> float:
        """The reward of a success after so many steps; there must be no other."""
        ...

    def snapshot(self) -> bytes:
        """The state without its clock: equal for states that nothing tells apart."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Take up what `snapshot` returned."""
        ...


@dataclass(slots=True)
class _Graph:
    """The states of one episode that have been seen, the first one first.

    Attributes:
        seed: of the episode.
        states: the world and the history of each, to be taken up; None once it was looked at.
        after: where (QUICK, DEEPTHINK) lead from each.
        known: the place of each state, by what tells it apart.
    """

    seed: int
    states: list[bytes | None] = field(default_factory=list)
    after: list[tuple[int, int]] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)

    def place(self, key: bytes, state: bytes, most: int) -> tuple[int, bool]:
        """The place of a state, and whether it is new; unknown where there is room for no more."""
        if key in self.known:
            return self.known[key], False
        if len(self.states) >= most:
            return _UNKNOWN, False
        self.known[key] = len(self.states)
        self.states.append(state)
        self.after.append((_UNKNOWN, _UNKNOWN))
        return self.known[key], True


@dataclass(frozen=True, slots=True)
class Best:
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


@dataclass(frozen=True, slots=True)
class Point:
    """Means over episodes.

    Attributes:
        return_at_least, return_at_most: of the best returns.
        call_rate: DEEPTHINK steps over steps, on the way to the former.
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
            are worth it.
    """

    episodes: list[Best]
    budgets: list[Point]
    hull: list[Point]


def limit(
    config: LimitConfig,
    *,
    pair: Pair | None = None,
    on_states: Callable[[int, str], None] = lambda done, text: None,
) -> Limit:
    """The limit of the held-out episodes that `config` names.

    Args:
        config: the settings.
        pair: models and environment in place of those that `config` names.
        on_states: told now and then of the episodes that are done.

    Raises:
        InvalidConfig: if a model draws its actions, or the environment cannot be rewound.
    """
    pair = pair or load_pair(config, 0)
    episodes = held_out_seeds(config.episodes)
    found = explore(
        pair, episodes, states=config.states, minutes=config.minutes, on_states=on_states
    )
    pair.close()
    return found.limit(config.most_calls)


class Explored:
    """The states that two models can reach in some episodes."""

    def __init__(self, graphs: Sequence[_Graph], rewards: Sequence[Floats]) -> None:
        self._graphs = {graph.seed: graph for graph in graphs}
        self._rewards = {graph.seed: row for graph, row in zip(graphs, rewards, strict=True)}

    def limit(self, most_calls: int) -> Limit:
        """What nobody exceeds, with up to so many calls in each episode."""
        return summed_up(
            [_solve(graph, self._rewards[e], most_calls) for e, graph in self._graphs.items()]
        )

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
        graph, rewards = self._graphs[episode], self._rewards[episode]
        after = np.array(graph.after)
        least = _options(after, rewards, cost, np.zeros_like(rewards))
        most = _options(after, rewards, cost, _at_best(rewards))
        told: list[bool | None] = []
        place = 0
        for t, g in enumerate(choices):
            if place < 0:  # beyond what was looked at
                told.append(None)
                continue
            (quick_least, call_least), (quick_most, call_most) = least[t][place], most[t][place]
            if call_least > quick_most + _TINY:
                told.append(True)
            elif quick_least >= call_most - _TINY:
                told.append(False)
            else:
                told.append(None)
            place = int(after[place, g])
        return told


def summed_up(episodes: list[Best]) -> Limit:
    """The means over these episodes."""
    most = len(episodes[0].at_least)
    budgets = [_mean(episodes, [k] * len(episodes)) for k in range(most)]
    # Each price at which some episode's choice turns, the greatest first.
    prices = {np.inf, 0.0} | {price for best in episodes for price in turns(best)}
    hull: list[Point] = []
    for price in sorted(prices, reverse=True):
        point = _mean(episodes, [worthwhile(best, price) for best in episodes])
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
    return summed_up([Best(**json.loads(line)) for line in lines])


def turns(best: Best) -> Iterator[float]:
    """The prices of a call below which more calls are worth making, the greatest first."""
    k = 0
    while True:
        gains = [
            ((best.at_least[j] - best.at_least[k]) / (best.calls[j] - best.calls[k]), j)
            for j in range(k + 1, len(best.calls))
            if best.calls[j] > best.calls[k] and best.at_least[j] > best.at_least[k]
        ]
        if not gains:
            return
        price, k = max(gains)
        yield price


def worthwhile(best: Best, price: float) -> int:
    """The k that is worth most where a call costs `price`; of equals the least."""
    if np.isinf(price):
        return 0
    return int(np.argmax(np.round(np.array(best.at_least) - price * np.array(best.calls), 9)))


def _mean(episodes: Sequence[Best], chosen: Sequence[int]) -> Point:
    """With `chosen[i]` calls at most in episode i."""
    pairs = list(zip(episodes, chosen, strict=True))
    calls = sum(best.calls[k] for best, k in pairs)
    return Point(
        return_at_least=float(np.mean([best.at_least[k] for best, k in pairs])),
        return_at_most=float(np.mean([best.at_most[k] for best, k in pairs])),
        call_rate=calls / sum(best.steps[k] for best, k in pairs),
        calls=calls / len(pairs),
    )


class _World:
    """One copy of the environment, to be put into any state of any episode."""

    def __init__(self, pair: Pair) -> None:
        self._env = pair.make()
        inner = self._env.unwrapped
        if not isinstance(inner, Rewindable):
            raise InvalidConfig(
                f"env: {self._env.spec.id if self._env.spec else self._env} cannot be rewound, and"
                " has no limit that could be computed"
            )
        self._inner: Rewindable = inner
        self._history: type[History] = HISTORIES[inner.metadata.get("history", "plain")]

    def begin(self, seed: int) -> tuple[bytes, bytes]:
        """The first state of an episode: what tells it apart, and itself."""
        observation, info = self._env.reset(seed=seed)
        return self._kept(self._history(observation, info))

    @property
    def rewards(self) -> Floats:
        """[horizon + 1], of a success after so many steps of the episode that was begun last."""
        return np.array([self._inner.reward_at(t) for t in range(self._inner.horizon + 1)])

    def step(self, state: bytes, action: str) -> tuple[bytes, bytes] | int:
        """The state that `action` leads to, or that it leads to none."""
        world, history = pickle.loads(state)
        self._inner.restore(world)
        observation, reward, terminated, _, info = self._inner.step(action)  # type: ignore[attr-defined]
        if terminated:
            return _SUCCESS if reward > 0 else _ENDED
        history.add(action, observation, info)
        return self._kept(history)

    def prompt(self, state: bytes) -> Prompt:
        history: History = pickle.loads(state)[1]
        return history.prompt()

    def close(self) -> None:
        self._env.close()

    def _kept(self, history: History) -> tuple[bytes, bytes]:
        world = self._inner.snapshot()
        prompt = history.prompt()
        key = hashlib.sha256(world + repr((prompt.actions, prompt.text())).encode()).digest()
        return key, pickle.dumps((world, history), pickle.HIGHEST_PROTOCOL)


def explore(
    pair: Pair,
    episodes: Sequence[int],
    *,
    states: int,
    minutes: float,
    on_states: Callable[[int, str], None] = lambda done, text: None,
) -> Explored:
    """Look at the states that can be reached in these episodes.

    Nearest states first, of all episodes at once, so that the models answer in full batches.

    Args:
        pair: the models and their environment.
        episodes: their seeds.
        states: most states of each.
        minutes: after which no further state is looked at.
        on_states: told now and then of the episodes that are done.

    Raises:
        InvalidConfig: if a model draws its actions, or the environment cannot be rewound.
    """
    for model in (pair.quick, pair.deepthink):
        if model.fingerprint is None:
            raise InvalidConfig(f"expected deterministic models, got {model.name!r}")
    world = _World(pair)
    graphs, rewards = [], []
    todo: deque[tuple[_Graph, int]] = deque()
    for seed in episodes:
        graph = _Graph(seed)
        graph.place(*world.begin(seed), states)
        graphs.append(graph)
        rewards.append(world.rewards)
        todo.append((graph, 0))
    until, told = time.monotonic() + 60 * minutes, time.monotonic()
    seen = 0
    while todo and time.monotonic() < until:
        batch = [todo.popleft() for _ in range(min(_BATCH, len(todo)))]
        kept: list[bytes] = []
        for graph, place in batch:
            state = graph.states[place]
            assert state is not None
            kept.append(state)
        prompts = [world.prompt(state) for state in kept]
        replies = pair.quick.act(prompts), pair.deepthink.act(prompts)
        for (graph, place), state, quick, deepthink in zip(batch, kept, *replies, strict=True):
            ends: dict[str, int] = {}
            for action in dict.fromkeys((quick.action, deepthink.action)):
                after = world.step(state, action)
                if isinstance(after, int):
                    ends[action] = after
                    continue
                ends[action], new = graph.place(*after, states)
                if new:
                    todo.append((graph, ends[action]))
            graph.after[place] = ends[quick.action], ends[deepthink.action]
            graph.states[place] = None  # it will not be taken up again
        seen += len(batch)
        if time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            pair.commit()
            left = {id(graph) for graph, _ in todo}
            on_states(len(graphs) - len(left), f"{seen} states, {len(todo)} in sight")
    on_states(len(graphs), f"{seen} states")
    world.close()
    return Explored(graphs, rewards)


def _solve(graph: _Graph, rewards: Floats, most: int) -> Best:
    """Dynamic programming over the steps that are left, from the last to the first."""
    after = np.array(graph.after)
    complete = not (after == _UNKNOWN).any()
    least, calls_made = _backward(after, rewards, most, np.zeros_like(rewards))
    greatest = least if complete else _backward(after, rewards, most, _at_best(rewards))[0]
    calls, steps = zip(*(_follow(after, calls_made, k) for k in range(most + 1)), strict=True)
    return Best(
        graph.seed,
        len(after),
        complete,
        least.tolist(),
        greatest.tolist(),
        list(calls),
        list(steps),
    )


def _backward(
    after: Ints, rewards: Floats, most: int, unknown: Floats
) -> tuple[Floats, list[npt.NDArray[np.bool_]]]:
    """The best returns [K + 1] of the first state, and the choices [n, K + 1] of each step.

    Args:
        after: [n, 2], where QUICK and DEEPTHINK lead from each of n states.
        rewards: [horizon + 1], of a success after so many steps.
        most: K.
        unknown: [horizon + 1], what is believed of a state that nobody has looked at, by step.
    """
    value = np.zeros((len(after), most + 1))
    choices: list[npt.NDArray[np.bool_]] = []
    for t in range(len(rewards) - 2, -1, -1):
        quick, deepthink = (_ahead(to[:, None], value, rewards, unknown, t) for to in after.T)
        call = np.full_like(quick, -np.inf)
        call[:, 1:] = deepthink[:, :-1]
        choices.append(call > quick)
        value = np.maximum(quick, call)
    return value[0], choices[::-1]


def _options(
    after: Ints, rewards: Floats, cost: float, unknown: Floats
) -> list[npt.NDArray[np.float64]]:
    """What (QUICK, DEEPTHINK) are worth in each state [n, 2] at each step, calls paid for."""
    value = np.zeros((len(after), 1))
    options: list[Floats] = []
    for t in range(len(rewards) - 2, -1, -1):
        both = [_ahead(to[:, None], value, rewards, unknown, t) for to in after.T]
        options.append(np.hstack(both) - [0.0, cost])
        value = options[-1].max(1, keepdims=True)
    return options[::-1]


def _at_best(rewards: Floats) -> Floats:
    """What a state that nobody has looked at may bring, by its step: a success in the next."""
    return np.append(rewards[1:], 0.0)


def _ahead(to: Ints, value: Floats, rewards: Floats, unknown: Floats, t: int) -> Floats:
    """What a choice at step `t` is worth in each state [n, K], by where it leads `to` [n, 1]."""
    return np.select(
        [to >= 0, to == _SUCCESS, to == _UNKNOWN],
        [value[np.maximum(to[:, 0], 0)], rewards[t + 1], unknown[t + 1]],
        0.0,
    )


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
