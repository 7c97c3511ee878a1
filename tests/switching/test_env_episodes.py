"""Episodes of the switching problem: how each ends, what follows on it, and how it is resumed."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from londi import Budget, SwitchingVectorEnv
from londi.encoders.base import Encoder, NoEncoder
from londi.encoders.quick import QuickEncoder
from londi.storage.checkpoint import load_state, save_state
from londi.switching.observation import steps_made
from londi.types import CostBudget
from playthings import LENGTH, Corridor, Scripted, deepthink, quick
from switching.corridors import LAYOUT, make, play


def test_what_ends_is_told_as_gymnasiums_own_vector_environments_tell_it() -> None:
    class Plain(gym.Env[np.ndarray, int]):
        observation_space = gym.spaces.Box(0, 9, (1,), np.float32)
        action_space = gym.spaces.Discrete(2)

        def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
            return np.zeros(1, np.float32), {"action_mask": np.ones(2, bool)}

        def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            return np.ones(1, np.float32), 0.0, False, True, {"action_mask": np.ones(2, bool)}

    theirs = SyncVectorEnv([Plain] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    ours = make(num_envs=2, limit=1)
    theirs.reset(seed=0)
    ours.reset(seed=0)
    expected, got = theirs.step(np.zeros(2, int))[4], ours.step(np.ones(2))[4]
    assert expected.keys() <= got.keys() | {"_action_mask"}
    for name in ("final_obs", "_final_obs", "_final_info"):
        assert got[name].dtype == expected[name].dtype
        assert got[name].shape == expected[name].shape
    assert got["final_info"]["action_mask"].shape == (2, 2)
    assert got["final_info"]["_action_mask"].tolist() == [True, True]
    going_on = make(num_envs=2, limit=9)
    going_on.reset(seed=0)
    assert not {"final_obs", "final_info"} & going_on.step(np.ones(2))[4].keys()
    for env in (theirs, ours, going_on):
        env.close()


def test_an_ended_episode_is_followed_by_the_next_seed_and_a_full_budget() -> None:
    env = make(Budget(4), num_envs=2)
    env.reset(options={"episodes": [7, 8, 9, 10]})
    steps = play(env, lambda _: np.ones(2), LENGTH - 1)
    assert {step.episode for step in steps} == {7, 8}
    observation, *_ = env.step(np.ones(2))
    assert LAYOUT.view(observation).budget_left.tolist() == [4.0, 4.0]
    *_, info = env.step(np.zeros(2))
    assert [step.episode for step in info["steps"]] == [9, 10]
    assert [step.t for step in info["steps"]] == [0, 0]
    env.close()


def test_each_episode_has_the_cost_and_budget_of_its_seed() -> None:
    env = SwitchingVectorEnv(
        Corridor,
        quick(),
        deepthink(),
        cost_budget=lambda seed: CostBudget(seed / 100, float(seed % 3)),
        encoder=QuickEncoder(3),
        num_envs=2,
    )
    observation, info = env.reset(options={"episodes": range(4, 10)})
    while info["live"].all():
        view = LAYOUT.view(observation)
        before = [slot.episode.seed for slot in env._slots]
        assert view.cost.tolist() == pytest.approx([seed / 100 for seed in before])
        allowed = info["action_mask"][:, 1]
        observation, reward, _, _, info = env.step(np.ones(2))
        for i, step in enumerate(info["steps"]):
            assert step.episode == before[i]
            assert step.remaining == view.budget_left[i] <= step.episode % 3
            assert step.choice == allowed[i] == (step.remaining > 0)
            assert reward[i] == pytest.approx(step.reward - step.choice * step.episode / 100)
    env.close()


def test_slots_run_out_of_episodes() -> None:
    env = make(num_envs=3)
    _, info = env.reset(options={"episodes": [1, 2, 3, 4]})
    played = []
    while info["live"].any():
        *_, info = env.step(np.ones(3))
        played += [step.episode for step in info["steps"] if step is not None]
    assert sorted(played) == sorted([1, 2, 3, 4] * LENGTH)
    observation, reward, terminated, truncated, info = env.step(np.ones(3))
    assert info["steps"].tolist() == [None, None, None]
    assert not observation.any()
    assert not reward.any()
    assert not terminated.any()
    assert not truncated.any()
    env.close()


def test_the_final_observation_is_that_of_the_old_episode() -> None:
    env = make(Budget(2), num_envs=1, limit=1)
    env.reset(options={"episodes": [1, 2]})
    observation, _, terminated, truncated, info = env.step(np.ones(1))
    assert truncated[0]
    assert not terminated[0]
    final = LAYOUT.view(info["final_obs"][0][None])
    assert final.budget_left == 1  # one of two calls is left in the old episode
    assert LAYOUT.view(observation).budget_left == 2
    env.close()


def test_nothing_is_looked_at_behind_a_terminated_episode() -> None:
    env = make(num_envs=1)
    env.reset(options={"episodes": [1]})
    for _ in range(LENGTH):
        _, _, terminated, _, info = env.step(np.ones(1))
    assert terminated[0]
    assert not info["final_obs"][0].any()
    env.close()


def test_the_same_seed_gives_the_same_episodes() -> None:
    def record(seed: int) -> list[Any]:
        env = make()
        observation, _ = env.reset(seed=seed)
        rows = [observation]
        for t in range(10):
            observation, *_ = env.step(np.array([t % 2, 1, 0]))
            rows.append(observation)
        env.close()
        return [row.tolist() for row in rows]

    assert record(1) == record(1)
    assert record(1) != record(2)


@pytest.mark.parametrize("encoder", [QuickEncoder(3), NoEncoder()])
def test_a_resumed_environment_goes_on_as_the_first(encoder: Encoder, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    choices = rng.integers(2, size=(12, 3))
    first, second = (make(Budget(3), encoder=encoder, privileged=True) for _ in range(2))
    first.reset(options={"episodes": count(20)})
    play(first, lambda t: choices[t], 4)
    expected, *_, told = first.step(choices[4])
    save_state(tmp_path / "state", first.state())
    observation, info = second.load_state(load_state(tmp_path / "state"), count(20))
    np.testing.assert_array_equal(observation, expected)
    for name in ("action_mask", "live", "privileged"):
        np.testing.assert_array_equal(info[name], told[name])
    small = second.quick
    assert isinstance(small, Scripted)
    assert small.asked == []  # nothing that was known is asked again
    for choice in choices[5:]:
        a, b = first.step(choice), second.step(choice)
        for left, right in zip(a[:4], b[:4], strict=True):
            np.testing.assert_array_equal(left, right)
        assert a[4]["steps"].tolist() == b[4]["steps"].tolist()
    first.close()
    second.close()


class Fragile(Corridor):
    """A corridor whose world is lost at the first step of some episodes, once `broken` is set."""

    broken: tuple[int, ...] = ()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        self._seed = seed
        return super().reset(seed=seed, options=options)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if self._seed in self.broken:
            return self._text(), 0.0, False, True, self._info() | {"aborted": "it died"}
        return super().step(action)


def test_an_episode_that_breaks_off_while_it_is_resumed_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = (
        SwitchingVectorEnv(Fragile, quick(), deepthink(), encoder=QuickEncoder(3), num_envs=3)
        for _ in range(2)
    )
    first.reset(options={"episodes": count(20)})
    play(first, lambda _: np.ones(3), 2)
    monkeypatch.setattr(Fragile, "broken", (21,))
    observation, info = second.load_state(first.state(), count(20))
    assert info["aborted"].tolist() == [False, True, False]
    assert info["live"].all()
    monkeypatch.setattr(Fragile, "broken", ())
    # The next episode has taken the slot, and begins at its beginning.
    assert steps_made(LAYOUT.view(observation)).tolist() == [2, 0, 2]
    *_, told = second.step(np.ones(3))
    assert [(s.episode, s.t) for s in told["steps"]] == [(20, 2), (23, 0), (22, 2)]
    first.close()
    second.close()
