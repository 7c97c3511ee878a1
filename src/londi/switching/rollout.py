"""Episodes played with a Switcher, step by step: observe, decide, act, record.

One generator serves training, evaluation, logs and replays. Its records are complete: the state,
the choice with its propensity, the reward and the state that followed. This file knows no learner
and no metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from londi.switching.decision import Decision
from londi.types import Array, Info, Step


@dataclass(frozen=True, slots=True)
class Transitions:
    """One step of n episodes side by side; observations of D numbers.

    Attributes:
        observation: [n, D], the state that was seen.
        privileged: [n, P], what critics alone know of it; P may be 0.
        allowed: [n, 2], the choices that were possible.
        decision: the choices and their propensities.
        reward: [n], the task's own reward, no cost taken off.
        overspent: [n], true for a call beyond the budget (`penalty` mode).
        next_observation: [n, D], the state that followed, in the same episode even where it was
            truncated; zeros behind a terminated one.
        next_privileged: [n, P], likewise.
        next_allowed: [n, 2], the choices possible there.
        terminated: [n], true where the task ended.
        truncated: [n], true where the episode was cut off.
        steps: n records of text, models and usage; None where a slot had nothing left to play.
    """

    observation: Array
    privileged: Array
    allowed: Array
    decision: Decision
    reward: Array
    overspent: Array
    next_observation: Array
    next_privileged: Array
    next_allowed: Array
    terminated: Array
    truncated: Array
    steps: tuple[Step | None, ...]


class Steps(Protocol):
    """What a rollout asks of a switching problem: that of `SwitchingVectorEnv`, or of many."""

    def step(self, actions: Array, /) -> tuple[Array, Array, Array, Array, Info]:
        """Do the choices `[n]`, as `SwitchingVectorEnv.step`."""


def rollout(
    env: Steps,
    decide: Callable[[Array, Array], Decision],
    observation: Array,
    info: Info,
) -> Iterator[Transitions]:
    """Play on until no slot has an episode left.

    Args:
        env: the switching problem, just reset or resumed.
        decide: choices at observations `[n, D]`, among those allowed `[n, 2]`.
        observation: returned by the environment's `reset` or `load_state`.
        info: returned with it.
    """
    while info["live"].any():
        allowed = info["action_mask"]
        decision = decide(observation, allowed)
        after, _, terminated, truncated, told = env.step(decision.choice)
        ended = terminated | truncated
        steps: tuple[Step | None, ...] = tuple(told["steps"])
        yield Transitions(
            observation=observation,
            privileged=info["privileged"],
            allowed=allowed,
            decision=decision,
            reward=np.array([step.reward if step else 0.0 for step in steps]),
            overspent=np.array([step is not None and step.overspent for step in steps]),
            next_observation=_before_reset(after, told, "final_obs", ended),
            next_privileged=_final(told, "privileged", ended),
            next_allowed=_final(told, "action_mask", ended),
            terminated=terminated,
            truncated=truncated,
            steps=steps,
        )
        observation, info = after, told


def _before_reset(now: Array, info: Info, name: str, ended: Array) -> Array:
    """`now`, with what stood there before a new episode took the slot where one has ended."""
    if not ended.any():
        return now
    rows = now.copy()
    rows[ended] = np.stack(info[name][ended])
    return rows


def _final(info: Info, name: str, ended: Array) -> Array:
    return _before_reset(info[name], info.get("final_info", {}), name, ended)
