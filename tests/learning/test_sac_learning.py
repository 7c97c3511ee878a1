"""What discrete SAC learns, against values and choices that are known."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, log

import numpy as np
import pytest
import torch

import playthings
from learning.learners import learner, random_batch
from londi.learning.replay import Batch
from londi.learning.sac import (
    SAC,
    AutoAlpha,
    FixedAlpha,
    Rates,
)
from londi.oracle.mdp import random_mdp, solve, solve_budgeted
from playthings import perceptron


def test_values_grow_to_the_whole_future_only_where_an_episode_goes_on() -> None:
    batch = replace(random_batch(32), reward=torch.ones(32))
    batch = replace(batch, next_observation=batch.observation)
    for terminated, expected in ((1.0, 1.0), (0.0, 2.0)):  # 1 / (1 - 0.5)
        sac = learner(alpha=FixedAlpha(0.0), gamma=0.5, tau=0.2, critic_lr=1e-2, actor_lr=1e-2)
        ends = torch.full((32,), terminated)
        for _ in range(400):
            losses = sac.update(replace(batch, terminated=ends))
        assert losses.q_mean == pytest.approx(expected, abs=0.1)


def test_auto_alpha_brings_the_policy_to_its_target() -> None:
    target = 0.3 * log(2)
    sac = learner(alpha=AutoAlpha(target, lr=0.02), actor_lr=0.02, critic_lr=0.02)
    batch = replace(random_batch(64), terminated=torch.ones(64))
    batch = replace(batch, reward=batch.action.float())
    entropies = [sac.update(batch).entropy for _ in range(600)]
    assert np.mean(entropies[-50:]) == pytest.approx(target, abs=0.03)


def test_with_a_fixed_alpha_the_policy_is_a_softmax_of_the_values() -> None:
    alpha = 0.5
    sac = learner(alpha=FixedAlpha(alpha), actor_lr=0.02, critic_lr=0.02)
    batch = replace(random_batch(64), terminated=torch.ones(64))
    batch = replace(batch, reward=batch.action.float())  # Q = (0, 1)
    for _ in range(600):
        sac.update(batch)
    calls = sac.policy(batch.observation, batch.allowed)[:, 1].mean().item()
    assert calls == pytest.approx(1 / (1 + exp(-1 / alpha)), abs=0.03)


@pytest.mark.parametrize("budget", [None, 2])
def test_it_learns_the_exact_choices(budget: int | None) -> None:
    cost, gamma = 0.25, 0.8
    mdp = random_mdp(6, np.random.default_rng(110), gamma)
    exact = solve(mdp, cost) if budget is None else solve_budgeted(mdp, cost, budget)
    size = exact.value.size
    buffer = playthings.record(mdp, budget, 20_000, np.eye(size))
    rng = np.random.default_rng(0)

    torch.manual_seed(0)
    actor, *critics = (perceptron(size, 64) for _ in range(3))
    rates = Rates(gamma, tau=0.02, actor_lr=3e-3, critic_lr=3e-3)
    sac = SAC(actor, (critics[0], critics[1]), FixedAlpha(0.01), rates)
    for _ in range(1500):
        sac.update(buffer.sample(128, cost, 0.0, rng))

    allowed = torch.ones(size, 2, dtype=torch.bool)
    if budget is not None:
        allowed[: mdp.states, 1] = False
    greedy = sac.policy(torch.eye(size), allowed).argmax(1).bool().numpy()
    decides = np.broadcast_to(~mdp.terminal, exact.choice.shape)
    assert (greedy.reshape(exact.choice.shape) == exact.choice)[decides].all()
    # A problem in which both models have their place, and one call left is saved for the best.
    assert solve(mdp, cost).choice.sum() == 3
    assert budget is None or exact.choice[1].sum() == 2


@pytest.mark.parametrize(("bounds", "bounded"), [((-inf, inf), False), ((-1.0, 1.0), True)])
def test_critics_do_not_run_away_where_what_can_follow_is_known(
    bounds: tuple[float, float], bounded: bool
) -> None:
    """The two states of Tsitsiklis and Van Roy, 1 and 2, worth w and 2 w: seen from 1, where no
    reward is given, a linear w grows without end."""
    torch.manual_seed(0)

    def make_critic() -> torch.nn.Module:
        critic = torch.nn.Linear(1, 2, bias=False)
        torch.nn.init.ones_(critic.weight)
        return critic

    sac = SAC(
        perceptron(1, 4),
        (make_critic(), make_critic()),
        FixedAlpha(0.001),
        Rates(gamma=0.97, tau=0.1, critic_lr=1e-2),
        target_bounds=bounds,
    )
    everything, action = torch.ones(64, 2, dtype=torch.bool), torch.arange(64) % 2
    one, none = torch.ones(64, 1), torch.zeros(64)
    for _ in range(500):
        sac.update(Batch(one, action, none, 2 * one, none, everything, everything))
    value = sac.networks.critics[0](torch.ones(1, 1)).max().item()
    assert value < 1.1 if bounded else value > 3.0


def test_critics_may_see_more_than_the_actor() -> None:
    """What is hidden from the actor decides which action is right; it learns what is on average."""
    torch.manual_seed(0)
    sac = SAC(
        perceptron(1, 16),
        (perceptron(2, 16), perceptron(2, 16)),
        FixedAlpha(0.01),
        Rates(actor_lr=1e-2, critic_lr=1e-2),
        observed=1,
    )
    generator = torch.Generator().manual_seed(0)
    everything = torch.ones(256, 2, dtype=torch.bool)
    for _ in range(300):
        seen = torch.randint(2, (256, 1), generator=generator).float()
        # Action 1 is right with a chance of 0.8 where 1 is seen, and of 0.2 where 0 is.
        hidden = (torch.rand(256, 1, generator=generator) < 0.2 + 0.6 * seen).float()
        action = torch.randint(2, (256,), generator=generator)
        state = torch.cat([seen, hidden], 1)
        reward = (action == hidden[:, 0]).float()
        sac.update(Batch(state, action, reward, state, torch.ones(256), everything, everything))

    call = sac.policy(torch.tensor([[0.0], [1.0]]), everything[:2])[:, 1]
    assert call[0] < 0.01 and call[1] > 0.99
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    right = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    for critic in sac.networks.critics:
        torch.testing.assert_close(critic(corners), right, atol=0.05, rtol=0)
