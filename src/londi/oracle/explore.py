"""The states that two deterministic models can reach in an episode, as far as they are looked at.

From each state what QUICK does leads to one state, and what DEEPTHINK does to one, often the same.
States that nothing tells apart are one. They are looked at outwards from what either model does
alone: first the way of QUICK and the way of DEEPTHINK, then those that leave either once, then
twice. This file knows how a world is put into a state; not what is best in it.
"""

from __future__ import annotations

import hashlib
import heapq
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from londi.envs.episode import TextEpisode
from londi.envs.histories import HISTORIES
from londi.envs.memoized import remembered
from londi.envs.prompt import History, Prompt
from londi.errors import InvalidConfig
from londi.models.pair import ModelPair

ENDED, UNKNOWN, CUT = -1, -2, -3
"""Where a choice leads that leads to no state: to the end, or where nobody has looked, yet or for
want of room."""
_BATCH = 256  # choices that are looked at side by side
_WAITING = 4  # episodes, where each step waits for another process
_SECONDS = 5.0  # between two reports

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


class State(NamedTuple):
    """A state that was reached.

    Attributes:
        key: equal for states that nothing tells apart.
        kept: what it can be taken up by.
        prompt: what the models read in it.
    """

    key: bytes
    kept: Any
    prompt: Prompt


class Successor(NamedTuple):
    """What a step led to.

    Attributes:
        gain: its reward, as a share of what a success is worth there.
        state: None where the episode ended.
    """

    gain: float
    state: State | None


class Deviations(NamedTuple):
    """How a state is reached where the models disagree on the way.

    Attributes:
        calls: how often DEEPTHINK acted there.
        declined: how often QUICK did.
        steps: in all.
    """

    calls: int
    declined: int
    steps: int

    def then(self, g: int, agreed: bool) -> Deviations:
        """With one more step."""
        counts = (0, 0) if agreed else (g, 1 - g)
        return Deviations(self.calls + counts[0], self.declined + counts[1], self.steps + 1)

    def least(self, other: Deviations) -> Deviations:
        """The lesser of each number."""
        return Deviations(*map(min, self, other))

    @property
    def level(self) -> int:
        """How far it is from one model acting alone."""
        return min(self.calls, self.declined)


@dataclass(slots=True)
class Graph:
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
    ways: list[Deviations] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    waiting: list[tuple[int, int, int, int]] = field(default_factory=list)
    pushed: int = 0

    @property
    def level(self) -> float:
        """Of the choice that is to be looked at next; infinite where nothing is left."""
        while self.waiting and self.after[self.waiting[0][2]][self.waiting[0][3]] != UNKNOWN:
            heapq.heappop(self.waiting)  # looked at since, from elsewhere
        return self.waiting[0][0] if self.waiting else inf

    def pop(self) -> tuple[int, int]:
        """The (place, choice) to look at next."""
        *_, place, g = heapq.heappop(self.waiting)
        return place, g

    def add(self, state: State, earned: float, way: Deviations) -> int:
        """The place of a state that has not been seen; `open` follows."""
        place = self.known[state.key] = len(self.after)
        self.kept.append(state.kept)
        self.earned.append(earned)
        self.actions.append(None)
        self.after.append([UNKNOWN, UNKNOWN])
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

    def link(self, place: int, g: int, reached: Successor | None, most: int) -> int | None:
        """Note what a choice has led to.

        Args:
            place: where it was made.
            g: the choice.
            reached: what it led to; None where that cannot be said.
            most: states that there is room for.

        Returns:
            The place of a new state, if it led to one.
        """
        new, to, gain = None, CUT, 0.0
        if reached:
            gain, state = reached
            way = self.ways[place].then(g, self._agreed(place))
            if state is None:
                to = ENDED
            elif state.key in self.known:
                to = self.known[state.key]
            elif len(self.after) < most:
                new = to = self.add(state, self.earned[place] + gain, way)
        for h in (0, 1) if self._agreed(place) else (g,):
            self.after[place][h], self.gain[place][h] = to, gain
        if UNKNOWN not in self.after[place]:
            self.kept[place] = None
        if to >= 0 and new is None:
            self._shorten(to, way)
        return new

    @property
    def complete(self) -> bool:
        """Whether all that can be reached has been looked at."""
        pairs = zip(self.after, self.ways, strict=True)
        return not any(min(after) <= UNKNOWN and self._in_time(way) for after, way in pairs)

    def _agreed(self, place: int) -> bool:
        return self.action(place, 0) == self.action(place, 1)

    def _in_time(self, way: Deviations) -> bool:
        return self.worth is None or way.steps < len(self.worth) - 1

    def _wait(self, place: int) -> None:
        way = self.ways[place]
        if self.actions[place] is None or not self._in_time(way):
            return
        agreed = self._agreed(place)
        for g in (0,) if agreed else (0, 1):
            if self.after[place][g] == UNKNOWN:
                self.pushed += 1
                heapq.heappush(self.waiting, (way.then(g, agreed).level, -self.pushed, place, g))

    def _shorten(self, place: int, way: Deviations) -> None:
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


