"""Episodes told step by step: what was seen, what either model would do, and what was expected.

This file knows how an episode is watched, and nothing of who is any good.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np

from londi.encoders.registry import make_encoder
from londi.envs.episode import TextEpisode
from londi.evaluation.curves import Replay, ReplayStep
from londi.models.pair import Pair
from londi.switching.budget import Budget
from londi.switching.env import SwitchingVectorEnv
from londi.switching.switcher import LearnedSwitcher
from londi.types import Step


def watch(
    pair: Pair,
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
    env = SwitchingVectorEnv(
        pair.make,
        pair.quick,
        pair.deepthink,
        cost=cost,
        budget=switcher.operated(cost, Budget(budget)),
        encoder=make_encoder(switcher.encoder, pair.quick, pair.deepthink),
        num_envs=len(episodes),
        foresight=True,
    )
    rng = np.random.default_rng(seed)
    seen: dict[int, list[tuple[Step, float, float, float]]] = {e: [] for e in episodes}
    with closing(env):
        observation, info = env.reset(options={"episodes": episodes})
        while info["live"].any():
            call = switcher.call_probability(observation, info["action_mask"])
            expected = switcher.expect(observation)
            choice = rng.random(len(call)) < call
            observation, _, _, _, info = env.step(choice)
            said = zip(info["steps"], call, expected.gain, expected.more_calls, strict=True)
            for step, *numbers in said:
                if step is not None:
                    seen[step.episode].append((step, *map(float, numbers)))
    texts = TextEpisode(pair.make())
    told = [_told(texts, seen[e], cost, budget) for e in episodes]
    texts.close()
    return told


def _told(
    texts: TextEpisode,
    seen: Sequence[tuple[Step, float, float, float]],
    cost: float,
    budget: int | None,
) -> Replay:
    """One episode, done again to see its texts."""
    steps = [step for step, *_ in seen]
    texts.resume(steps[0].episode, [step.action for step in steps])
    moments = [
        ReplayStep(
            text=text,
            quick=step.quick_action or "",
            deepthink=step.deepthink_action or "",
            choice=step.choice,
            done=step.substituted_action or step.action,
            probability=probability,
            gain=gain,
            more_calls=more,
            reward=step.reward,
            clairvoyant=None,
        )
        for text, (step, probability, gain, more) in zip(texts.observations, seen, strict=False)
    ]
    return Replay(
        episode=steps[0].episode,
        goal=str(texts.info["goal"]),
        cost=cost,
        budget=budget,
        total=sum(step.reward for step in steps),
        success=steps[-1].success,
        steps=moments,
    )
