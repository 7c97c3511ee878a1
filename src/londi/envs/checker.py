"""`check_env`: tries an environment against the contract of `londi.envs.contract`.

It plays a few steps, as Gymnasium's own checker does, and knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium as gym
import numpy as np

from londi.envs.contract import (
    Restorable,
    Rewindable,
    check_spaces,
    name_of,
    restorable,
    rewindable,
    shortened,
)
from londi.envs.episode import TextEpisode
from londi.errors import InvalidConfig

_STEPS = 8  # of the episode that is played twice
_UNKNOWN = "do something that no environment knows"

_Trace = list[tuple[object, ...]]


def check_env(env: gym.Env[str, str], seed: int = 0) -> None:
    """Check that londi can play in `env`: types, texts, numbers, and determinism by the seed.

    It plays a few steps of one episode, twice, and leaves the environment open.

    Args:
        env: the environment, made.
        seed: seed of the episode.

    Raises:
        UnknownName: if the environment names a history that does not exist.
        InvalidConfig: if anything else is not as the contract asks.
    """
    check_spaces(env)
    episode = TextEpisode(env)
    trace, taken = _play(episode, seed, None)
    again, _ = _play(episode, seed, taken)
    for t, (first, second) in enumerate(zip(trace, again, strict=True)):
        for what, one, other in zip(_PARTS, first, second, strict=True):
            if one != other:
                raise InvalidConfig(
                    f"{name_of(env)}, episode {seed}, step {t}: expected the same {what} after the"
                    f" same seed and actions, got {shortened(one)} and then {shortened(other)}"
                )
    _check_unknown_text(env, episode, seed)
    if (inner := restorable(env)) is not None:
        _check_restorable(env, inner, episode, seed)
    if (rewound := rewindable(env)) is not None:
        _check_rewindable(env, rewound, episode, seed)


_PARTS = ("observation", "goal", "actions", "reward", "terminated", "truncated")


def _play(episode: TextEpisode, seed: int, known: Sequence[str] | None) -> tuple[_Trace, list[str]]:
    """The results of each step of an episode, at most `_STEPS`, and the actions that were done.

    Args:
        episode: plays it.
        seed: names it.
        known: the actions to do; random ones by default.
    """
    rng = np.random.default_rng(seed)
    episode.start(seed)
    trace: _Trace = [(episode.observations[-1], *_state(episode), 0.0, False, False)]
    for t in range(_STEPS if known is None else len(known)):
        listed = episode.state.actions
        if known is not None:
            action = known[t]
        else:
            action = str(listed[rng.integers(len(listed))]) if listed else "look around"
        told = episode.step(action)
        trace.append(
            (
                episode.observations[-1],
                *_state(episode),
                told.reward,
                told.terminated,
                told.truncated,
            )
        )
        if told.ended:
            break
    return trace, episode.taken


def _state(episode: TextEpisode) -> tuple[str, tuple[str, ...]]:
    return episode.state.goal, episode.state.actions


def _check_unknown_text(env: gym.Env[str, str], episode: TextEpisode, seed: int) -> None:
    """A model may say anything: no text may break the environment."""
    episode.start(seed)
    try:
        episode.step(_UNKNOWN)
    except InvalidConfig:
        raise
    except Exception as error:
        raise InvalidConfig(
            f"{name_of(env)}: expected step to take any text, as no action or in place of one;"
            f" {_UNKNOWN!r} raised {type(error).__name__}: {shortened(str(error))}"
        ) from error


def _check_restorable(
    env: gym.Env[str, str], inner: Restorable, episode: TextEpisode, seed: int
) -> None:
    _check_parts(env, inner, "restorable", ("state_key", "snapshot", "restore"))
    episode.start(seed)
    key = inner.state_key()
    _check_restored(env, inner, episode)
    episode.start(seed)
    if inner.state_key() != key:
        raise InvalidConfig(f"{name_of(env)}: expected the same state_key after the same seed")
    episode.step(_action(episode))
    if inner.state_key() == key:
        raise InvalidConfig(f"{name_of(env)}: expected another state_key after a step")


def _check_rewindable(
    env: gym.Env[str, str], inner: Rewindable, episode: TextEpisode, seed: int
) -> None:
    name = name_of(env)
    _check_parts(env, inner, "rewindable", ("horizon", "reward_at", "snapshot", "restore"))
    episode.start(seed)
    if type(inner.horizon) is not int or inner.horizon < 1:
        raise InvalidConfig(
            f"{name}: horizon: expected a whole number >= 1, got {shortened(inner.horizon)}"
        )
    if not np.isfinite(inner.reward_at(1)) or inner.reward_at(1) == 0:
        raise InvalidConfig(
            f"{name}: reward_at(1): expected a number other than 0, got {inner.reward_at(1)!r}"
        )
    _check_restored(env, inner, episode)


def _check_parts(env: gym.Env[str, str], inner: object, trait: str, parts: Sequence[str]) -> None:
    for part in parts:
        if part not in dir(inner):
            raise InvalidConfig(f"{name_of(env)}: metadata[{trait!r}] asks for {part!r}, got none")


def _check_restored(
    env: gym.Env[str, str], inner: Restorable | Rewindable, episode: TextEpisode
) -> None:
    """Do the step from the state at hand twice, the second time after restoring it."""
    before, action = inner.snapshot(), _action(episode)
    first = episode.step(action), episode.observations[-1]
    inner.restore(before)
    observation, reward, *_ = env.step(action)
    if (observation, reward) != (first[1], first[0].reward):
        raise InvalidConfig(
            f"{name_of(env)}: expected the same step after restore, got {shortened(observation)}"
            f" in place of {shortened(first[1])}"
        )


def _action(episode: TextEpisode) -> str:
    return next(iter(episode.state.actions), _UNKNOWN)
