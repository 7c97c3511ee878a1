"""`londi limit`: the best that any Switcher could have done on these very episodes.

Both models are deterministic, so an episode is a graph: from each state that can be reached, what
QUICK does leads to one state, and what DEEPTHINK does to one, often the same. States that nothing
tells apart are one, and dynamic programming over the graph finds the greatest return with at most k
calls, for every k. It knows how the episode will go, which no Switcher does: a limit, not an aim.

A graph that is too large is looked at from its ends: the way of QUICK alone and the way of
DEEPTHINK alone, then those that leave either once, then twice. What nobody has looked at is bounded
from both sides. This file knows how a world is put into a state, and nothing of how Switchers
decide.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from londi.config import LimitConfig
from londi.envs.episode import TextEpisode
from londi.envs.remembered import remembered
from londi.episodes import held_out_seeds
from londi.errors import InvalidConfig
from londi.pair import Pair, load_pair
from londi.prompts import HISTORIES, History, Prompt
from londi.runs import write_whole

LIMIT = "limit.json"
EPISODES = "limit.jsonl"

_ENDED, _UNKNOWN, _CUT = -1, -2, -3
"""Where a choice leads that leads to no state: to the end, or where nobody has looked, yet or for
want of room."""
_BATCH = 256  # choices that are looked at side by side
_WAITING = 4  # episodes, where each step waits for another process
_TINY = 1e-9  # of return
_SECONDS = 5.0  # between two reports

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@runtime_checkable
class Rewindable(Protocol):
    """A text environment that can keep its states, and take them up again.

    Others are brought to a state by its episode's actions, done again from the start.

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


class _State(NamedTuple):
    """A state that was reached.

    Attributes:
        key: equal for states that nothing tells apart.
        kept: what it can be taken up by.
        prompt: what the models read in it.
    """

    key: bytes
    kept: Any
    prompt: Prompt


class _Reached(NamedTuple):
    """What a step led to.

    Attributes:
        gain: its reward, as a share of what a success is worth there.
        state: None where the episode ended.
    """

    gain: float
    state: _State | None


class _Way(NamedTuple):
    """How a state is reached where the models disagree on the way.

    Attributes:
        calls: how often DEEPTHINK acted there.
        declined: how often QUICK did.
        steps: in all.
    """

    calls: int
    declined: int
    steps: int

    def then(self, g: int, agreed: bool) -> _Way:
        """With one more step."""
        counts = (0, 0) if agreed else (g, 1 - g)
        return _Way(self.calls + counts[0], self.declined + counts[1], self.steps + 1)

    def least(self, other: _Way) -> _Way:
        """The lesser of each number."""
        return _Way(*map(min, self, other))

    @property
    def level(self) -> int:
        """How far it is from one model acting alone."""
        return min(self.calls, self.declined)


