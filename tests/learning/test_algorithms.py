"""Algorithms by name: what they make of a configuration, and at which terms episodes are played."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from math import inf, log
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from londi import TrainConfig
from londi.encoders.base import ConfidenceEncoder, Encoder, NoEncoder
from londi.errors import InvalidConfig, UnknownName
from londi.learning.algorithms import (
    ReplayLearner,
    SACAlgorithm,
    UniversalAlgorithm,
    experience,
    make_algorithm,
)
from londi.learning.privileged import PrivilegedCritic
from londi.learning.sac import SAC, AutoAlpha
from londi.learning.universal import RelabelledBatch, UniversalLearner
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.decision import Decision
from londi.switching.networks import Network, UniversalValue
from londi.switching.observation import CONTEXT
from londi.switching.rollout import Transitions
from londi.types import CostBudget

CONFIG = TrainConfig(cost=0.02, budget=4, batch_size=32, width=8, gamma=0.9)
UNIVERSAL = replace(CONFIG, universal=True, budget="none", cost_range=(0.01, 0.04), most_budget=3)


class Own(SACAlgorithm):
    """A user's algorithm: every second episode has no budget."""

    def cost_budget(self, episode: int) -> CostBudget:
        return CostBudget(self._config.cost, inf if episode % 2 else 4.0)


def learner(config: TrainConfig, privileged: int = 0, returns: Any = None) -> ReplayLearner:
    torch.manual_seed(0)
    made = make_algorithm(config, NoEncoder()).learner(privileged, returns)
    assert isinstance(made, ReplayLearner)
    return made


def transitions(n: int = 3, privileged: int = 2, **changes: Any) -> Transitions:
    """Steps of n slots, numbered, all of them calls."""
    seen = np.arange(n * CONTEXT, dtype=np.float32).reshape(n, CONTEXT)
    known = np.arange(n * privileged, dtype=np.float32).reshape(n, privileged)
    free, none = np.ones((n, 2), bool), np.zeros(n, bool)
    certain = np.ones(n)
    return replace(
        Transitions(
            observation=seen,
            privileged=known + 1000,
            allowed=free,
            decision=Decision(np.ones(n, np.int64), certain, certain),
            reward=np.arange(n) / 2,
            overspent=none,
            next_observation=seen + 100,
            next_privileged=known + 2000,
            next_allowed=free,
            terminated=none,
            truncated=none,
            steps=(None,) * n,
        ),
        **changes,
    )


def test_an_algorithm_is_found_by_its_name_or_by_what_is_to_be_served() -> None:
    for config, kind in (
        (CONFIG, SACAlgorithm),
        (UNIVERSAL, UniversalAlgorithm),
        (replace(UNIVERSAL, algorithm="universal"), UniversalAlgorithm),
        (replace(CONFIG, algorithm="sac"), SACAlgorithm),
    ):
        assert type(make_algorithm(config, NoEncoder())) is kind


def test_an_unknown_algorithm_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'universal'"):
        make_algorithm(replace(CONFIG, algorithm="univrsal"), NoEncoder())


def test_an_algorithm_of_ones_own_is_brought_by_module_and_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "my_algorithms", __import__("types"))
    monkeypatch.setattr("types.Own", Own, raising=False)
    made = make_algorithm(replace(CONFIG, algorithm="my_algorithms:Own"), NoEncoder())
    assert type(made) is Own
    assert [made.cost_budget(k).remaining for k in range(2)] == [4.0, inf]
    with pytest.raises(InvalidConfig, match="cannot import 'nowhere_to_be_found'"):
        make_algorithm(replace(CONFIG, algorithm="nowhere_to_be_found:Own"), NoEncoder())


def test_a_fixed_training_plays_all_episodes_at_its_cost_and_budget() -> None:
    config = replace(CONFIG, budget_mode="penalty", overspend_penalty=2.0)
    algorithm = make_algorithm(config, NoEncoder())
    assert algorithm.budget == Budget(4, "penalty", 2.0)
    assert {algorithm.cost_budget(seed) for seed in range(9)} == {CostBudget(0.02, 4.0)}
    free = make_algorithm(replace(CONFIG, budget="none"), NoEncoder())
    assert free.budget == Budget() and free.cost_budget(0) == CostBudget(0.02, inf)


