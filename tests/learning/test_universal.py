"""One learner for every price and every budget: its loss by hand, and what it learns."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import playthings
from londi.encoders.base import NoEncoder
from londi.encoders.registry import COST, EXTRAS, SHARE
from londi.learning.sac import mlp
from londi.learning.universal import UniversalLearner, preference_loss, worth
from londi.oracle.mdp import continuation, intervention, random_mdp, solve, solve_budgeted
from londi.switching.cost_budget import CostBudgetRange, RelabelledBatch
from londi.switching.networks import UniversalActor, UniversalCritic


class Constant(nn.Module):
    """The same output, whatever it sees."""

    def __init__(self, value: list[list[float]]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, observation: Tensor) -> Tensor:
        return self.value.expand(len(observation), *self.value.shape)


class Logits(nn.Module):
    def __init__(self, value: list[float]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, observation: Tensor) -> Tensor:
        return self.value.expand(len(observation), 2)


def test_a_choice_is_worth_its_return_less_the_price_of_its_calls() -> None:
    value = torch.tensor([[[0.5, 1.0], [0.9, 3.0]]])
    torch.testing.assert_close(worth(value, torch.tensor([0.1])), torch.tensor([[0.4, 0.6]]))


def test_an_update_by_hand() -> None:
    """Both actions as likely; critics say (0.5, 1) for QUICK and (0.9, 3) for DEEPTHINK."""
    said = [[0.5, 1.0], [0.9, 3.0]]
    sac = UniversalLearner(
        price=0.1,
        make_forecast=lambda: Constant([[0.0, 0.0], [0.0, 0.0]]),
        make_trunk=lambda: mlp([3, 8]),
        width=8,
        sharpness=1.0,
        gamma=0.9,
        actor_tau=0.1,
        actor_lr=0.0,
        critic_lr=0.0,
        make_actor=lambda: Logits([0.0, 0.0]),
        make_critic=lambda: Constant(said),
        worth=(-1.0, 1.0),
    )
    both = torch.ones(3, 2, dtype=torch.bool)
    seen = torch.zeros(3, 3)
    batch = RelabelledBatch(
        observation=seen,
        action=torch.tensor([1, 0, 1]),
        reward=torch.tensor([0.25, 0.5, 0.75]),
        next_observation=seen,
        terminated=torch.tensor([0.0, 1.0, 0.0]),
        allowed=both,
        next_allowed=torch.tensor([[True, True], [True, True], [True, False]]),
        cost=torch.tensor([0.1, 0.2, 0.3]),
        remaining=torch.tensor([inf, 4.0, 1.0]),
    )
    losses = sac.update(batch)
    # What follows: (0.7, 2) where both are as likely, (0.5, 1) where QUICK alone can act.
    returns = np.array([0.25 + 0.9 * 0.7, 0.5, 1.0])  # the last one, 1.2, kept to its bound
    calls = np.array([1 + 0.9 * 2, 0.0, 1.0])  # the last one, 1.9, kept to the budget
    errors = (np.array([0.9, 0.5, 0.9]) - returns) ** 2
    errors += 0.1**2 * (np.array([3.0, 1.0, 3.0]) - calls) ** 2
    assert losses.critic == pytest.approx(2 * errors.mean(), rel=1e-5)
    # Worth: QUICK 0.5 - c, DEEPTHINK 0.9 - 3 c. A call gains 0.2, 0 and -0.2: 2, 0 and -2/3 prices.
    assert losses.actor == pytest.approx((2 + 2 / 3) / 3 * np.log(2), abs=1e-5)
    mean = np.mean([(0.4 + 0.6) / 2, (0.3 + 0.3) / 2, (0.2 + 0.0) / 2])
    assert losses.q_mean == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize(
    "gain", [[1.0, -0.2], [0.2, -1.0], [3.0, -1.0, -1.0, 0.5], [0.5, -2.0, 1.0]]
)
def test_the_actor_prefers_what_gains_on_average(gain: list[float]) -> None:
    """Also from the far end, where the gradient of a policy's expected gain has vanished."""
    gains = torch.tensor(gain)
    up, down = gains.clamp(min=0).sum().item(), (-gains).clamp(min=0).sum().item()
    for start in (-30.0, 30.0):
        call = torch.tensor(start, requires_grad=True)
        optimizer = torch.optim.Adam([call], lr=0.1)
        for _ in range(1500):
            optimizer.zero_grad()
            logits = torch.stack([torch.zeros(()), call]).expand(len(gain), 2)
            preference_loss(logits, gains).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        assert call.item() == pytest.approx(log(up / down), abs=0.02)