@dataclass(slots=True)
class _Graph:
    """What has been seen of one episode, and where to look next; its first state comes first.

    Attributes:
        seed: of the episode.
        reach: the least and the greatest sum of gains of an episode.
        worth: [horizon + 1], what a gain of 1 is worth after so many steps; None for 1 throughout,
            where a state's way tells its time.
        kept: what each state can be taken up by; None once that is not needed.
        earned: the gains on the way to each.
        actions: what (QUICK, DEEPTHINK) do in each; None until they have been asked.
        after: where those lead.
        gain: what they bring.
        ways: the least of what it takes to reach each.
        known: the place of each state, by its key.
        waiting: choices to look at, those of the lowest level and newest first.
        pushed: how many have been put there.
    """

    seed: int
    reach: tuple[float, float]
    worth: Floats | None = None
    kept: list[Any] = field(default_factory=list)
    earned: list[float] = field(default_factory=list)
    actions: list[tuple[str, str] | None] = field(default_factory=list)
    after: list[list[int]] = field(default_factory=list)
    gain: list[list[float]] = field(default_factory=list)
    ways: list[_Way] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    waiting: list[tuple[int, int, int, int]] = field(default_factory=list)
    pushed: int = 0

    @property
    def level(self) -> float:
        """Of the choice that is to be looked at next; infinite where nothing is left."""
        while self.waiting and self.after[self.waiting[0][2]][self.waiting[0][3]] != _UNKNOWN:
            heapq.heappop(self.waiting)  # looked at since, from elsewhere
        return self.waiting[0][0] if self.waiting else inf

    def pop(self) -> tuple[int, int]:
        """The (place, choice) to look at next."""
        *_, place, g = heapq.heappop(self.waiting)
        return place, g

    def add(self, state: _State, earned: float, way: _Way) -> int:
        """The place of a state that has not been seen; `open` follows."""
        place = self.known[state.key] = len(self.after)
        self.kept.append(state.kept)
        self.earned.append(earned)
        self.actions.append(None)
        self.after.append([_UNKNOWN, _UNKNOWN])
        self.gain.append([0.0, 0.0])
        self.ways.append(way)
        return place

    def open(self, place: int, actions: tuple[str, str]) -> None:
        """Let the choices of a state be looked at, now that it is known what they do."""
        self.actions[place] = actions
        self._wait(place)

    def action(self, place: int, g: int) -> str:
        """What a choice does in a state that was opened."""
        actions = self.actions[place]
        assert actions
        return actions[g]

    def link(self, place: int, g: int, reached: _Reached | None, most: int) -> int | None:
        """Note what a choice has led to.

        Args:
            place: where it was made.
            g: the choice.
            reached: what it led to; None where that cannot be said.
            most: states that there is room for.

        Returns:
            The place of a new state, if it led to one.
        """
        new, to, gain = None, _CUT, 0.0
        if reached:
            gain, state = reached
            way = self.ways[place].then(g, self._agreed(place))
            if state is None:
                to = _ENDED
            elif state.key in self.known:
                to = self.known[state.key]
            elif len(self.after) < most:
                new = to = self.add(state, self.earned[place] + gain, way)
        for h in (0, 1) if self._agreed(place) else (g,):
            self.after[place][h], self.gain[place][h] = to, gain
        if _UNKNOWN not in self.after[place]:
            self.kept[place] = None
        if to >= 0 and new is None:
            self._shorten(to, way)
        return new

    def table(self) -> _Table:
        """All of it in numbers."""
        worth = self.worth
        if worth is None:
            worth = np.ones(max(way.steps for way in self.ways) + 2)
        rest = np.array(self.reach) - np.array(self.earned)[:, None]
        return _Table(np.array(self.after), np.array(self.gain), rest, worth)

    @property
    def complete(self) -> bool:
        """Whether all that can be reached has been looked at."""
        pairs = zip(self.after, self.ways, strict=True)
        return not any(min(after) <= _UNKNOWN and self._in_time(way) for after, way in pairs)

    def _agreed(self, place: int) -> bool:
        return self.action(place, 0) == self.action(place, 1)

    def _in_time(self, way: _Way) -> bool:
        return self.worth is None or way.steps < len(self.worth) - 1

    def _wait(self, place: int) -> None:
        way = self.ways[place]
        if self.actions[place] is None or not self._in_time(way):
            return
        agreed = self._agreed(place)
        for g in (0,) if agreed else (0, 1):
            if self.after[place][g] == _UNKNOWN:
                self.pushed += 1
                heapq.heappush(self.waiting, (way.then(g, agreed).level, -self.pushed, place, g))

    def _shorten(self, place: int, way: _Way) -> None:
        """Note another way to a state, and to what follows on it."""
        todo = deque([(place, way)])
        while todo:
            place, way = todo.popleft()
            better = self.ways[place].least(way)
            if better == self.ways[place]:
                continue
            self.ways[place] = better
            self._wait(place)
            todo += [
                (to, better.then(g, self._agreed(place)))
                for g, to in enumerate(self.after[place])
                if to >= 0
            ]


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
                [to[:, None] >= 0, to[:, None] == _ENDED],
                [
                    gain[:, None] * self.worth[t + 1] + value[np.maximum(to, 0)],
                    gain[:, None] * self.worth[t + 1],
                ],
                self.rest[:, side, None] * self.worth[t + 1],
            )
            for to, gain in zip(self.after.T, self.gain.T, strict=True)
        )
        return quick, deepthink


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

    @property
    def most_calls(self) -> list[int]:
        """[K + 1], the calls that `at_most` takes: all that may be made, where it is not known."""
        rows = zip(self.at_least, self.at_most, self.calls, strict=True)
        return [calls if low == high else k for k, (low, high, calls) in enumerate(rows)]


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
        InvalidConfig: if a model draws its actions, or the environment does not tell what an
            episode returns at least and at most.
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

    def __init__(self, graphs: Sequence[_Graph]) -> None:
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
        table = self._graphs[episode].table()
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


def summed_up(episodes: list[Best]) -> Limit:
    """The means over these episodes."""
    most = len(episodes[0].at_least)
    budgets = [_mean(episodes, [k] * len(episodes)) for k in range(most)]
    # Each price at which some episode's choice turns, the greatest first.
    prices = {np.inf, 0.0} | {
        price for best in episodes for price in turns(best.at_least, best.calls)
    }
    hull: list[Point] = []
    for price in sorted(prices, reverse=True):
        point = _mean(episodes, [worthwhile(b.at_least, b.calls, price) for b in episodes])
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


