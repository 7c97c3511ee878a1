"""Episodes step by step: records are complete, and belong to the episode that they say."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from functools import partial
from itertools import count, islice, pairwise

import numpy as np
import pytest

from londi.encoders.quick import QuickEncoder
from londi.switching.budget import Budget
from londi.switching.decision import Decision, draw
from londi.switching.env import SwitchingVectorEnv
from londi.switching.observation import ObservationLayout, steps_made
from londi.switching.rollout import Transitions, rollout
from londi.switching.switcher import ConstantSwitcher
from playthings import LENGTH, Corridor, deepthink, quick

LAYOUT = ObservationLayout(QuickEncoder(3).size)


def make(limit: int | None = None, num_envs: int = 3, budget: int = 2) -> SwitchingVectorEnv:
    return SwitchingVectorEnv(
        lambda: Corridor(limit),
        quick(),
        deepthink(),
        cost=0.25,
        budget=Budget(budget),
        encoder=QuickEncoder(3),
        num_envs=num_envs,
        privileged=True,
    )


def played(env: SwitchingVectorEnv, episodes: range, rate: float = 0.5) -> list[Transitions]:
    decide = partial(ConstantSwitcher(rate).decide, rng=np.random.default_rng(0))
    with closing(env):
        return list(rollout(env, decide, *env.reset(options={"episodes": episodes})))


@pytest.mark.parametrize("limit", [None, 2])
def test_every_episode_is_played_once_and_its_records_join(limit: int | None) -> None:
    rows = defaultdict(list)
    for seen in played(make(limit), range(11)):
        for i, step in enumerate(seen.steps):
            if step is not None:
                rows[step.episode].append((seen, i, step))
    assert sorted(rows) == list(range(11))
    for episode in rows.values():
        assert [step.t for _, _, step in episode] == list(range(len(episode)))
        for (seen, i, step), (later, j, _) in pairwise(episode):
            assert not step.ended
            assert i == j
            for now, then in (
                ("next_observation", "observation"),
                ("next_privileged", "privileged"),
                ("next_allowed", "allowed"),
            ):
                np.testing.assert_array_equal(getattr(seen, now)[i], getattr(later, then)[j])
        seen, i, step = episode[-1]
        assert (seen.terminated[i], seen.truncated[i]) == (step.terminated, step.truncated)
        assert step.ended
        last = LAYOUT.view(seen.next_observation[i][None])
        if step.terminated:
            assert not seen.next_observation[i].any() and not seen.next_privileged[i].any()
        else:
            # The state that followed is of this episode, and not the first of the next.
            assert steps_made(last).tolist() == [len(episode)]
            calls = sum(step.choice for _, _, step in episode)
            assert last.budget_left.tolist() == [2 - calls]
            assert seen.next_allowed[i].tolist() == [True, calls < 2]


def test_what_is_recorded_is_what_was_done() -> None:
    for seen in played(make(), range(6)):
        for i, step in enumerate(seen.steps):
            if step is not None:
                assert seen.decision.choice[i] == step.choice
                assert seen.reward[i] == step.reward  # the task's, no cost taken off
                assert not seen.overspent[i]
                assert steps_made(LAYOUT.view(seen.observation))[i] == step.t
                assert LAYOUT.view(seen.observation).budget_left[i] == step.remaining
                allowed = step.remaining > 0
                assert seen.allowed[i].tolist() == [True, allowed]
                assert seen.decision.propensity[i] == (0.5 if allowed else 1.0)


def test_play_ends_with_the_last_episode_and_idle_slots_record_nothing() -> None:
    records = played(make(budget=LENGTH), range(4), rate=1.0)
    assert len(records) == 2 * LENGTH  # three episodes side by side, then one alone
    for seen in records[LENGTH:]:
        assert sum(step is None for step in seen.steps) == 2
        idle = np.array([step is None for step in seen.steps])
        assert not seen.observation[idle].any() and not seen.reward[idle].any()
        assert not (seen.terminated | seen.truncated)[idle].any()


def test_each_choice_is_asked_for_when_it_is_due() -> None:
    asked: list[int] = []

    def decide(observation: np.ndarray, allowed: np.ndarray) -> Decision:
        asked.append(len(asked))
        return draw(np.ones(len(observation)), allowed, np.random.default_rng(0))

    env = make()
    with closing(env):
        records = rollout(env, decide, *env.reset(options={"episodes": count()}))
        assert asked == []
        next(records)
        assert asked == [0]
        list(islice(records, 5))
        assert asked == list(range(6))