def test_a_state_without_a_choice_teaches_the_actor_nothing() -> None:
    logits = torch.tensor([[0.0, 2.0]], requires_grad=True)
    preference_loss(logits, torch.zeros(1)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and not logits.grad.any()


RANGE = CostBudgetRange(0.05, 0.6, 3)


def observations(states: int, cost: float, x: float, agree: np.ndarray) -> np.ndarray:
    """What is seen of every state on these terms."""
    shown = np.zeros((states, states + EXTRAS + 1), np.float32)
    shown[:, :states] = np.eye(states)
    shown[:, states + COST] = cost
    shown[:, states + SHARE] = min(x / RANGE.scale, 1.0)
    shown[:, -1] = agree
    return shown


def test_one_training_meets_the_exact_solutions_of_all_terms() -> None:
    gamma = 0.8
    mdp = random_mdp(7, np.random.default_rng(139), gamma)
    agree = np.arange(7) % 2 == 1
    mdp = replace(
        mdp,
        deepthink_P=np.where(agree[:, None], mdp.quick_P, mdp.deepthink_P),
        deepthink_R=np.where(agree, mdp.quick_R, mdp.deepthink_R),
    )
    encoder = NoEncoder()
    encoder.size = size = mdp.states
    torch.manual_seed(0)
    sac = UniversalLearner(
        price=RANGE.typical,
        make_forecast=lambda: UniversalCritic(encoder, 0, 64, RANGE),
        make_trunk=lambda: mlp([1, 1]),
        width=64,
        sharpness=UniversalActor.SHARPNESS,
        gamma=gamma,
        tau=0.02,
        actor_tau=0.01,
        actor_lr=3e-3,
        critic_lr=3e-3,
        observed=size + EXTRAS,
        make_actor=lambda: UniversalActor(encoder, 64, RANGE),
        make_critic=lambda: UniversalCritic(encoder, 1, 64, RANGE),
    )
    # Played without a budget and at no price, and learned from on all terms.
    buffer = playthings.record(mdp, None, 20_000, observations(size, 0.0, inf, agree))
    rng = np.random.default_rng(0)
    for _ in range(3000):
        drawn = buffer.sample(256, 0.0, 0.0, rng)
        sac.update(RANGE.relabel(drawn, size + SHARE, size + COST, rng))

    called = set()
    for cost in (0.06, 0.15, 0.3, 0.55):
        capped = solve_budgeted(mdp, cost, 2)
        exact = {float(x): (capped.value[x], capped.choice[x]) for x in range(3)}
        free = solve(mdp, cost)
        exact[inf] = free.value, free.choice
        exact[-1.0] = np.full_like(free.value, -100.0), free.choice  # no call leads there
        for x in (0.0, 1.0, 2.0, inf):
            value, choice = exact[x]
            allowed = torch.ones(size, 2, dtype=torch.bool)
            allowed[:, 1] = x > 0
            seen = torch.from_numpy(observations(size, cost, x, agree))
            prices = torch.full((size,), cost)
            q = sum(critic(seen) for critic in sac.critics).detach() / 2
            best = worth(q, prices).masked_fill(~allowed, -inf).amax(1).numpy()
            decides = ~mdp.terminal
            np.testing.assert_allclose(best[decides], value[decides], atol=0.2)
            greedy = sac.policy(seen[:, : size + EXTRAS], allowed).argmax(1).bool().numpy()
            gain = intervention(mdp, exact[x - 1][0], cost) - continuation(mdp, value)
            clear = decides & (np.abs(gain) > 0.1)
            assert (greedy == choice)[clear].all()
            called.add(int(choice[clear].sum()))
            # The forecast says what the critics do, without what they alone know.
            said = sac.mean_forecast.module(seen[:, : size + EXTRAS]).detach()
            known = allowed & torch.from_numpy(decides)[:, None]
            told, meant = worth(said, prices)[known], worth(q, prices)[known]
            torch.testing.assert_close(told, meant, atol=0.15, rtol=0)
    assert len(called) >= 3  # the terms matter
