"""Replays: episodes step by step, with what both models would do and what the Switcher expected.

This file knows how an episode is played, and nothing of how methods compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from londi.encoders.registry import make_encoder
from londi.envs.episode import TextEpisode
from londi.evaluation.curves import Replay, ReplayStep
from londi.models.pair import ModelPair
from londi.switching.budget import Budget
from londi.switching.env import SwitchingVectorEnv
from londi.switching.rollout import rollout
from londi.switching.switcher import LearnedSwitcher
from londi.types import Step


def replay(
    pair: ModelPair,
    switcher: LearnedSwitcher,
    episodes: Sequence[int],
    *,
    cost: float,
    budget: int | None,
    seed: int,
) -> list[Replay]:
    """The episodes as a universal Switcher plays them, without what the clairvoyant would do.

    Args:
        pair: the models and their environment; both are asked at every step.
        switcher: who decides.
        episodes: their seeds.
        cost: c.
        budget: n; None for no cap.
        seed: seed of random choices.
    """
    switcher.check_supported(cost, Budget(budget))
    env = SwitchingVectorEnv(
        pair.make,
        pair.quick,
        pair.deepthink,
        cost=cost,
        budget=Budget(budget),
        encoder=make_encoder(switcher.encoder, pair.quick, pair.deepthink),
        num_envs=len(episodes),
        privileged=True,
    )
    rng = np.random.default_rng(seed)
    recorded: dict[int, list[_Recorded]] = {episode: [] for episode in episodes}
    with closing(env):
        start = env.reset(options={"episodes": episodes})
        decide = partial(switcher.decide, rng=rng)
        for seen in rollout(env, decide, *start):
            expected = switcher.expect(seen.observation)
            numbers = (seen.decision.call_probability, expected.gain, expected.more_calls)
            for step, *row in zip(seen.steps, *numbers, strict=True):
                if step is not None:
                    recorded[step.episode].append(_Recorded(step, *map(float, row)))
    texts = TextEpisode(pair.make())
    with closing(texts):
        return [_replay(texts, recorded[episode], cost, budget) for episode in episodes]


class _Recorded(NamedTuple):
    """A step, and what the Switcher said before it."""

    step: Step
    probability: float
    gain: float
    more_calls: float


def _replay(
    texts: TextEpisode, recorded: Sequence[_Recorded], cost: float, budget: int | None
) -> Replay:
    """One episode, done again to see its texts."""
    steps = [row.step for row in recorded]
    texts.resume(steps[0].episode, [step.action for step in steps])
    shown = [
        ReplayStep(
            text=text,
            quick=row.step.quick_action or "",
            deepthink=row.step.deepthink_action or "",
            choice=row.step.choice,
            done=row.step.substituted_action or row.step.action,
            probability=row.probability,
            gain=row.gain,
            more_calls=row.more_calls,
            reward=row.step.reward,
            clairvoyant=None,
        )
        for text, row in zip(texts.observations, recorded, strict=False)
    ]
    return Replay(
        episode=steps[0].episode,
        goal=texts.state.goal,
        cost=cost,
        budget=budget,
        total=sum(step.reward for step in steps),
        success=steps[-1].success,
        steps=shown,
    )
