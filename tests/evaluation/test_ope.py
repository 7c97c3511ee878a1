"""Estimates from logs against exact values, against what is played, and against each other."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from finite_logs import at_logged, exact, simulated
from logged_corridor import ENCODER, HARD, recorded
from londi.envs.seeds import switching_seeds
from londi.evaluation.ope import Estimation, estimate, saving
from londi.evaluation.refusals import Outcome
from londi.learning.dataset import OfflineDataset
from londi.oracle.mdp import random_mdp
from londi.switching.decision import draw
from londi.switching.env import SwitchingVectorEnv
from londi.switching.rollout import rollout
from londi.types import Array
from playthings import toy

MDP = random_mdp(6, np.random.default_rng(1), acyclic=True)
POLICY = np.array([0.9, 0.2, 0.8, 0.1, 0.7, 0.0])


@pytest.fixture(scope="module")
def corridor() -> OfflineDataset:
    return recorded(0.5, episodes=600)


def careful(observation: Array) -> Array:
    """Mostly calls where it is hard."""
    return np.where(observation[:, HARD] > 0.5, 0.9, 0.2)


def test_estimates_are_unbiased() -> None:
    # Sessions have propensities of their own, so that a wrong one could not hide in a mean.
    rng, found = np.random.default_rng(0), []
    for _ in range(100):
        coins = rng.uniform(0.3, 0.7, (400, 1)) * np.ones(6)
        log = simulated(MDP, 400, coins, rng)
        made = estimate(log, at_logged(log, POLICY), how=Estimation(resamples=1))
        values = [made.value(o, m) for m in ("pdis", "dr") for o in ("return", "calls")]
        found.append([value.estimate for value in values])
    errors = np.array(found) - np.tile(exact(MDP, POLICY), 2)
    z = errors.mean(0) / (errors.std(0) / 10)
    assert np.abs(z).max() < 3


def test_intervals_hold_the_exact_value_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    true, held = exact(MDP, POLICY), []
    for _ in range(100):
        log = simulated(MDP, 150, np.full(6, 0.5), rng)
        made = estimate(log, at_logged(log, POLICY), how=Estimation(resamples=500))
        intervals = [made.value(name).interval for name in ("return", "calls")]
        held.append([a <= v <= b for (a, b), v in zip(intervals, true, strict=True)])
    assert ((np.mean(held, axis=0) >= 0.9) & (np.mean(held, axis=0) <= 0.99)).all()


def test_a_discounted_value_is_estimated_as_such() -> None:
    log = simulated(MDP, 3_000, np.full(6, 0.5), np.random.default_rng(0))
    made = estimate(log, at_logged(log, POLICY), how=Estimation(gamma=0.5))
    for name, true in zip(("return", "calls"), exact(MDP, POLICY, 0.5), strict=True):
        for method in ("pdis", "wpdis", "fqe", "dr", "wdr"):
            assert made.value(name, method).estimate == pytest.approx(true, abs=0.12), method


def test_the_logged_policy_is_worth_what_was_logged() -> None:
    log = simulated(MDP, 200, np.full(6, 0.3), np.random.default_rng(0))
    made = estimate(log, np.full(len(log.choice), 0.3))
    assert made.effective_sample_size == made.per_decision_sample_size == 200
    for outcome, mean in (("return", log.reward.sum() / 200), ("calls", log.choice.sum() / 200)):
        for method in ("logged", "pdis", "wpdis"):
            assert made.value(outcome, method).estimate == pytest.approx(mean)
        low, high = made.value(outcome).interval or (0, 0)
        assert low < mean < high


def test_effective_sample_sizes_are_of_sessions_and_of_steps() -> None:
    log = simulated(MDP, 200, np.full(6, 0.5), np.random.default_rng(0))
    made = estimate(log, at_logged(log, POLICY))
    assert made.effective_sample_size and made.per_decision_sample_size
    assert 0 < made.effective_sample_size < made.per_decision_sample_size < made.sessions == 200
    assert made.steps == len(log.choice)


def test_a_budget_is_a_policy_of_the_calls_before() -> None:
    # One call a session, at the first state where the policy would make one.
    rng = np.random.default_rng(0)
    log = simulated(MDP, 2_000, np.full(6, 0.5), rng)
    before = np.cumsum(log.choice) - log.choice
    before -= before[log.begins][np.cumsum(log.begins) - 1]
    call = np.where(before < 1, at_logged(log, POLICY), 0.0)
    seen = np.concatenate([log.observation, before[:, None] < 1], axis=1)
    made = estimate(replace(log, observation=seen), call)
    state, spent, total = np.zeros(20_000, int), np.zeros(20_000, int), np.zeros(20_000)
    for _ in range(5):
        choice = (rng.random(20_000) < POLICY[state]) & (spent == 0)
        reward, state, _ = MDP.step(state, choice.astype(int), rng)
        spent, total = spent + choice, total + reward
    for name, played in (("calls", spent.mean()), ("return", total.mean())):
        low, high = made.value(name).interval or (0, 0)
        assert low - 0.01 < played < high + 0.01


def test_a_saving_is_held_against_always_deepthink() -> None:
    log = simulated(MDP, 2_000, np.full(6, 0.6), np.random.default_rng(0))
    policy = np.full(6, 0.5)
    share = 1 - exact(MDP, policy)[1] / exact(MDP, np.ones(6))[1]
    found = saving(log, at_logged(log, policy))
    assert found.refused is None and found.interval and found.estimate is not None
    assert found.interval[0] < share < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.2
    price = Outcome("price", 3.0 * log.choice + 1.0)
    dear = saving(log, at_logged(log, policy), price)
    assert dear.estimate is not None and 0 < dear.estimate < found.estimate
    seldom = simulated(MDP, 100, np.full(6, 0.05), np.random.default_rng(0))
    none = saving(seldom, np.full(len(seldom.choice), 0.05))
    assert none.refused is not None and none.estimate is None


def test_on_the_corridor_as_it_would_be_played(corridor: OfflineDataset) -> None:
    # A step is survived with 1/2 + 1/2 * 0.9, and calls with the mean of 0.9 and 0.2.
    survived, call = 0.95, 0.55
    returns, calls = survived**4, call * sum(survived**k for k in range(4))
    made = estimate(corridor, careful(corridor.observation))
    assert made.refused is None
    for name, true in (("return", returns), ("calls", calls)):
        low, high = made.value(name).interval or (0, 0)
        assert low < true < high
    played = play(400)
    assert np.mean(played, axis=0) == pytest.approx([returns, calls], abs=0.15)
    # The logged policy's own mean is far from it.
    assert made.value("return", "logged").estimate < 0.45


def play(episodes: int) -> list[tuple[float, int]]:
    """Return and calls of episodes in which the careful policy acts."""
    pair, rng = toy(), np.random.default_rng(5)
    env = SwitchingVectorEnv(
        pair.make, pair.quick, pair.deepthink, cost=0.0, encoder=ENCODER, num_envs=8
    )
    sums: dict[int, tuple[float, int]] = {}
    with closing(env):
        start = env.reset(options={"episodes": islice(switching_seeds(7), episodes)})
        choose = lambda seen, allowed: draw(careful(seen), allowed, rng)  # noqa: E731
        for made in rollout(env, choose, *start):
            for step in filter(None, made.steps):
                total, calls = sums.get(step.episode, (0.0, 0))
                sums[step.episode] = total + step.reward, calls + step.choice
    return list(sums.values())