def test_a_universal_training_plays_each_episode_at_a_cost_and_budget_of_its_own() -> None:
    algorithm = make_algorithm(UNIVERSAL, NoEncoder())
    terms = CostBudgetRange(0.01, 0.04, 3)
    assert algorithm.budget == Budget()
    drawn = [algorithm.cost_budget(seed) for seed in range(50)]
    assert drawn == [terms.of_episode(seed) for seed in range(50)]
    assert len({c.cost for c in drawn}) == 50
    assert {c.remaining for c in drawn} == {0.0, 1.0, 2.0, 3.0, inf}
    with pytest.raises(InvalidConfig, match="cost: expected one that the Switcher was trained for"):
        make_algorithm(replace(UNIVERSAL, cost=0.5), NoEncoder())


def test_privileged_information_stands_behind_the_observation() -> None:
    seen = transitions()
    stored = experience(seen)
    np.testing.assert_array_equal(stored.observation[:, :CONTEXT], seen.observation)
    np.testing.assert_array_equal(stored.observation[:, CONTEXT:], seen.privileged)
    np.testing.assert_array_equal(stored.next_observation[:, :CONTEXT], seen.next_observation)
    np.testing.assert_array_equal(stored.next_observation[:, CONTEXT:], seen.next_privileged)


def test_a_cut_off_episode_is_stored_as_one_that_goes_on() -> None:
    stored = experience(transitions(truncated=np.array([True, False, True])))
    assert stored.terminated.tolist() == [False] * 3
    stored = experience(transitions(terminated=np.array([True, False, False])))
    assert stored.terminated.tolist() == [True, False, False]


@pytest.mark.parametrize("config", [CONFIG, UNIVERSAL])
def test_nothing_is_drawn_before_there_is_anything_to_learn_from(config: TrainConfig) -> None:
    made, rng = learner(config, 2), np.random.default_rng(0)
    assert made.draw(3, rng) == []
    made.add(transitions())
    batches = made.draw(3, rng)
    assert [len(batch.reward) for batch in batches] == [32] * 3
    assert made.draw(0, rng) == []


def test_a_fixed_training_learns_rewards_less_its_cost_and_penalty() -> None:
    config = replace(CONFIG, budget_mode="penalty", overspend_penalty=2.0)
    made = learner(config, 2)
    made.add(transitions(overspent=np.array([False, True, False])))
    (batch,) = made.draw(1, np.random.default_rng(0))
    rows = np.random.default_rng(0).integers(3, size=32)
    expected = rows / 2 - 0.02 - 2.0 * (rows == 1)
    assert batch.reward.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_universal_training_learns_the_tasks_rewards_at_costs_of_their_own() -> None:
    made = learner(UNIVERSAL, 2)
    made.add(transitions())
    (batch,) = made.draw(1, np.random.default_rng(0))
    assert isinstance(batch, RelabelledBatch)
    rows = np.random.default_rng(0).integers(3, size=32)
    assert batch.reward.tolist() == (rows / 2).tolist()
    assert len(set(batch.cost.tolist())) == 32
    assert (batch.remaining >= 1).all()  # each of them was a call


@pytest.mark.parametrize(
    ("budget_mode", "penalty", "bounds"),
    # Twice the span of returns; below it a call and its punishment at every step: dear / (1 - 0.9).
    [("mask", 2.0, (-3.0 - 0.2, 3.0)), ("penalty", 2.0, (-3.0 - 20.2, 3.0))],
)
def test_targets_are_kept_within_what_can_follow(
    budget_mode: Any, penalty: float, bounds: tuple[float, float]
) -> None:
    config = replace(CONFIG, budget_mode=budget_mode, overspend_penalty=penalty)
    inner = learner(config, returns=(-0.5, 1.0)).inner
    assert inner._target_bounds == pytest.approx(bounds)
    assert learner(config).inner._target_bounds == (-inf, inf)
    universal = learner(UNIVERSAL, returns=(-0.5, 1.0)).inner
    assert universal._target_bounds == (-3.0, 3.0)
    assert learner(UNIVERSAL).inner._target_bounds == (-inf, inf)


