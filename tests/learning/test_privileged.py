"""What critics may know beyond the Switcher: what both models would do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import playthings
from londi.encoders.base import NoEncoder
from londi.encoders.quick import QuickEncoder
from londi.encoders.registry import COST, EXTRAS, SHARE
from londi.learning.privileged import PrivilegedCritic, PrivilegedInfo
from londi.learning.sac import SAC, FixedAlpha, mlp
from londi.models.scripted import RandomModel
from londi.oracle.mdp import FiniteSwitching, random_mdp, solve, solve_budgeted
from londi.switching.budget import Budget
from londi.types import Reply, Usage


def reply(action: str, embedding: np.ndarray | None = None) -> Reply:
    return Reply(action, 0.0, 1.0, Usage(), embedding)


def test_it_tells_whether_the_models_agree_and_what_deepthink_sees() -> None:
    foresight = PrivilegedInfo(playthings.deepthink())
    states = np.array([1.0, 3.0, 5.0], np.float32)
    assert foresight.size == 4
    row = foresight.encode(reply("left"), reply("left", states))
    np.testing.assert_allclose(row, [1.0, -1.2247, 0.0, 1.2247], atol=1e-4)
    row = foresight.encode(reply("right"), reply("left", states))
    assert row[0] == 0.0
    assert row.dtype == np.float32


def test_a_deepthink_without_states_tells_agreement_alone() -> None:
    foresight = PrivilegedInfo(RandomModel(seed=0))
    assert foresight.size == 1
    assert foresight.encode(reply("left"), reply("left")).tolist() == [1.0]


def observations(n: int, agree: float) -> torch.Tensor:
    """Random features, extras and DEEPTHINK states, all of one agreement."""
    rows = torch.randn(n, QuickEncoder(3).size + EXTRAS + 4)
    rows[:, -4] = agree
    return rows


@pytest.mark.parametrize("budget", [Budget(), Budget(2, "penalty", penalty=3.0)])
@pytest.mark.parametrize("share", [0.5, 0.0, -1.0])
def test_where_the_models_agree_a_call_costs_its_price_and_nothing_else(
    budget: Budget, share: float
) -> None:
    torch.manual_seed(0)
    encoder = QuickEncoder(3)
    critic = PrivilegedCritic(encoder, 4, 8, budget)
    if budget.calls is None:
        share = 1.0
    for agree in (0.0, 1.0):
        seen = observations(50, agree)
        seen[:, encoder.size + SHARE] = share
        q = critic(seen)
        assert q.shape == (50, 2)
        beyond = q[:, 1] - q[:, 0] + seen[:, encoder.size + COST]
        # A call of a budget is worth something itself, and one beyond it is punished.
        free = agree == 0.0 or budget.calls is not None
        beyond += 3.0 * (share <= 0)
        assert (beyond.abs() > 1e-4).any() == free
        assert beyond.abs().max() < 1.5


def half_agreeing(gamma: float) -> tuple[FiniteSwitching, np.ndarray]:
    """A problem in which the models do the same in three of seven states."""
    mdp = random_mdp(7, np.random.default_rng(139), gamma)
    agree = np.arange(7) % 2 == 1
    alike = np.where(agree[:, None], mdp.quick_P, mdp.deepthink_P)
    reward = np.where(agree, mdp.quick_R, mdp.deepthink_R)
    return replace(mdp, deepthink_P=alike, deepthink_R=reward), agree


@pytest.mark.parametrize("budget", [None, 2])
def test_its_values_meet_the_exact_ones(budget: int | None) -> None:
    cost, gamma = 0.25, 0.8
    mdp, agree = half_agreeing(gamma)
    exact = solve(mdp, cost) if budget is None else solve_budgeted(mdp, cost, budget)
    encoder = NoEncoder()
    encoder.size = size = exact.value.size
    shown = np.zeros((size, size + EXTRAS + 1))
    shown[:, :size] = np.eye(size)
    shown[:, size + COST] = cost
    rows = size // mdp.states
    left = np.arange(rows) / (rows - 1) if budget else np.ones(1)
    shown[:, size + SHARE] = np.repeat(left, mdp.states)
    shown[:, -1] = np.tile(agree, rows)

    torch.manual_seed(0)
    sac = SAC(
        lambda: mlp([size + EXTRAS, 64]), 64, FixedAlpha(0.003),
        gamma=gamma, tau=0.02, actor_lr=3e-3, critic_lr=3e-3, observed=size + EXTRAS,
        make_critic=lambda: PrivilegedCritic(encoder, 1, 64, Budget(budget)),
    )  # fmt: skip
    buffer, rng = playthings.record(mdp, budget, 20_000, shown), np.random.default_rng(0)
    for _ in range(1500):
        sac.update(buffer.sample(256, cost, 0.0, rng))

    allowed = torch.ones(size, 2, dtype=torch.bool)
    if budget is not None:
        allowed[: mdp.states, 1] = False
    seen = torch.tensor(shown, dtype=torch.float32)
    q = sum(critic(seen) for critic in sac.critics).detach() / 2
    best = q.masked_fill(~allowed, -torch.inf).amax(1).numpy().reshape(exact.value.shape)
    decides = np.broadcast_to(~mdp.terminal, exact.value.shape)
    np.testing.assert_allclose(best[decides], exact.value[decides], atol=0.15)
    greedy = sac.policy(seen[:, : size + EXTRAS], allowed).argmax(1).bool().numpy()
    assert (greedy.reshape(exact.choice.shape) == exact.choice)[decides].all()
    assert exact.choice[..., ~agree].any()
