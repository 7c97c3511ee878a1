"""Critics that know what both models would do: their values by hand, and what they learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import playthings
from londi.encoders.base import NoEncoder
from londi.encoders.quick import QuickEncoder
from londi.learning.privileged import PrivilegedCritic
from londi.learning.sac import SAC, FixedAlpha, Rates
from londi.oracle.mdp import FiniteSwitching, random_mdp, solve, solve_budgeted
from londi.switching.budget import Budget
from londi.switching.networks import FixedInputs, Network
from londi.switching.observation import BUDGET_LEFT, CAPPED, CONTEXT, COST, ObservationLayout


def observations(n: int, agree: float) -> torch.Tensor:
    """Random features, costs, progress and DEEPTHINK states, all of one agreement."""
    rows = torch.randn(n, QuickEncoder(3).size + CONTEXT + 4)
    rows[:, -4] = agree
    return rows


@pytest.mark.parametrize(
    ("budget", "left"),
    [
        (Budget(), 0.0),
        (Budget(2, "penalty", penalty=3.0), 1.0),
        (Budget(2, "penalty", penalty=3.0), 0.0),
        (Budget(2, "penalty", penalty=3.0), -2.0),
    ],
)
def test_where_the_models_agree_a_call_costs_its_price_and_nothing_else(
    budget: Budget, left: float
) -> None:
    torch.manual_seed(0)
    encoder = QuickEncoder(3)
    critic = PrivilegedCritic(encoder, 4, 8, budget)
    capped = budget.calls is not None
    for agree in (0.0, 1.0):
        seen = observations(50, agree)
        seen[:, encoder.size + BUDGET_LEFT] = left
        seen[:, encoder.size + CAPPED] = capped
        q = critic(seen)
        assert q.shape == (50, 2)
        beyond = q[:, 1] - q[:, 0] + seen[:, encoder.size + COST]
        # A call of a budget is worth something itself, and one beyond it is punished.
        free = agree == 0.0 or capped
        beyond += 3.0 * (capped and left <= 0)
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
    layout = ObservationLayout(size, privileged=1)
    shown = np.zeros((size, layout.size))
    shown[:, :size] = np.eye(size)
    shown[:, size + COST] = cost
    rows = size // mdp.states
    if budget is not None:
        shown[:, size + BUDGET_LEFT] = np.repeat(np.arange(rows), mdp.states)
        shown[:, size + CAPPED] = 1.0
    shown[:, -1] = np.tile(agree, rows)

    torch.manual_seed(0)
    sac = SAC(
        Network.reading(encoder, FixedInputs(ObservationLayout(size), budget or 1), 64),
        (
            PrivilegedCritic(encoder, 1, 64, Budget(budget)),
            PrivilegedCritic(encoder, 1, 64, Budget(budget)),
        ),
        FixedAlpha(0.003),
        Rates(gamma, tau=0.02, actor_lr=3e-3, critic_lr=3e-3),
        observed=layout.observed,
    )
    buffer, rng = playthings.record(mdp, budget, 20_000, shown), np.random.default_rng(0)
    for _ in range(1500):
        sac.update(buffer.sample(256, cost, 0.0, rng))

    allowed = torch.ones(size, 2, dtype=torch.bool)
    if budget is not None:
        allowed[: mdp.states, 1] = False
    seen = torch.tensor(shown, dtype=torch.float32)
    q = sum(critic(seen) for critic in sac.networks.critics).detach() / 2
    best = q.masked_fill(~allowed, -torch.inf).amax(1).numpy().reshape(exact.value.shape)
    decides = np.broadcast_to(~mdp.terminal, exact.value.shape)
    np.testing.assert_allclose(best[decides], exact.value[decides], atol=0.15)
    greedy = sac.policy(seen[:, : layout.observed], allowed).argmax(1).bool().numpy()
    assert (greedy.reshape(exact.choice.shape) == exact.choice)[decides].all()
    assert exact.choice[..., ~agree].any()