class _World(Protocol):
    """One copy of the environment, to be put into any state of any episode."""

    def begin(self, seed: int) -> _State:
        """The first state of an episode."""

    def step(self, seed: int, kept: Any, action: str) -> _Reached | None:
        """What `action` leads to from a state of that episode; None where that is lost."""

    @property
    def worth(self) -> Floats | None:
        """As a graph has it, of the episode that was begun last."""

    def close(self) -> None:
        """Let go of the environment."""


class _Rewound:
    """A world that keeps its states."""

    def __init__(self, env: gym.Env[str, str], inner: Rewindable) -> None:
        self._env, self._inner = env, inner
        self._history: type[History] = HISTORIES[env.unwrapped.metadata.get("history", "plain")]

    def begin(self, seed: int) -> _State:
        observation, info = self._env.reset(seed=seed)
        return self._state(self._history(observation, info))

    def step(self, seed: int, kept: bytes, action: str) -> _Reached:
        world, history = pickle.loads(kept)
        self._inner.restore(world)
        # Its clock begins anew, so that the step is its first.
        observation, reward, terminated, _, info = self._env.unwrapped.step(action)
        gain = float(reward) / self._inner.reward_at(1)
        if terminated:
            return _Reached(gain, None)
        history.add(action, observation, info)
        return _Reached(gain, self._state(history))

    @property
    def worth(self) -> Floats:
        return np.array([self._inner.reward_at(t) for t in range(self._inner.horizon + 1)])

    def close(self) -> None:
        self._env.close()

    def _state(self, history: History) -> _State:
        world, prompt = self._inner.snapshot(), history.prompt()
        key = hashlib.sha256(world + repr((prompt.actions, prompt.text())).encode()).digest()
        return _State(key, pickle.dumps((world, history), pickle.HIGHEST_PROTOCOL), prompt)


class _Retraced:
    """A world that is brought to a state by the actions that led there.

    No two ways are taken to meet: what a model reads may tell any step of an episode.
    """

    worth = None

    def __init__(self, env: gym.Env[str, str]) -> None:
        self._episode = TextEpisode(env)

    def begin(self, seed: int) -> _State:
        self._episode.start(seed)
        return self._state()

    def step(self, seed: int, kept: tuple[str, ...], action: str) -> _Reached | None:
        self._episode.resume(seed, kept)
        outcome = self._episode.step(action)
        if outcome.lost:
            return None
        return _Reached(outcome.reward, None if outcome.ended else self._state())

    def close(self) -> None:
        self._episode.close()

    def _state(self) -> _State:
        taken = tuple(self._episode.taken)
        return _State(repr(taken).encode(), taken, self._episode.prompt())


class _Worlds:
    """As many worlds as are worth having.

    Args:
        pair: whose environment they are.

    Attributes:
        reach: the least and the greatest return of an episode.
        slots: episodes to be looked at side by side; that of slot k always in the same world.
        batch: choices to be looked at side by side.

    Raises:
        InvalidConfig: if the environment does not tell its returns.
    """

    def __init__(self, pair: Pair) -> None:
        make = remembered(pair.make)
        env = make()
        metadata = env.unwrapped.metadata
        if "returns" not in metadata:
            raise InvalidConfig(
                f"env: expected one that tells its least and greatest return in"
                f" metadata['returns'], got {env.spec.id if env.spec else env}"
            )
        self.reach: tuple[float, float] = metadata["returns"]
        waits = metadata.get("waits", False)
        self.slots, self.batch = (_WAITING, 1) if waits else (_BATCH, _BATCH)
        envs = [env, *(make() for _ in range(_WAITING - 1 if waits else 0))]
        self._worlds: list[_World] = [_world(env) for env in envs]
        self._threads = ThreadPoolExecutor(len(envs))

    def begin(self, seeds: Sequence[int]) -> list[tuple[_Graph, Prompt]]:
        """The first state of each episode, and what is read in it."""

        def first(world: _World, own: Sequence[int]) -> list[tuple[_Graph, Prompt]]:
            begun = []
            for seed in own:
                state = world.begin(seed)
                graph = _Graph(seed, self.reach, world.worth)
                graph.add(state, 0.0, _Way(0, 0, 0))
                begun.append((graph, state.prompt))
            return begun

        n = len(self._worlds)
        parts = self._threads.map(first, self._worlds, [seeds[k::n] for k in range(n)])
        return [one for part in parts for one in part]

    def step(self, asked: Sequence[tuple[int, _Graph, int, int]]) -> list[_Reached | None]:
        """What choices (slot, episode, place, g) lead to, no more of a slot than can be."""

        def one(slot: int, graph: _Graph, place: int, g: int) -> _Reached | None:
            world = self._worlds[slot % len(self._worlds)]
            return world.step(graph.seed, graph.kept[place], graph.action(place, g))

        if len(self._worlds) == 1:
            return [one(*each) for each in asked]
        return list(self._threads.map(lambda each: one(*each), asked))

    def close(self) -> None:
        self._threads.shutdown()
        for world in self._worlds:
            world.close()