def test_the_settings_reach_the_learner() -> None:
    config = replace(CONFIG, tau=0.25, actor_tau=0.5, learning_rate=0.01, alpha="auto")
    inner = learner(config).inner
    assert isinstance(inner, SAC) and isinstance(inner.alpha, AutoAlpha)
    assert inner.gamma == 0.9
    assert inner.alpha.target_entropy == pytest.approx(0.2 * log(2))
    for optimizer in (inner.networks.actor_optimizer, inner.networks.critic_optimizer):
        assert optimizer.param_groups[0]["lr"] == 0.01
    assert inner.alpha.optimizer.param_groups[0]["lr"] == 0.01
    assert learner(config).buffer.capacity == 100_000


@pytest.mark.parametrize(("critics", "value"), [("mean", 1.5), ("min", 1.0)])
def test_of_two_critics_the_mean_or_the_lesser_is_believed(critics: Any, value: float) -> None:
    inner = learner(replace(CONFIG, critics=critics)).inner
    assert isinstance(inner, SAC)
    one, two = torch.full((1, 2), 1.0), torch.full((1, 2), 2.0)
    assert inner._combine(one, two).tolist() == [[value, value]]


def test_critics_know_more_only_where_there_is_more_to_know() -> None:
    for privileged, kind in ((0, Network), (3, PrivilegedCritic)):
        made = learner(CONFIG, privileged)
        networks = made.inner.networks
        assert all(type(critic) is kind for critic in networks.critics)
        rows = torch.randn(4, CONTEXT + privileged)
        assert networks.critics[0](rows).shape == (4, 2)
        assert networks.seen(rows).shape == (4, CONTEXT)
        universal = learner(UNIVERSAL, privileged).inner
        assert isinstance(universal, UniversalLearner)
        assert all(type(critic) is UniversalValue for critic in universal.networks.critics)
        assert universal.networks.critics[0](rows).shape == (4, 2, 2)
        assert universal.value_head(rows[:, :CONTEXT]).shape == (4, 2, 2)


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, alpha="auto"), UNIVERSAL])
def test_a_resumed_learner_goes_on_to_the_bit(config: TrainConfig) -> None:
    first, second = learner(config, 2), learner(replace(config, seed=1), 2)
    first.add(transitions())
    for batch in first.draw(2, np.random.default_rng(0)):
        first.update(batch)
    second.load_state_dict(deepcopy(first.state_dict()))  # as a file would keep it
    outcomes = []
    for made in (first, second):
        made.add(transitions(4))
        batches = made.draw(2, np.random.default_rng(1))
        outcomes.append([made.update(batch) for batch in batches])
    assert outcomes[0] == outcomes[1]
    for a, b in zip(tensors(first.switcher()), tensors(second.switcher()), strict=True):
        assert torch.equal(a, b)


def tensors(state: dict[str, Any]) -> list[Tensor]:
    parts = (part for part in state.values() if isinstance(part, dict))
    return [value for part in parts for value in part.values() if isinstance(value, Tensor)]


@pytest.mark.parametrize("encoder", [NoEncoder(), ConfidenceEncoder()])
def test_the_kept_switcher_is_the_mean_of_the_actors(encoder: Encoder) -> None:
    torch.manual_seed(0)
    made = make_algorithm(CONFIG, encoder).learner(0, None)
    assert isinstance(made, ReplayLearner)
    kept = made.switcher()
    assert (kept["algorithm"], kept["width"], kept["budget"]) == ("sac", 8, 4)
    mean = made.inner.networks.mean_actor.module.state_dict()
    assert kept["actor"].keys() == mean.keys()
    assert all(torch.equal(kept["actor"][name], mean[name]) for name in mean)