def reachable(
    pair: ModelPair,
    episodes: Sequence[int],
    *,
    states: int,
    minutes: float,
    on_states: Callable[[int, str], None] = lambda done, text: None,
) -> list[Graph]:
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

    def open_all(new: Sequence[tuple[Graph, int, Prompt]]) -> None:
        prompts = [prompt for *_, prompt in new]
        if prompts:
            replies = zip(pair.quick.act(prompts), pair.deepthink.act(prompts), strict=True)
            for (graph, place, _), (quick, deepthink) in zip(new, replies, strict=True):
                graph.open(place, (quick.action, deepthink.action))

    begun = worlds.begin(episodes)
    open_all([(graph, 0, prompt) for graph, prompt in begun])
    graphs = [graph for graph, _ in begun]
    for asked in _turns(graphs, worlds.slots, worlds.batch):
        new: list[tuple[Graph, int, Prompt]] = []
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
    return graphs


def _turns(
    graphs: Sequence[Graph], slots: int, batch: int
) -> Iterator[list[tuple[int, Graph, int, int]]]:
    """The choices (slot, episode, place, g) to look at, a few at a time.

    An episode keeps its slot until it is done with a level, so that its world goes on from where it
    is. Where a batch has room for more than one choice of each episode, it gets more.
    """
    while (level := min(graph.level for graph in graphs)) < inf:
        queue = deque(graph for graph in graphs if graph.level == level)
        looking: dict[int, Graph] = {}
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


def _progress(graphs: Sequence[Graph]) -> tuple[int, str]:
    done = sum(graph.level == inf for graph in graphs)
    return done, f"{sum(len(graph.after) for graph in graphs)} states"


class _World(Protocol):
    """One copy of the environment, to be put into any state of any episode."""

    def begin(self, seed: int) -> State:
        """The first state of an episode."""

    def step(self, seed: int, kept: Any, action: str) -> Successor | None:
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

    def begin(self, seed: int) -> State:
        observation, info = self._env.reset(seed=seed)
        return self._state(self._history(observation, info))

    def step(self, seed: int, kept: bytes, action: str) -> Successor:
        world, history = pickle.loads(kept)
        self._inner.restore(world)
        # Its clock begins anew, so that the step is its first.
        observation, reward, terminated, _, info = self._env.unwrapped.step(action)
        gain = float(reward) / self._inner.reward_at(1)
        if terminated:
            return Successor(gain, None)
        history.add(action, observation, info)
        return Successor(gain, self._state(history))

    @property
    def worth(self) -> Floats:
        return np.array([self._inner.reward_at(t) for t in range(self._inner.horizon + 1)])

    def close(self) -> None:
        self._env.close()

    def _state(self, history: History) -> State:
        world, prompt = self._inner.snapshot(), history.prompt()
        key = hashlib.sha256(world + repr((prompt.actions, prompt.text())).encode()).digest()
        return State(key, pickle.dumps((world, history), pickle.HIGHEST_PROTOCOL), prompt)


class _Retraced:
    """A world that is brought to a state by the actions that led there.

    No two ways are taken to meet: what a model reads may tell any step of an episode.
    """

    worth = None

    def __init__(self, env: gym.Env[str, str]) -> None:
        self._episode = TextEpisode(env)

    def begin(self, seed: int) -> State:
        self._episode.start(seed)
        return self._state()

    def step(self, seed: int, kept: tuple[str, ...], action: str) -> Successor | None:
        self._episode.resume(seed, kept)
        outcome = self._episode.step(action)
        if outcome.aborted:
            return None
        return Successor(outcome.reward, None if outcome.ended else self._state())

    def close(self) -> None:
        self._episode.close()

    def _state(self) -> State:
        taken = tuple(self._episode.taken)
        return State(repr(taken).encode(), taken, self._episode.prompt())


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

    def __init__(self, pair: ModelPair) -> None:
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

    def begin(self, seeds: Sequence[int]) -> list[tuple[Graph, Prompt]]:
        """The first state of each episode, and what is read in it."""

        def first(world: _World, own: Sequence[int]) -> list[tuple[Graph, Prompt]]:
            begun = []
            for seed in own:
                state = world.begin(seed)
                graph = Graph(seed, self.reach, world.worth)
                graph.add(state, 0.0, Deviations(0, 0, 0))
                begun.append((graph, state.prompt))
            return begun

        n = len(self._worlds)
        parts = self._threads.map(first, self._worlds, [seeds[k::n] for k in range(n)])
        return [one for part in parts for one in part]

    def step(self, asked: Sequence[tuple[int, Graph, int, int]]) -> list[Successor | None]:
        """What choices (slot, episode, place, g) lead to, no more of a slot than can be."""

        def one(slot: int, graph: Graph, place: int, g: int) -> Successor | None:
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