def _world(env: gym.Env[str, str]) -> _World:
    inner = env.unwrapped
    return _Rewound(env, inner) if isinstance(inner, Rewindable) else _Retraced(env)


def explore(
    pair: Pair,
    episodes: Sequence[int],
    *,
    states: int,
    minutes: float,
    on_states: Callable[[int, str], None] = lambda done, text: None,
) -> Explored:
    """Look at the states that can be reached in these episodes.

    All episodes at one level before any at the next, and as many side by side as are worth it, so
    that the models answer in batches and what is cut off is cut off alike.

    Args:
        pair: the models and their environment.
        episodes: their seeds.
        states: most states of each.
        minutes: after which no further state is looked at.
        on_states: told now and then of the episodes that are done.

    Raises:
        InvalidConfig: if a model draws its actions, or the environment does not tell what an
            episode returns at least and at most.
    """
    for model in (pair.quick, pair.deepthink):
        if model.fingerprint is None:
            raise InvalidConfig(f"expected deterministic models, got {model.name!r}")
    worlds = _Worlds(pair)
    until, told = time.monotonic() + 60 * minutes, time.monotonic()

    def open_all(new: Sequence[tuple[_Graph, int, Prompt]]) -> None:
        prompts = [prompt for *_, prompt in new]
        if prompts:
            replies = zip(pair.quick.act(prompts), pair.deepthink.act(prompts), strict=True)
            for (graph, place, _), (quick, deepthink) in zip(new, replies, strict=True):
                graph.open(place, (quick.action, deepthink.action))

    begun = worlds.begin(episodes)
    open_all([(graph, 0, prompt) for graph, prompt in begun])
    graphs = [graph for graph, _ in begun]
    for asked in _turns(graphs, worlds.slots, worlds.batch):
        new: list[tuple[_Graph, int, Prompt]] = []
        for (_, graph, place, g), reached in zip(asked, worlds.step(asked), strict=True):
            if (at := graph.link(place, g, reached, states)) is not None:
                assert reached and reached.state
                new.append((graph, at, reached.state.prompt))
        open_all(new)
        if time.monotonic() > until:
            break
        if time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            pair.commit()
            on_states(*_progress(graphs))
    on_states(*_progress(graphs))
    worlds.close()
    return Explored(graphs)


def _turns(
    graphs: Sequence[_Graph], slots: int, batch: int
) -> Iterator[list[tuple[int, _Graph, int, int]]]:
    """The choices (slot, episode, place, g) to look at, a few at a time.

    An episode keeps its slot until it is done with a level, so that its world goes on from where it
    is. Where a batch has room for more than one choice of each episode, it gets more.
    """
    while (level := min(graph.level for graph in graphs)) < inf:
        queue = deque(graph for graph in graphs if graph.level == level)
        looking: dict[int, _Graph] = {}
        while True:
            looking = {slot: graph for slot, graph in looking.items() if graph.level <= level}
            for slot in range(slots):
                if queue and slot not in looking:
                    looking[slot] = queue.popleft()
            if not looking:
                break
            yield [
                (slot, graph, *graph.pop())
                for slot, graph in looking.items()
                for _ in range(max(1, batch // len(looking)))
                if graph.level <= level
            ]


def _progress(graphs: Sequence[_Graph]) -> tuple[int, str]:
    done = sum(graph.level == inf for graph in graphs)
    return done, f"{sum(len(graph.after) for graph in graphs)} states"


def _solve(graph: _Graph, most: int) -> Best:
    """Dynamic programming over the steps that are left, from the last to the first."""
    table, complete = graph.table(), graph.complete
    least, choices = _backward(table, most, 0)
    greatest = least if complete else _backward(table, most, 1)[0]
    calls, steps = zip(*(_follow(table.after, choices, k) for k in range(most + 1)), strict=True)
    return Best(
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
