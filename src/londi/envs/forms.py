"""Faults of form: an environment's declarations, and all that `reset` and `step` return.

It plays a few steps whatever comes, so that one fault hides no other. This file does not check how
the environment behaves (`londi.envs.trials`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from londi.envs.contract import (
    Fault,
    Traits,
    name_of,
    reset_faults,
    space_faults,
    state_faults,
    step_faults,
    trait_faults,
)
from londi.envs.findings import Finding, fault
from londi.envs.histories import HISTORIES
from londi.envs.restorable import restorable, rewindable
from londi.envs.trials import STEPS, UNKNOWN
from londi.errors import FOREIGN_ERRORS, InvalidConfig, one_line

_ODD = (UNKNOWN, "", "\N{SNOWMAN}'\"\\\n(")
"""Texts that a model may write, none of them an action."""


class Forms:
    """Checks of form, by one episode.

    Args:
        env: the environment.
        seed: seed of the episode.

    Attributes:
        declared: whether the declarations in `metadata` are right.
        faults: what was found, the first of each part of the contract.
    """

    def __init__(self, env: gym.Env[str, str], seed: int) -> None:
        self._env, self._seed = env, seed
        self._parts: set[str] = set()
        self._reads: tuple[str, ...] = ()
        self.faults: list[Finding] = []
        self._tell(None, space_faults(env))
        wrong = list(trait_faults(env))
        self._tell(None, wrong)
        self.declared = not wrong
        if self.declared:
            self._reads = HISTORIES[Traits.of(env).history].reads
            self._tell(None, _saving_faults(env))
        actions = self._reset()
        if actions is not None:
            self._play(actions)
            self._say_anything()

    def _reset(self) -> list[str] | None:
        """The possible actions of the first state; None where the episode has not begun."""
        try:
            told: Any = self._env.reset(seed=self._seed)
        except FOREIGN_ERRORS as error:  # whatever a user's environment raises
            self._raised("reset", 0, error)
            return None
        faults = list(reset_faults(told))
        self._tell(0, faults)
        if {"reset", "info"} & {part for part, _ in faults}:
            return None
        self._tell(0, state_faults(told[1], self._reads))
        return _actions(told[1])

    def _play(self, actions: list[str]) -> None:
        rng = np.random.default_rng(self._seed)
        for t in range(1, STEPS + 1):
            action = actions[rng.integers(len(actions))] if actions else UNKNOWN
            try:
                told: Any = self._env.step(action)
            except FOREIGN_ERRORS as error:  # whatever a user's environment raises
                self._raised("step", t, error)
                return
            faults = list(step_faults(told))
            self._tell(t, faults)
            if {"step", "info"} & {part for part, _ in faults}:
                return
            *_, terminated, truncated, info = told
            if terminated is True or truncated is True:
                return
            self._tell(t, state_faults(info, self._reads))
            actions = _actions(info)

    def _say_anything(self) -> None:
        """No text that a model may write may break the environment."""
        for text in _ODD:
            if "step raised" in self._parts or self._reset() is None:
                return
            try:
                self._env.step(text)
            except FOREIGN_ERRORS as error:  # whatever a user's environment raises
                wrong = InvalidConfig(
                    "expected step to take any text, as no action or in place of one;"
                    f" {text!r} raised {one_line(error)}"
                )
                self._tell(1, [Fault("any text", wrong)])
                return

    def _raised(self, method: str, step: int, error: BaseException) -> None:
        wrong = InvalidConfig(f"expected {method} to return, it raised {one_line(error)}")
        self._tell(step, [Fault(f"{method} raised", wrong)])

    def _tell(self, step: int | None, faults: Iterable[Fault]) -> None:
        """Keep the first fault of each part; `step` is None where it is of the declarations."""
        name = name_of(self._env)
        where = name if step is None else f"{name}, episode {self._seed}, step {step}"
        for part, error in faults:
            if part not in self._parts:
                self._parts.add(part)
                what = str(error).removeprefix(f"{name}: ")
                mend = "history reads" if part in self._reads else part
                self.faults.append(fault(where, mend, what))


def _actions(info: Mapping[str, Any]) -> list[str]:
    """The possible actions, as far as they are texts."""
    listed = info.get("actions", ())
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        return []
    return [action for action in listed if isinstance(action, str)]


def _saving_faults(env: gym.Env[str, str]) -> Iterator[Fault]:
    """Members that a declaration asks for and that are not there."""
    for trait, inner, parts in (
        ("restorable", restorable(env), ("state_key", "snapshot", "restore")),
        ("rewindable", rewindable(env), ("horizon", "reward_at", "snapshot", "restore")),
    ):
        for part in parts if inner is not None else ():
            if part not in dir(inner):
                wrong = InvalidConfig(f"metadata[{trait!r}] asks for {part!r}, got none")
                yield Fault(f"{trait} member", wrong)
