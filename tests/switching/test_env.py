"""The switching problem as a vector environment: who acts, what is seen, and what is paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from hypothesis import given, settings
from hypothesis import strategies as st

from londi import Budget, SwitchingVectorEnv
from londi.encoders.base import ConfidenceEncoder, NoEncoder
from londi.encoders.quick import QuickEncoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, UnknownName
from londi.models.scripted import RandomModel
from londi.types import Reply, Usage
from playthings import LENGTH, Corridor, Scripted, deepthink, quick
from switching.corridors import make, play


class Spinning(RandomModel):
    """Turns on the spot: it sees the same again every four steps."""

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [Reply("turn left", 0.0, 1.0, Usage(1)) for _ in prompts]


def test_it_is_a_gymnasium_vector_environment() -> None:
    env = make()
    assert isinstance(env, gym.vector.VectorEnv)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert info["action_mask"].shape == (3, 2)
    for _ in range(20):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert reward.shape == terminated.shape == truncated.shape == (3,)
    env.close()


@pytest.mark.parametrize(
    "actions", [[-1, 0, 1], [0, 1, 2], [0.5, 0, 0], [float("nan"), 0, 0], [0, 1], [[0], [1], [1]]]
)
def test_other_actions_are_refused(actions: list[Any]) -> None:
    env = make(Budget(4))
    env.reset(seed=0)
    with pytest.raises(InvalidConfig, match=r"actions: expected 3 of 0 \(QUICK\) or 1"):
        env.step(np.array(actions))
    env.close()


def test_gymnasiums_own_wrappers_work() -> None:
    env = RecordEpisodeStatistics(make(num_envs=3))
    env.reset(seed=0)
    lengths: list[int] = []
    for _ in range(3 * LENGTH):
        *_, info = env.step(np.ones(3))
        if "episode" in info:
            lengths += info["episode"]["l"][info["_episode"]].tolist()
    assert lengths == [LENGTH] * 9
    env.close()
    listed = DictInfoToList(make(num_envs=3))
    listed.reset(seed=0)
    for _ in range(LENGTH):
        *_, told = listed.step(np.ones(3))
    assert [info["steps"].t for info in told] == [LENGTH - 1] * 3
    assert all("action_mask" in info["final_info"] for info in told)
    listed.close()


def test_deepthink_acts_where_the_action_is_one_and_quick_elsewhere() -> None:
    env = make(num_envs=8)
    env.reset(seed=0)
    choice = np.array([0, 1] * 4)
    *_, info = env.step(choice)
    for g, step in zip(choice, info["steps"], strict=True):
        assert step.choice == g
        assert (step.deepthink.calls, step.quick.calls) == (g, 1)
    env.close()


def test_each_model_is_asked_once_a_step_for_all_of_its_part() -> None:
    env = make(num_envs=8)
    small, large = env.quick, env.deepthink
    assert isinstance(small, Scripted)
    assert isinstance(large, Scripted)
    env.reset(seed=0)
    assert small.asked == [8]  # the encoder reads QUICK's replies, so it is asked everywhere
    env.step(np.array([1, 1, 1, 0, 0, 0, 0, 0]))
    assert large.asked == [3]
    assert len(small.asked) == 2
    env.close()


def test_quick_is_not_asked_where_deepthink_acts_unless_the_encoder_reads_it() -> None:
    env = make(num_envs=8, encoder=NoEncoder())
    small = env.quick
    assert isinstance(small, Scripted)
    env.reset(seed=0)
    assert small.asked == []
    env.step(np.array([1, 1, 1, 0, 0, 0, 0, 0]))
    assert small.asked == [5]
    env.step(np.ones(8))
    assert small.asked == [5]
    env.close()


def test_the_reward_is_the_tasks_less_the_cost_of_a_call() -> None:
    env = make(cost=0.25, num_envs=4)
    env.reset(seed=0)
    for t in range(3 * LENGTH):
        choice = np.array([0, 1, 1, t % 2])
        _, reward, _, _, info = env.step(choice)
        assert reward.tolist() == [s.reward - 0.25 * s.choice for s in info["steps"]]
    env.close()


def test_always_deepthink_walks_to_the_end() -> None:
    env = make()
    env.reset(seed=0)
    steps = play(env, lambda _: np.ones(3), LENGTH)
    assert sum(step.success for step in steps) == 3
    assert sum(step.reward for step in steps) == 3
    env.close()


def test_an_observation_shows_features_budget_cost_and_how_the_episode_has_gone() -> None:
    env = make(Budget(4), cost=0.3, encoder=ConfidenceEncoder())
    observation, _ = env.reset(seed=0)
    assert observation.shape == (3, 6)
    assert set(observation[:, 0].round(1)) <= {np.float32(0.9), np.float32(0.6)}
    np.testing.assert_allclose(observation[:, 1:], [[4.0, 1.0, 0.3, 0.0, 0.0]] * 3, rtol=1e-6)
    observation, *_ = env.step(np.ones(3))
    np.testing.assert_allclose(observation[:, 1:], [[3.0, 1.0, 0.3, np.log(2), 0.0]] * 3, rtol=1e-6)
    env.close()


def test_an_observation_shows_how_often_the_same_was_seen_before() -> None:
    env = SwitchingVectorEnv(
        "londi/BabyAIText-GoToObj-v0", Spinning(), Spinning(), encoder=NoEncoder(), num_envs=1
    )
    observation, _ = env.reset(seed=0)
    seen = [observation[0, -1]]
    for _ in range(8):
        seen.append(env.step(np.zeros(1))[0][0, -1])
    np.testing.assert_allclose(seen, np.log1p([0] * 4 + [1] * 4 + [2]), rtol=1e-6)
    env.close()


def test_for_privileged_information_both_models_are_asked_and_the_play_is_the_same() -> None:
    plain, foreseeing = make(num_envs=8), make(num_envs=8, privileged=True)
    rng = np.random.default_rng(0)
    small, large = foreseeing.quick, foreseeing.deepthink
    assert isinstance(small, Scripted)
    assert isinstance(large, Scripted)
    expected, _ = plain.reset(seed=0)
    observation, info = foreseeing.reset(seed=0)
    differed = np.zeros((8, 2))  # who acted where the models differ, in each episode
    for _ in range(3 * LENGTH):
        np.testing.assert_array_equal(observation, expected)
        easy = observation[:, 0] == 1  # where QUICK knows what to do, both do the same
        assert info["privileged"].shape == (8, 6)
        assert info["privileged"][:, 0].tolist() == easy.tolist()
        np.testing.assert_allclose(info["privileged"][:, 1:3], np.log1p(differed), rtol=1e-6)
        choice = rng.integers(2, size=8)
        differed[np.arange(8), choice] += ~easy
        expected, *_, told = plain.step(choice)
        observation, _, terminated, truncated, info = foreseeing.step(choice)
        differed[terminated | truncated] = 0
        assert [s.action for s in info["steps"]] == [s.action for s in told["steps"]]
    assert len(small.asked) == len(large.asked) == 3 * LENGTH + 1
    assert small.asked == large.asked
    plain.close()
    foreseeing.close()


@given(
    n=st.integers(0, 3),
    choices=st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_a_mask_is_never_overspent(n: int, choices: list[list[int]]) -> None:
    env = make(Budget(n, "mask"), num_envs=2)
    _, info = env.reset(seed=3)
    calls: dict[int, int] = {}
    for choice in choices:
        allowed = info["action_mask"][:, 1]
        *_, info = env.step(np.array(choice))
        for step, g, may in zip(info["steps"], choice, allowed, strict=True):
            assert step.choice == (g if may else 0)
            assert not step.overspent
            calls[step.episode] = calls.get(step.episode, 0) + step.choice
    assert max(calls.values(), default=0) <= n
    env.close()


@given(n=st.integers(0, 3), choices=st.lists(st.integers(0, 1), max_size=LENGTH))
@settings(max_examples=50, deadline=None)
def test_a_penalty_is_paid_for_each_call_beyond_the_budget(n: int, choices: list[int]) -> None:
    budget = Budget(n, "penalty", 2.0)
    able = deepthink()  # as QUICK too, so that no episode ends early
    encoder = QuickEncoder(3)
    env = SwitchingVectorEnv(
        Corridor, able, able, cost=0.5, budget=budget, encoder=encoder, num_envs=1
    )
    env.reset(options={"episodes": [5]})
    spent = 0
    for g in choices:
        _, reward, _, _, info = env.step(np.array([g]))
        (step,) = info["steps"]
        assert step.remaining == n - spent
        assert step.overspent == (g == 1 and spent >= n)
        assert reward[0] == step.reward - 0.5 * g - 2.0 * step.overspent
        spent += g
    env.close()


def test_babyai_is_reached_by_name() -> None:
    env = SwitchingVectorEnv(
        "londi/BabyAIText-GoToObjS4-v0", quick(), deepthink(), encoder=NoEncoder(), num_envs=2
    )
    env.reset(seed=0)
    *_, info = env.step(np.array([0, 1]))
    assert [step.t for step in info["steps"]] == [0, 0]
    env.close()


@pytest.mark.parametrize("cost", [-0.1, float("nan"), float("inf")])
def test_a_cost_that_is_none_is_refused(cost: float) -> None:
    with pytest.raises(InvalidConfig, match="cost: expected a number >= 0"):
        make(cost=cost)


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean"):
        SwitchingVectorEnv(
            "londi/BabyAIText-GoToObjS44-v0", quick(), deepthink(), encoder=NoEncoder()
        )
