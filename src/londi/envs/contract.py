"""The contract of a text environment: what it must give and what it may give.

A text environment is a Gymnasium environment whose observations and actions are texts. This file
declares the contract once and reads it into records; `londi.envs.checker` tries an environment
against it. It knows no particular environment.

**Spaces.** `observation_space` and `action_space` are `gymnasium.spaces.Text`. Every text may be
given to `step`: an environment treats one that it does not know as no action, or replaces it.

**Episodes.** `reset(seed=...)` and the actions determine everything that follows.

**Keys of `info`**, at `reset` and at each `step` (after a terminated episode `goal` and `actions`
may be left out):

- `goal` (required): the task of the episode, a text;
- `actions` (required): the possible actions, a sequence of texts; empty where any text is one;
- `success`: whether the episode has ended well; by default, terminated with a reward above 0;
- `expert`: the action of a scripted expert; None where it has no advice;
- `substituted_action`: the action that was done in place of one that is not known;
- `aborted`: the reason why the environment broke the episode off; the step is then truncated.

**Keys of `metadata`**, all optional: the attributes of `Traits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol, cast

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from londi.envs.histories import HISTORIES
from londi.envs.info import InfoView
from londi.errors import InvalidConfig, UnknownName


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


@dataclass(frozen=True, slots=True)
class Traits:
    """Declarations of an environment in its `metadata`.

    Attributes:
        history: the name of the prompt grammar, of `londi.envs.histories.HISTORIES`.
        waits: whether a step waits for another process, so that each copy is worth a thread.
        returns: the least and the greatest return of an episode; None where they are not known.
        lists_actions: whether `info["actions"]` names the possible actions.
        restorable: whether the environment follows `Restorable`.
        rewindable: whether it follows `Rewindable`.
        horizon: steps after which an episode is cut off; None where that is not known.
    """

    history: str = "plain"
    waits: bool = False
    returns: tuple[float, float] | None = None
    lists_actions: bool = True
    restorable: bool = False
    rewindable: bool = False
    horizon: int | None = None

    @classmethod
    def of(cls, env: gym.Env[str, str]) -> Traits:
        """The declarations of `env`.

        Raises:
            UnknownName: if no history has the declared name.
            InvalidConfig: if a declaration has the wrong type.
        """
        metadata = env.unwrapped.metadata
        declared = {name: metadata[name] for name in cls.__slots__ if name in metadata}
        for name in ("waits", "lists_actions", "restorable", "rewindable"):
            if type(declared.get(name, False)) is not bool:
                raise InvalidConfig(
                    f"{name_of(env)}: metadata[{name!r}]: expected True or False,"
                    f" got {declared[name]!r}"
                )
        history = declared.get("history", "plain")
        if history not in HISTORIES:
            raise UnknownName(f"history of {name_of(env)}", str(history), HISTORIES)
        if declared.get("returns") is not None:
            try:
                low, high = map(float, declared["returns"])
                ordered = isfinite(low) and isfinite(high) and low <= high
            except (TypeError, ValueError):
                ordered = False
            if not ordered:
                raise InvalidConfig(
                    f"{name_of(env)}: metadata['returns']: expected the least and the greatest"
                    f" return, got {declared['returns']!r}"
                )
            declared["returns"] = low, high
        horizon = declared.get("horizon")
        if horizon is not None and not (type(horizon) is int and horizon >= 1):
            raise InvalidConfig(
                f"{name_of(env)}: metadata['horizon']: expected a whole number >= 1,"
                f" got {horizon!r}"
            )
        return cls(**declared)


@dataclass(frozen=True, slots=True)
class StateInfo:
    """Contents of `info` in a state in which an action is to be chosen.

    Attributes:
        goal: the task of the episode.
        actions: the possible actions; empty where any text is one.
        expert: the action of the environment's expert, where it was asked for and has one.
    """

    goal: str
    actions: tuple[str, ...]
    expert: str | None

    @classmethod
    def read(cls, info: InfoView, reads: Sequence[str] = ()) -> StateInfo:
        """Read and check it.

        Args:
            info: as `reset` or `step` returned it.
            reads: further keys that the environment's history needs.

        Raises:
            InvalidConfig: if something is missing or has the wrong type.
        """
        for key in ("goal", "actions", *reads):
            if key not in info:
                raise InvalidConfig(f"expected info[{key!r}], got the keys {sorted(info)}")
        goal, actions, expert = info["goal"], info["actions"], info.get("expert")
        wanted = "expected info['actions'] to be a list of texts"
        if not isinstance(goal, str):
            raise InvalidConfig(f"expected info['goal'] to be a text, got {shortened(goal)}")
        if isinstance(actions, str):  # it would be taken letter by letter
            raise InvalidConfig(f"{wanted}, got one text, {shortened(actions)}")
        if not isinstance(actions, Sequence):
            raise InvalidConfig(f"{wanted}, got {shortened(actions)}")
        for action in actions:
            if not isinstance(action, str):
                raise InvalidConfig(f"{wanted}, got {shortened(action)} in it")
        _check_text("expert", expert)
        return cls(goal, tuple(actions), expert)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one action.

    Attributes:
        reward: the task's own reward.
        terminated, truncated: whether the episode ended here, or was cut off.
        success: whether it ended well.
        substituted_action: the action that was done in place of one that is not known.
        aborted: the reason why the environment broke the episode off, if it did.
    """

    reward: float
    terminated: bool
    truncated: bool
    success: bool
    substituted_action: str | None = None
    aborted: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated


