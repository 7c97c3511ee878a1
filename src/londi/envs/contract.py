"""The contract of a text environment: what it must give and what it may give.

A text environment is a Gymnasium environment whose observations and actions are texts. This file
declares the contract once, finds what breaks it, and reads the rest into records;
`londi.envs.checker` tries an environment against it. It knows no particular environment.

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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple, cast

import gymnasium as gym
import numpy as np

from londi.envs.histories import HISTORIES
from londi.envs.info import InfoView, Told
from londi.errors import FOREIGN_ERRORS, InvalidConfig, LondiError, UnknownName, one_line


class Fault(NamedTuple):
    """A part of the contract that is broken.

    Attributes:
        part: its name, such as ``"goal"``.
        error: the error that reading it raises.
    """

    part: str
    error: LondiError


SPACES = ("observation_space", "action_space")


@dataclass(frozen=True, slots=True)
class Traits:
    """Declarations of an environment in its `metadata`.

    Attributes:
        history: the name of the prompt grammar, of `londi.envs.histories.HISTORIES`.
        waits: whether a step waits for another process, so that each copy is worth a thread.
        slow: whether a step takes milliseconds, so that its result is worth keeping.
        returns: the least and the greatest return of an episode; None where they are not known.
        lists_actions: whether `info["actions"]` names the possible actions.
        restorable: whether the environment follows `Restorable`.
        rewindable: whether it follows `Rewindable`.
        horizon: steps after which an episode is cut off; None where that is not known.
    """

    history: str = "plain"
    waits: bool = False
    slow: bool = False
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
        _refuse(trait_faults(env))
        metadata = env.unwrapped.metadata
        declared = {name: metadata[name] for name in cls.__slots__ if name in metadata}
        if declared.get("returns") is not None:
            low, high = map(float, declared["returns"])
            declared["returns"] = low, high
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
        _refuse(state_faults(info, reads))
        return cls(info["goal"], tuple(info["actions"]), info.get("expert"))


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
    _refuse(reset_faults(told))
    return cast(tuple[str, InfoView], told)


def read_step(told: object) -> tuple[str, Outcome, InfoView]:
    """The observation, the outcome and the `info` that `step` returned.

    Raises:
        InvalidConfig: if it returned anything else, or a reward that is no finite number.
    """
    _refuse(step_faults(told))
    observation, reward, terminated, truncated, info = cast(Told, told)
    reward, terminated = float(reward), bool(terminated)
    success = bool(info.get("success", terminated and reward > 0))
    substituted, aborted = info.get("substituted_action"), info.get("aborted")
    outcome = Outcome(reward, terminated, bool(truncated), success, substituted, aborted)
    return observation, outcome, info


def trait_faults(env: gym.Env[str, str]) -> Iterator[Fault]:
    """The declarations in `metadata` that are none."""
    name = name_of(env)
    try:
        metadata = cast(object, env.unwrapped.metadata)
    except FOREIGN_ERRORS as error:  # whatever a user's environment raises
        yield _fault("metadata", f"{name}: reading metadata raised {one_line(error)}")
        return
    if not isinstance(metadata, Mapping):
        yield _fault(
            "metadata",
            f"{name}: expected metadata to be a dictionary, got {shortened(metadata)}",
        )
        return
    for trait in ("waits", "slow", "lists_actions", "restorable", "rewindable"):
        value = metadata.get(trait, False)
        if type(value) is not bool:
            yield _fault(
                trait,
                f"{name}: metadata[{trait!r}]: expected True or False, got {shortened(value)}",
            )
    history = metadata.get("history", "plain")
    if not isinstance(history, str) or history not in HISTORIES:
        yield Fault("history", UnknownName(f"history of {name}", str(history), HISTORIES))
    returns = metadata.get("returns")
    if returns is not None and not _ordered(returns):
        yield _fault(
            "returns",
            f"{name}: metadata['returns']: expected the least and the greatest return,"
            f" got {shortened(returns)}",
        )
    horizon = metadata.get("horizon")
    if horizon is not None and not (type(horizon) is int and horizon >= 1):
        yield _fault(
            "horizon",
            f"{name}: metadata['horizon']: expected a whole number >= 1, got {shortened(horizon)}",
        )


def space_faults(env: gym.Env[str, str]) -> Iterator[Fault]:
    """Spaces that are not of texts."""
    for name in SPACES:
        if (kind := _kind(env, name)) != "Text":
            yield _fault(name, f"expected {name} to be a gymnasium.spaces.Text, got {kind}")


def reset_faults(told: object) -> Iterator[Fault]:
    """Deviations of what `reset` returned, but for the contents of `info`."""
    if not (isinstance(told, tuple) and len(told) == 2):
        yield _fault(
            "reset", f"expected reset to return (observation, info), got {shortened(told)}"
        )
        return
    yield from _observation_faults(told[0])
    yield from _info_faults(told[1])


def step_faults(told: object) -> Iterator[Fault]:
    """Deviations of what `step` returned, but for the state that `info` tells."""
    if not (isinstance(told, tuple) and len(told) == 5):
        yield _fault(
            "step",
            "expected step to return (observation, reward, terminated, truncated, info),"
            f" got {shortened(told)}",
        )
        return
    observation, reward, terminated, truncated, info = told
    yield from _observation_faults(observation)
    if not finite_number(reward):
        yield _fault("reward", f"expected a finite number as reward, got {shortened(reward)}")
    yield from _flag_faults("terminated", terminated)
    yield from _flag_faults("truncated", truncated)
    yield from _info_faults(info)
    if not isinstance(info, Mapping):
        return
    if "success" in info:
        yield from _flag_faults("success", info["success"], "info['success']")
    for key in ("substituted_action", "aborted"):
        yield from _text_faults(key, info.get(key))
    if info.get("aborted") is not None and not (terminated or truncated):
        yield _fault("aborted", "expected a step with info['aborted'] to be truncated")


def state_faults(info: InfoView, reads: Sequence[str] = ()) -> Iterator[Fault]:
    """Contents of `info` that are missing or wrong in a state in which an action is to be chosen.

    Args:
        info: as `reset` or `step` returned it.
        reads: further keys that the environment's history needs.
    """
    for key in ("goal", "actions", *reads):
        if key not in info:
            yield _fault(key, f"expected info[{key!r}], got the keys {sorted(map(str, info))}")
    goal, actions = info.get("goal", ""), info.get("actions", ())
    if not isinstance(goal, str):
        yield _fault("goal", f"expected info['goal'] to be a text, got {shortened(goal)}")
    wrong = ""
    if isinstance(actions, str):  # it would be taken letter by letter
        wrong = f"one text, {shortened(actions)}"
    elif not isinstance(actions, Sequence):
        wrong = shortened(actions)
    else:
        others = [action for action in actions if not isinstance(action, str)]
        wrong = f"{shortened(others[0])} in it" if others else ""
    if wrong:
        yield _fault("actions", f"expected info['actions'] to be a list of texts, got {wrong}")
    yield from _text_faults("expert", info.get("expert"))


def check_spaces(env: gym.Env[str, str]) -> None:
    """Check that the environment is observed and acted on in texts.

    Raises:
        InvalidConfig: if it is not.
    """
    kinds = [_kind(env, name) for name in SPACES]
    if kinds != ["Text", "Text"]:
        raise InvalidConfig(
            f"env: expected texts to observe and act with, got {' and '.join(kinds)} of"
            f" {name_of(env)}"
        )


def name_of(env: gym.Env[str, str]) -> str:
    """The registered name of the environment, or else the name of its class."""
    return env.spec.id if env.spec else type(env.unwrapped).__name__


def shortened(value: object) -> str:
    """The `repr` of a value on one line, not too long for a message."""
    try:
        text = " ".join(repr(value).split())
    except FOREIGN_ERRORS:  # whatever a user's object raises
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse(faults: Iterator[Fault]) -> None:
    """Raise the first of these, if there is one."""
    for fault in faults:
        raise fault.error


def _kind(env: gym.Env[str, str], space: str) -> str:
    """The class of a space; Gymnasium declares both and sets neither."""
    try:
        value = getattr(env, space, None)
    except FOREIGN_ERRORS as error:  # whatever a user's environment raises
        return f"an error ({one_line(error)})"
    if isinstance(value, gym.spaces.Text):
        return "Text"
    return "nothing" if value is None else type(value).__name__


def _fault(part: str, message: str) -> Fault:
    return Fault(part, InvalidConfig(message))


def _observation_faults(observation: object) -> Iterator[Fault]:
    if not isinstance(observation, str):
        yield _fault("observation", f"expected a text as observation, got {shortened(observation)}")


def _info_faults(info: object) -> Iterator[Fault]:
    if not isinstance(info, Mapping):
        yield _fault("info", f"expected info to be a dictionary, got {shortened(info)}")


def _flag_faults(part: str, value: object, name: str | None = None) -> Iterator[Fault]:
    if not isinstance(value, (bool, np.bool_)):
        yield _fault(part, f"expected {name or part} to be True or False, got {shortened(value)}")


def _text_faults(key: str, value: object) -> Iterator[Fault]:
    if not (value is None or isinstance(value, str)):
        yield _fault(key, f"expected info[{key!r}] to be a text or None, got {shortened(value)}")


def finite_number(value: object) -> bool:
    """Whether `value` is a finite number."""
    try:
        return not isinstance(value, str) and isfinite(float(value))  # type: ignore[arg-type]
    except FOREIGN_ERRORS:  # whatever a user's number raises
        return False


def _ordered(returns: object) -> bool:
    """Whether this is a least and a greatest return."""
    try:
        low, high = map(float, returns)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return False
    return isfinite(low) and isfinite(high) and low <= high
