"""Memoization of slow, deterministic environments that are played again and again.

An episode is a function of its seed and its actions. Where players take the same path, as they
mostly do at the next setting of the same Switcher, no step is made a second time; where they leave
it, the environment replays the actions up to there. This file knows no environment and no player.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from londi.envs.contract import Traits, name_of, read_step
from londi.envs.info import Told
from londi.errors import InvalidConfig
from londi.types import Info

Make = Callable[[], gym.Env[str, str]]


@dataclass(slots=True)
class _Place:
    """The results of the step that led to a state, and the states that were reached from it."""

    told: Told
    after: dict[str, _Place] = field(default_factory=dict)


def memoized(make: Make) -> Make:
    """A factory of environments that share the results of every step, by seed and actions.

    Where a step is neither slow nor waits for another process, a look-up takes longer than the
    step: such an environment is returned as it is, and so is one that is memoized already. A step
    in which a simulator was lost is not kept.
    """
    env = make()
    try:
        traits = Traits.of(env)
        worth_it = (traits.waits or traits.slow) and not isinstance(env, Memoized)
    finally:
        env.close()
    places: dict[int, _Place] = {}
    return (lambda: Memoized(make(), places)) if worth_it else make


class Memoized(gym.Wrapper[str, str, str, str]):
    """An environment that looks up steps which were made before; see `memoized`.

    Args:
        env: the environment.
        places: the results so far, by the episode's seed.
    """

    def __init__(self, env: gym.Env[str, str], places: dict[int, _Place]) -> None:
        super().__init__(env)
        self._places = places
        self._seed = 0
        self._taken: list[str] = []
        self._at: tuple[int, list[str]] | None = None  # where the environment itself is

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[str, Info]:
        if seed is None or options:
            raise ValueError("only episodes that are known by their seed alone can be memoized")
        self._seed, self._taken = seed, []
        if seed not in self._places:
            observation, info = self._begin()
            self._places[seed] = _kept((observation, 0.0, False, False, info))
        self._place = self._places[seed]
        observation, *_, info = self._place.told
        return observation, dict(info)

    def step(self, action: str) -> Told:
        place = self._place.after.get(action)
        if place is None:
            place = _kept(self._do(action))
            if "aborted" not in place.told[4]:
                self._place.after[action] = place
        self._taken.append(action)
        self._place = place
        observation, reward, terminated, truncated, info = place.told
        return observation, reward, terminated, truncated, dict(info)

    def _begin(self) -> tuple[str, Info]:
        self._at = self._seed, []
        return self.env.reset(seed=self._seed)

    def _do(self, action: str) -> Told:
        """Do it, after the environment has caught up with the episode."""
        if self._at is None or (self._seed, self._taken[: len(self._at[1])]) != self._at:
            self._begin()
        assert self._at
        done = self._at[1]
        for following in [*self._taken[len(done) :], action]:
            told: Any = self.env.step(following)
            done.append(following)
            try:
                read_step(told)
            except InvalidConfig as error:
                where = f"{name_of(self.env)}, episode {self._seed}, step {len(done)}"
                raise InvalidConfig(f"{where}: {error}") from error
            if "aborted" in told[4]:
                self._at = None
                break
        result: Told = told
        return result


def _kept(told: Told) -> _Place:
    """A place with interned texts, since the same texts come back over and over."""
    observation, reward, terminated, truncated, info = told
    info = {k: sys.intern(v) if type(v) is str else v for k, v in info.items()}
    return _Place((sys.intern(observation), float(reward), terminated, truncated, info))
