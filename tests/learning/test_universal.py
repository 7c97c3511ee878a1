"""One learner for every cost and budget: its loss by hand, and what it learns."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import playthings
from londi.encoders.base import NoEncoder
from londi.learning.replay import Batch
from londi.learning.sac import Rates
from londi.learning.universal import (
    RelabelledBatch,
    UniversalLearner,
    conservative_penalty,
    net_value,
    preference_loss,
    relabel,
)
from londi.oracle.mdp import continuation, intervention, random_mdp, solve, solve_budgeted
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import UniversalActor, UniversalValue
from londi.switching.observation import BUDGET_LEFT, CAPPED, CONTEXT, COST, ObservationLayout


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


def test_a_choice_is_worth_its_return_less_the_cost_of_its_calls() -> None:
    value = torch.tensor([[[0.5, 1.0], [0.9, 3.0]]])
    torch.testing.assert_close(net_value(value, torch.tensor([0.1])), torch.tensor([[0.4, 0.6]]))


def test_an_update_by_hand() -> None:
    """Both actions as likely; critics say (0.5, 1) for QUICK and (0.9, 3) for DEEPTHINK."""
    said = [[0.5, 1.0], [0.9, 3.0]]
    learner = UniversalLearner(
        Logits([0.0, 0.0]),
        (Constant(said), Constant(said)),
        Constant([[0.0, 0.0], [0.0, 0.0]]),
        Rates(gamma=0.9, actor_tau=0.1, actor_lr=0.0, critic_lr=0.0),
        price=0.1,
        sharpness=1.0,
        target_bounds=(-1.0, 1.0),
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
    losses = learner.update(batch)
    # What follows: (0.7, 2) where both are as likely, (0.5, 1) where QUICK alone can act.
    returns = np.array([0.25 + 0.9 * 0.7, 0.5, 1.0])  # the last one, 1.2, kept to its bound
    calls = np.array([1 + 0.9 * 2, 0.0, 1.0])  # the last one, 1.9, kept to the budget
    errors = (np.array([0.9, 0.5, 0.9]) - returns) ** 2
    errors += 0.1**2 * (np.array([3.0, 1.0, 3.0]) - calls) ** 2
    assert losses.critic == pytest.approx(2 * errors.mean(), rel=1e-5)
    # Net: QUICK 0.5 - c, DEEPTHINK 0.9 - 3 c. A call gains 0.2, 0 and -0.2: 2, 0 and -2/3 costs.
    assert losses.actor == pytest.approx((2 + 2 / 3) / 3 * np.log(2), abs=1e-5)
    mean = np.mean([(0.4 + 0.6) / 2, (0.3 + 0.3) / 2, (0.2 + 0.0) / 2])
    assert losses.q_mean == pytest.approx(mean, abs=1e-5)


def one_state(
    allowed: bool, lr: float = 0.0, conservatism: float = 0.0
) -> tuple[UniversalLearner, RelabelledBatch]:
    """A learner of logits (0, 2) at a sharpness of 4, and a state in which a call gains 0.3."""
    said = [[0.5, 1.0], [1.0, 2.0]]
    learner = UniversalLearner(
        Logits([0.0, 2.0]),
        (Constant(said), Constant(said)),
        Constant([[0.0, 0.0], [0.0, 0.0]]),
        Rates(gamma=0.9, actor_lr=lr, critic_lr=lr),
        price=0.1,
        sharpness=4.0,
        conservatism=conservatism,
    )
    choices = torch.tensor([[True, allowed]])
    seen, one = torch.zeros(1, 3), torch.ones(1)
    batch = RelabelledBatch(
        seen, torch.tensor([0]), one, seen, one, choices, choices, 0.2 * one, 4.0 * one
    )
    return learner, batch


def test_the_actors_loss_is_of_log_odds_as_blunt_as_its_sharpness_makes_them() -> None:
    learner, batch = one_state(allowed=True)
    # A gain of 1.5 costs, times log(1 + exp(-2 / 4)).
    assert learner.update(batch).actor == pytest.approx(1.5 * np.log1p(np.exp(-0.5)), rel=1e-5)


def test_what_is_not_possible_teaches_neither_actor_nor_value_head() -> None:
    learner, batch = one_state(allowed=False, lr=0.01)
    losses = learner.update(batch)
    assert (losses.actor, losses.entropy) == (0.0, 0.0)
    assert learner.networks.actor.value.tolist() == [0.0, 2.0]
    quick, call = learner.value_head.value
    assert (quick > 0).all() and not call.any()
    learner, batch = one_state(allowed=True, lr=0.01)
    learner.update(batch)
    assert (learner.value_head.value > 0).all()
    assert learner.networks.actor.value.tolist() != [0.0, 2.0]


def test_conservatism_charges_what_was_not_taken_and_is_possible() -> None:
    # QUICK was taken, and is worth 0.3 to 0.6 of a call.
    _, batch = one_state(allowed=True)
    value = torch.tensor([[0.3, 0.6]])
    assert conservative_penalty(value, batch).item() == pytest.approx(np.log1p(np.exp(0.3)))
    _, alone = one_state(allowed=False)
    assert conservative_penalty(value, alone).item() == 0.0
    # Net of 0.2 a call, both critics say 0.3 and 0.6.
    plain, charged = (one_state(True, conservatism=weight)[0].update(batch) for weight in (0, 0.5))
    extra = 0.5 * 2 * np.log1p(np.exp(0.3))
    assert charged.critic - plain.critic == pytest.approx(extra, rel=1e-4)


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


# Relabelling.


def numbered(choices: list[int], features: int = 1, privileged: int = 1) -> Batch:
    """Transitions whose every observed number names the transition."""
    n = len(choices)
    seen = torch.arange(n).float()[:, None].repeat(1, features + CONTEXT + privileged)
    both = torch.ones(n, 2, dtype=torch.bool)
    reward, ended = torch.rand(n), torch.zeros(n)
    return Batch(seen, torch.tensor(choices), reward, seen + 100, ended, both, both)


@settings(deadline=None)
@given(
    choices=st.lists(st.integers(0, 1), min_size=1, max_size=40),
    most=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_a_relabelled_step_could_have_been_played_so(
    choices: list[int], most: int, seed: int
) -> None:
    terms, before = CostBudgetRange(0.01, 0.5, most), numbered(choices)
    after = relabel(before, terms, 1, np.random.default_rng(seed))
    layout = ObservationLayout(1, privileged=1)
    x, g = after.remaining, before.action
    # No call is made that the budget forbids, and each one takes one of it.
    assert (x >= g).all() and (x[torch.isfinite(x)] <= most).all()
    assert torch.equal(after.allowed[:, 1], x > 0)
    assert torch.equal(after.next_allowed[:, 1], x - g > 0)
    assert after.allowed[:, 0].all() and after.next_allowed[:, 0].all()
    for seen, left in ((after.observation, x), (after.next_observation, x - g)):
        view = layout.view(seen)
        assert torch.equal(view.capped, torch.isfinite(left).float())
        assert torch.equal(view.budget_left, torch.where(torch.isfinite(left), left, 0.0))
        # A cost stays what it is.
        assert torch.equal(view.cost, after.cost)
    assert ((after.cost >= 0.0099) & (after.cost <= 0.5001)).all()
    # All else is left alone, what the critics alone know among it.
    kept = [0, 1 + CONTEXT - 2, 1 + CONTEXT - 1, 1 + CONTEXT]
    assert torch.equal(after.observation[:, kept], before.observation[:, kept])
    assert torch.equal(after.next_observation[:, kept], before.next_observation[:, kept])
    for name in ("action", "reward", "terminated"):
        assert torch.equal(getattr(after, name), getattr(before, name))
    assert torch.equal(before.observation, numbered(choices).observation)


def test_every_transition_has_a_cost_and_a_budget_of_its_own() -> None:
    terms = CostBudgetRange(0.01, 0.5, 3)
    after = relabel(numbered([0, 1] * 500), terms, 1, np.random.default_rng(0))
    assert len(after.cost.unique()) == 1000
    assert set(after.remaining[::2].tolist()) == {0.0, 1.0, 2.0, 3.0, inf}
    assert set(after.remaining[1::2].tolist()) == {1.0, 2.0, 3.0, inf}


# What it learns, against the exact solution.


RANGE = CostBudgetRange(0.05, 0.6, 3)


def observations(states: int, cost: float, x: float, agree: np.ndarray) -> np.ndarray:
    """What is seen of every state at this cost and with x calls left."""
    shown = np.zeros((states, states + CONTEXT + 1), np.float32)
    shown[:, :states] = np.eye(states)
    shown[:, states + COST] = cost
    if x < inf:
        shown[:, states + BUDGET_LEFT], shown[:, states + CAPPED] = x, 1.0
    shown[:, -1] = agree
    return shown


def test_one_training_meets_the_exact_solutions_at_all_costs_and_budgets() -> None:
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
    learner = UniversalLearner(
        UniversalActor(encoder, 64, RANGE),
        (UniversalValue(encoder, 64, RANGE, 1), UniversalValue(encoder, 64, RANGE, 1)),
        UniversalValue(encoder, 64, RANGE),
        Rates(gamma, tau=0.02, actor_tau=0.01, actor_lr=3e-3, critic_lr=3e-3),
        price=RANGE.typical,
        sharpness=UniversalActor.SHARPNESS,
        observed=size + CONTEXT,
    )
    # Played without a budget and at no cost, and learned from at all of them.
    buffer = playthings.record(mdp, None, 20_000, observations(size, 0.0, inf, agree))
    rng = np.random.default_rng(0)
    for _ in range(3000):
        drawn = buffer.sample(256, 0.0, 0.0, rng)
        learner.update(relabel(drawn, RANGE, size, rng))

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
            q = sum(critic(seen) for critic in learner.networks.critics).detach() / 2
            best = net_value(q, prices).masked_fill(~allowed, -inf).amax(1).numpy()
            decides = ~mdp.terminal
            np.testing.assert_allclose(best[decides], value[decides], atol=0.2)
            greedy = learner.policy(seen[:, : size + CONTEXT], allowed).argmax(1).bool().numpy()
            gain = intervention(mdp, exact[x - 1][0], cost) - continuation(mdp, value)
            clear = decides & (np.abs(gain) > 0.1)
            assert (greedy == choice)[clear].all()
            called.add(int(choice[clear].sum()))
            # The value head says what the critics do, without what they alone know.
            said = learner.mean_value_head.module(seen[:, : size + CONTEXT]).detach()
            known = allowed & torch.from_numpy(decides)[:, None]
            told, meant = net_value(said, prices)[known], net_value(q, prices)[known]
            torch.testing.assert_close(told, meant, atol=0.15, rtol=0)
    assert len(called) >= 3  # cost and budget matter
