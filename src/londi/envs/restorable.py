"""Environments whose states can be saved and restored: two protocols, and who follows them.

This file knows declarations. It does not know what states are restored for.
"""

from __future__ import annotations

from typing import Protocol, cast

import gymnasium as gym
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from londi.envs.contract import Traits
from londi.envs.memoized import Memoized


class Restorable(Protocol):
    """An environment that can save its states and restore them; declared by `Traits.restorable`."""

    def state_key(self) -> bytes:
        """Equal only for states that behave alike: after the same actions the observations,
        rewards and ends are the same. So it tells apart step counts and returns so far.
        """
        ...

    def snapshot(self) -> bytes:
        """The state; its bytes may differ where the key is the same."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Go back to a state that `snapshot` returned."""
        ...


class Rewindable(Protocol):
    """An environment whose saved states have no step count; declared by `Traits.rewindable`.

    Its rewards are those of a success alone, and depend only on the step at which it comes. Where
    that holds, more states are alike than in a `Restorable`.

    Attributes:
        horizon: steps after which an episode is truncated; known after `reset`.
    """

    @property
    def horizon(self) -> int: ...

    def reward_at(self, steps: int) -> float:
        """The reward of a success after that many steps."""
        ...

    def snapshot(self) -> bytes:
        """The state without its step count; equal for states that behave alike."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Go back to a state that `snapshot` returned, with a step count of 0."""
        ...


def restorable(env: gym.Env[str, str]) -> Restorable | None:
    """The environment as one whose states can be restored, if it declares that.

    None inside of a wrapper that may change what is told: its effect would be passed over.
    """
    inner = _bare(env)
    return cast(Restorable, inner) if inner and Traits.of(inner).restorable else None


def rewindable(env: gym.Env[str, str]) -> Rewindable | None:
    """The environment as one whose states can be rewound, if it declares that; else as above."""
    inner = _bare(env)
    return cast(Rewindable, inner) if inner and Traits.of(inner).rewindable else None


def _bare(env: gym.Env[str, str]) -> gym.Env[str, str] | None:
    """The environment without wrappers that only check or keep; None if there are others."""
    while isinstance(env, (OrderEnforcing, PassiveEnvChecker, Memoized)):
        env = env.env
    return env if env is env.unwrapped else None
