"""Logged episodes, from which routers that never act while they learn are trained.

This file knows how episodes are recorded, and nothing of what is learned from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import fields
from math import inf, nan
from pathlib import Path

import numpy as np

from londi.encoders.base import Encoder
from londi.errors import LondiError
from londi.learning.dataset import OfflineDataset
from londi.models.pair import ModelPair
from londi.storage.checkpoint import has_state, load_state, save_state
from londi.switching.decision import Decision, draw
from londi.switching.env import SwitchingVectorEnv
from londi.switching.observation import ObservationLayout, steps_made
from londi.switching.rollout import rollout
from londi.types import Array, Step


def collect(
    pair: ModelPair,
    encoder: Encoder,
    episodes: Iterable[int],
    rate: Callable[[np.random.Generator], float],
    *,
    steps: float,
    num_envs: int,
    seed: int,
    quick_steps: Callable[[np.random.Generator], int] = lambda rng: 0,
    both: bool = False,
) -> OfflineDataset:
    """Play episodes with random choices, at a call rate of each one's own, and log them.

    Args:
        pair: the models and their environment.
        encoder: what is seen of a prompt.
        episodes: their seeds.
        rate: draws the probability of a call in an episode.
        steps: after so many no further step is made; episodes that have not ended are left out.
        num_envs: episodes played side by side.
        seed: seed of the choices.
        quick_steps: draws the number of an episode's first steps that QUICK makes in any case.
        both: ask both models at every step, so that it is known where they agree.
    """
    rng = np.random.default_rng(seed)
    rates = np.array([rate(rng) for _ in range(num_envs)])
    firsts = np.array([quick_steps(rng) for _ in range(num_envs)])
    layout = ObservationLayout(encoder.size)

    def again(slot: int) -> None:
        rates[slot], firsts[slot] = rate(rng), quick_steps(rng)

    def decide(observation: Array, allowed: Array) -> Decision:
        begun = steps_made(layout.view(observation)) >= firsts
        return draw(np.where(begun, rates, 0.0), allowed, rng)

    return record(
        pair,
        encoder,
        episodes,
        decide,
        steps=steps,
        num_envs=num_envs,
        both=both,
        on_end=again,
    )


def record(
    pair: ModelPair,
    encoder: Encoder,
    episodes: Iterable[int],
    decide: Callable[[Array, Array], Decision],
    *,
    steps: float = inf,
    num_envs: int,
    cost: float = 0.0,
    both: bool = False,
    on_end: Callable[[int], None] = lambda slot: None,
) -> OfflineDataset:
    """Play episodes without a budget, and log them.

    Args:
        pair: the models and their environment.
        encoder: what is seen of a prompt.
        episodes: their seeds.
        decide: choices at observations `[n, D]`, among those allowed `[n, 2]`.
        steps: after so many no further step is made; episodes that have not ended are left out.
        num_envs: episodes played side by side, n.
        cost: c, in the observations.
        both: ask both models at every step, so that it is known where they agree.
        on_end: told of the slot whose episode has ended.
    """
    env = SwitchingVectorEnv(
        pair.make,
        pair.quick,
        pair.deepthink,
        cost=cost,
        encoder=encoder,
        num_envs=num_envs,
        privileged=both,
    )
    rows: dict[int, list[tuple[Step, float, Array, Array]]] = {}
    ended: list[int] = []
    made = 0
    with closing(env):
        start = env.reset(options={"episodes": episodes})
        for seen in rollout(env, decide, *start):
            for i, step in enumerate(seen.steps):
                if step is not None:
                    made += 1
                    propensity = float(seen.decision.propensity[i])
                    row = step, propensity, seen.observation[i], seen.next_observation[i]
                    rows.setdefault(step.episode, []).append(row)
                    if step.ended:
                        ended.append(step.episode)
                        on_end(i)
            if made >= steps:
                break
    pair.commit()
    flat = [row for episode in ended for row in rows[episode]]
    return OfflineDataset(
        episode=np.array([step.episode for step, *_ in flat]),
        observation=np.stack([seen for *_, seen, _ in flat]),
        propensity=np.array([propensity for _, propensity, *_ in flat]),
        choice=np.array([step.choice for step, *_ in flat]),
        reward=np.array([step.reward for step, *_ in flat], np.float32),
        next_observation=np.stack([after for *_, after in flat]),
        terminated=np.array([step.terminated for step, *_ in flat]),
        allowed=np.ones((len(flat), 2), bool),
        agreement=np.array([_agreed(step) for step, *_ in flat]),
    )


def _agreed(step: Step) -> float:
    """Whether both models said the same; NaN where one alone was asked."""
    if step.quick_action is None or step.deepthink_action is None:
        return nan
    return float(step.quick_action == step.deepthink_action)


def cached_dataset(folder: Path, make: Callable[[], OfflineDataset]) -> OfflineDataset:
    """The log in `folder`, made and left there if there is none.

    Raises:
        LondiError: if the one that is there is of another release.
    """
    names = [field.name for field in fields(OfflineDataset)]
    if not has_state(folder):
        made = make()
        save_state(folder, {name: getattr(made, name) for name in names})
    state = load_state(folder)
    if state.keys() != set(names):
        raise LondiError(
            f"the log in {str(folder)!r} was made by another release of londi; remove it, and what"
            " was learned from it, or compare in another folder"
        )
    return OfflineDataset(**state)
