"""Stable-Baselines3 on the switching problem: it learns, and it plays what it has learned."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN

from logged_corridor import ENCODER, HARD
from londi import SwitchingVectorEnv
from londi.baselines.sb3 import StableBaselines, learn, network
from londi.envs.seeds import switching_seeds
from londi.evaluation.play import play, summary
from londi.switching.budget import Budget
from londi.switching.observation import BUDGET_LEFT, CAPPED, CONTEXT, COST, STEPS
from londi.switching.switcher import ConstantSwitcher, LearnedSwitcher
from playthings import LENGTH, Corridor, deepthink, quick, toy


@pytest.mark.parametrize(("algorithm", "is_greedy"), [("dqn", True), ("ppo", False)])
def test_another_library_learns_to_call_where_it_is_hard(algorithm: str, is_greedy: bool) -> None:
    env = SwitchingVectorEnv(
        toy().make, quick(), deepthink(), cost=0.1, encoder=ENCODER, num_envs=8
    )
    learned = learn(
        algorithm,
        env,
        ENCODER,
        switching_seeds(0),
        width=32,
        cost=0.1,
        steps=12_000,
        gamma=0.99,
        seed=0,
    )
    env.close()
    same = network(ENCODER, 32, 0.1)
    same.load_state_dict(learned.state_dict())
    who = LearnedSwitcher(same, "quick", greedy=is_greedy)
    played = summary(play(toy(), who, range(200), cost=0.1, budget=Budget(), num_envs=8, seed=0))
    worth = np.mean([e.total - 0.1 * e.calls for e in played])
    always = summary(
        play(
            toy(), ConstantSwitcher(1.0), range(200), cost=0.1, budget=Budget(), num_envs=8, seed=0
        )
    )
    assert worth > np.mean([e.total - 0.1 * e.calls for e in always]) + 0.05


def test_the_library_itself_learns_from_the_environment() -> None:
    env = SwitchingVectorEnv(
        toy().make, quick(), deepthink(), cost=0.1, encoder=ENCODER, num_envs=4
    )
    model = DQN(
        "MlpPolicy",
        StableBaselines(env),
        learning_starts=200,
        learning_rate=2e-3,
        target_update_interval=200,
        train_freq=1,
        exploration_fraction=0.5,
        policy_kwargs={"net_arch": [32]},
        seed=0,
        device="cpu",
    )
    model.learn(4000)
    observation, _ = env.reset(seed=10_000)
    right = []
    for _ in range(25):
        choice, _ = model.predict(observation, deterministic=True)
        right += (choice == observation[:, HARD]).tolist()
        observation, *_ = env.step(choice)
    assert np.mean(right) > 0.95
    env.close()


def test_what_learned_without_budgets_at_one_cost_decides_alike_at_any() -> None:
    torch.manual_seed(0)
    made = network(ENCODER, 16, 0.1)
    rows = torch.randn(64, ENCODER.size + CONTEXT)
    rows[:, ENCODER.size + CAPPED] = 0.0
    others = rows.clone()
    others[:, ENCODER.size + CAPPED] = 1.0
    others[:, ENCODER.size + BUDGET_LEFT] = torch.linspace(-1, 4, 64)
    others[:, ENCODER.size + COST] = 0.5
    assert torch.equal(made(others), made(rows))
    # It does read the cost that it learned at, and how the episode has gone.
    torch.manual_seed(0)
    assert not torch.equal(network(ENCODER, 16, 0.5)(rows), made(rows))
    rows[:, ENCODER.size + STEPS] += 1.0
    assert not torch.equal(made(others), made(rows))


def test_the_library_is_told_of_a_cut_off_episode_and_its_last_state() -> None:
    env = SwitchingVectorEnv(
        lambda: Corridor(2), quick(), deepthink(), cost=0.25, encoder=ENCODER, num_envs=2
    )
    world = StableBaselines(env, count(5))
    world.reset()
    world.step_async(np.ones(2, np.int64))
    _, reward, ended, infos = world.step_wait()
    assert reward.tolist() == [-0.25, -0.25] and not ended.any() and infos == [{}, {}]
    world.step_async(np.ones(2, np.int64))
    observation, _, ended, infos = world.step_wait()
    assert ended.all()
    for info, begun in zip(infos, observation, strict=True):
        assert info["TimeLimit.truncated"] is True
        # Two steps were made before the last state, and none before the next episode's first.
        assert info["terminal_observation"][ENCODER.size + STEPS] == np.float32(np.log(3))
        assert begun[ENCODER.size + STEPS] == 0.0
    world.close()


def test_the_library_is_told_of_the_end_of_a_task() -> None:
    env = SwitchingVectorEnv(Corridor, quick(), deepthink(), cost=0.25, encoder=ENCODER, num_envs=1)
    world = StableBaselines(env)
    world.reset()
    for _ in range(LENGTH):
        world.step_async(np.ones(1, np.int64))
        _, _, ended, (info,) = world.step_wait()
    assert ended.all() and info["TimeLimit.truncated"] is False
    world.close()