def read_reset(told: object) -> tuple[str, InfoView]:
    """The observation and the `info` that `reset` returned.

    Raises:
        InvalidConfig: if it returned anything else.
    """
    if not (isinstance(told, tuple) and len(told) == 2):
        raise InvalidConfig(f"expected reset to return (observation, info), got {shortened(told)}")
    return _observation(told[0]), _info(told[1])


def read_step(told: object) -> tuple[str, Outcome, InfoView]:
    """The observation, the outcome and the `info` that `step` returned.

    Raises:
        InvalidConfig: if it returned anything else, or a reward that is no finite number.
    """
    if not (isinstance(told, tuple) and len(told) == 5):
        raise InvalidConfig(
            "expected step to return (observation, reward, terminated, truncated, info),"
            f" got {shortened(told)}"
        )
    observation, info = _observation(told[0]), _info(told[4])
    reward = _reward(told[1])
    terminated, truncated = _flag("terminated", told[2]), _flag("truncated", told[3])
    success = _flag("info['success']", info.get("success", terminated and reward > 0))
    if not isinstance(success, (bool, np.bool_)):
        raise InvalidConfig(
            f"expected info['success'] to be True or False, got {shortened(success)}"
        )
    substituted, aborted = info.get("substituted_action"), info.get("aborted")
    _check_text("substituted_action", substituted)
    _check_text("aborted", aborted)
    if aborted is not None and not (terminated or truncated):
        raise InvalidConfig("expected a step with info['aborted'] to be truncated")
    return (
        observation,
        Outcome(reward, terminated, truncated, success, substituted, aborted),
        info,
    )


def check_spaces(env: gym.Env[str, str]) -> None:
    """Check that the environment is observed and acted on in texts.

    Raises:
        InvalidConfig: if it is not.
    """
    spaces = env.observation_space, env.action_space
    if not all(isinstance(space, gym.spaces.Text) for space in spaces):
        kinds = " and ".join(type(space).__name__ for space in spaces)
        raise InvalidConfig(
            f"env: expected texts to observe and act with, got {kinds} of {name_of(env)}"
        )


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


def name_of(env: gym.Env[str, str]) -> str:
    """The registered name of the environment, or else the name of its class."""
    return env.spec.id if env.spec else type(env.unwrapped).__name__


def shortened(value: object) -> str:
    """The `repr` of a value on one line, not too long for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _bare(env: gym.Env[str, str]) -> gym.Env[str, str] | None:
    """The environment without wrappers that only check; None if there are others."""
    while isinstance(env, (OrderEnforcing, PassiveEnvChecker)):
        env = env.env
    return env if env is env.unwrapped else None


def _observation(observation: object) -> str:
    if not isinstance(observation, str):
        raise InvalidConfig(f"expected a text as observation, got {shortened(observation)}")
    return observation


def _info(info: object) -> InfoView:
    if not isinstance(info, Mapping):
        raise InvalidConfig(f"expected info to be a dictionary, got {shortened(info)}")
    return info


def _reward(reward: object) -> float:
    try:
        number = float(reward)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(reward, str) or not isfinite(number):
        raise InvalidConfig(f"expected a finite number as reward, got {shortened(reward)}")
    return number


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidConfig(f"expected {name} to be True or False, got {shortened(value)}")
    return bool(value)


def _check_text(key: str, value: object) -> None:
    if not (value is None or isinstance(value, str)):
        raise InvalidConfig(f"expected info[{key!r}] to be a text or None, got {shortened(value)}")
