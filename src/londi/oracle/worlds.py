"""Environments that are put into any state of an episode, to see what an action leads to.

An environment that can restore its states does so; any other replays the episode's actions. This
file knows environments and states; not the models, nor which choice is best.
"""

from __future__ import annotations

import hashlib
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from londi.envs.contract import (
    Outcome,
    StateInfo,
    Traits,
    name_of,
    read_reset,
    read_step,
)
from londi.envs.episode import TextEpisode
from londi.envs.histories import HISTORIES
from londi.envs.memoized import memoized
from londi.envs.prompt import History, Prompt
from londi.envs.restorable import Restorable, Rewindable, restorable, rewindable
from londi.errors import InvalidConfig
from londi.oracle.graph import Deviations, Floats, Graph, State, Successor

_BATCH = 256  # choices that are explored together
_WAITING = 4  # episodes side by side, where each step waits for another process

Asked = tuple[int, Graph, int, int]
"""A choice to explore: (slot, episode, place, g)."""


class _World(Protocol):
    """One copy of the environment, which can be put into any state of any episode."""

    def begin(self, seed: int) -> State:
        """The first state of an episode."""

    def step(self, seed: int, kept: Any, action: str) -> Successor | None:
        """The result of `action` in a state of that episode; None where it is lost."""

    @property
    def worth(self) -> Floats | None:
        """`Graph.worth` of the episode that was begun last."""

    def close(self) -> None:
        """Close the environment."""


class _Saved(ABC):
    """A world that restores saved states."""

    def __init__(self, env: gym.Env[str, str], inner: Restorable | Rewindable) -> None:
        self._env, self._inner = env, inner
        self._history: type[History] = HISTORIES[Traits.of(env).history]

    def begin(self, seed: int) -> State:
        told = self._env.unwrapped.reset(seed=seed)  # kept steps would not bring it there
        with self._located(seed):
            observation, info = read_reset(told)
            StateInfo.read(info, self._history.reads)
        return self._state(self._history(observation, info))

    def step(self, seed: int, kept: bytes, action: str) -> Successor | None:
        world, history = pickle.loads(kept)
        self._inner.restore(world)
        told = self._env.unwrapped.step(action)
        with self._located(seed):
            observation, outcome, info = read_step(told)
            if outcome.aborted:
                return None
            gain, ended = self._judged(outcome)
            if ended:
                return Successor(gain, None)
            StateInfo.read(info, self._history.reads)
        history.add(action, observation, info)
        return Successor(gain, self._state(history))

    def close(self) -> None:
        self._env.close()

    @abstractmethod
    def _judged(self, outcome: Outcome) -> tuple[float, bool]:
        """The gain of a step, and whether the episode ended with it."""

    @abstractmethod
    def _key(self, snapshot: bytes) -> bytes:
        """Equal for states of the environment that behave alike.

        Args:
            snapshot: of the state that it is in.
        """

    @contextmanager
    def _located(self, seed: int) -> Iterator[None]:
        """Put the environment and the episode in front of an error."""
        try:
            yield
        except InvalidConfig as error:
            raise InvalidConfig(f"{name_of(self._env)}, episode {seed}: {error}") from error

    def _state(self, history: History) -> State:
        world, prompt = self._inner.snapshot(), history.prompt()
        told = repr((prompt.actions, prompt.text())).encode()
        key = hashlib.sha256(self._key(world) + told).digest()
        return State(key, pickle.dumps((world, history), pickle.HIGHEST_PROTOCOL), prompt)


class _Restored(_Saved):
    """States with their step count: a state's path gives its time, and a reward is as it comes."""

    worth = None

    def __init__(self, env: gym.Env[str, str], inner: Restorable) -> None:
        super().__init__(env, inner)
        self._state_key = inner.state_key

    def _judged(self, outcome: Outcome) -> tuple[float, bool]:
        return outcome.reward, outcome.ended

    def _key(self, snapshot: bytes) -> bytes:
        return self._state_key()


class _Rewound(_Saved):
    """States without a step count: each step is the first, and the horizon is the graph's."""

    def __init__(self, env: gym.Env[str, str], inner: Rewindable) -> None:
        super().__init__(env, inner)
        self._clock = inner

    @property
    def worth(self) -> Floats:
        return np.array([self._clock.reward_at(t) for t in range(self._clock.horizon + 1)])

    def _judged(self, outcome: Outcome) -> tuple[float, bool]:
        return outcome.reward / self._clock.reward_at(1), outcome.terminated

    def _key(self, snapshot: bytes) -> bytes:
        return snapshot


class _Retraced:
    """A world that reaches a state by replaying the actions that led there.

    No two paths are merged, since a prompt may depend on any earlier step.
    """

    worth = None

    def __init__(self, env: gym.Env[str, str]) -> None:
        self._episode = TextEpisode(env)

    def begin(self, seed: int) -> State:
        self._episode.start(seed)
        return self._state()

    def step(self, seed: int, kept: tuple[str, ...], action: str) -> Successor | None:
        if not self._episode.resume(seed, kept):  # the replay was broken off
            return None
        outcome = self._episode.step(action)
        if outcome.aborted:
            return None
        return Successor(outcome.reward, None if outcome.ended else self._state())

    def close(self) -> None:
        self._episode.close()

    def _state(self) -> State:
        taken = tuple(self._episode.taken)
        return State(repr(taken).encode(), taken, self._episode.prompt())


class Worlds:
    """Copies of the environment that explore side by side; a context manager that closes them.

    Args:
        make: makes a copy.

    Attributes:
        reach: the least and the greatest return of an episode.
        slots: number of episodes to explore side by side; a slot always uses the same world.
        batch: number of choices to explore together.

    Raises:
        InvalidConfig: if the environment does not declare its returns.
    """

    def __init__(self, make: Callable[[], gym.Env[str, str]]) -> None:
        make = memoized(make)
        with ExitStack() as opened:
            env = make()
            opened.callback(env.close)
            traits = Traits.of(env)
            if traits.returns is None:
                raise InvalidConfig(
                    f"env: expected one that tells its least and greatest return in"
                    f" metadata['returns'], got {name_of(env)}"
                )
            self.reach = traits.returns
            self.slots, self.batch = (_WAITING, 1) if traits.waits else (_BATCH, _BATCH)
            self._worlds = [_world(env)]
            for _ in range(_WAITING - 1 if traits.waits else 0):
                env = make()
                opened.callback(env.close)
                self._worlds.append(_world(env))
            self._threads = opened.enter_context(ThreadPoolExecutor(len(self._worlds)))
            self._opened = opened.pop_all()

    def __enter__(self) -> Worlds:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, seeds: Sequence[int]) -> list[tuple[Graph, Prompt]]:
        """The graph of each episode with its first state, and the prompt in that."""

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

    def step(self, asked: Sequence[Asked]) -> list[Successor | None]:
        """The results of these choices."""

        def one(slot: int, graph: Graph, place: int, g: int) -> Successor | None:
            world = self._worlds[slot % len(self._worlds)]
            return world.step(graph.seed, graph.kept[place], graph.action(place, g))

        if len(self._worlds) == 1:
            return [one(*each) for each in asked]
        return list(self._threads.map(lambda each: one(*each), asked))

    def close(self) -> None:
        """Close all copies, once the steps that are being made have ended."""
        self._opened.close()


def _world(env: gym.Env[str, str]) -> _World:
    if (rewound := rewindable(env)) is not None:
        return _Rewound(env, rewound)
    if (restored := restorable(env)) is not None:
        return _Restored(env, restored)
    return _Retraced(env)
