"""Routers learned from logs of a corridor whose right answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from logged_corridor import ENCODER, HARD, hard_and_easy, recorded
from londi.baselines.routers import (
    EpisodeSwitcher,
    Margin,
    greedy,
    learn_cql,
    learn_episode_router,
    learn_iql,
    learn_step_router,
    margins,
    score_network,
    universal_score_network,
    win_probability,
)
from londi.evaluation.play import play, summary
from londi.learning.dataset import OfflineDataset
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import Network
from londi.switching.observation import BUDGET_LEFT, CAPPED, CONTEXT, COST
from playthings import toy

TERMS = CostBudgetRange(0.02, 0.8, 3)


@pytest.fixture(scope="module")
def log() -> OfflineDataset:
    return recorded(None)


def test_an_episode_is_routed_by_how_it_begins(log: OfflineDataset) -> None:
    torch.manual_seed(0)
    scorer = score_network(ENCODER, 32)
    alone, large = recorded(0.0), recorded(1.0)
    learn_episode_router(scorer, alone, large, 0)
    begins = alone.observation[alone.begins]
    wins = win_probability(scorer, begins)
    hard = begins[:, HARD] == 1
    # Where the first state is hard DEEPTHINK always wins; else unless all others are easy.
    assert wins[hard].min() > wins[~hard].max() > 0.8
    middle = float((wins[hard].mean() + wins[~hard].mean()) / 2)
    router = EpisodeSwitcher(scorer, "quick", ENCODER.size, middle)
    steps = [
        [record.step for record in episode]
        for episode in play(toy(), router, range(40), cost=0.1, budget=Budget(), num_envs=8, seed=0)
    ]
    made = [{step.choice for step in episode} for episode in steps]
    assert all(len(choice) == 1 for choice in made)
    assert {0} in made and {1} in made


def test_a_step_is_worth_a_call_where_it_is_hard() -> None:
    log = recorded(0.5)
    torch.manual_seed(0)
    scorer = score_network(ENCODER, 32)
    learn_step_router(scorer, log, 0)
    with torch.inference_mode():
        (hard, easy) = scorer(torch.from_numpy(hard_and_easy()))
    assert float(hard[1] - hard[0]) > 0.1 > abs(float(easy[1] - easy[0]))
    at = margins(scorer, log, 3)
    assert at == sorted(at)
    # The greater lambda, the fewer calls; in the middle those that matter.
    players = [greedy(Margin(scorer, margin), "quick") for margin in (-9.0, 0.1, 9.0)]
    played = [
        summary(play(toy(), who, range(60), cost=0.1, budget=Budget(), num_envs=8, seed=0))
        for who in players
    ]
    rates = [sum(e.calls for e in p) / sum(e.steps for e in p) for p in played]
    assert rates[0] == 1.0 and 0.4 < rates[1] < 0.7 and rates[2] == 0.0
    assert np.mean([e.total for e in played[1]]) > 0.95


def test_conservative_values_call_where_it_is_hard(log: OfflineDataset) -> None:
    torch.manual_seed(0)
    scorer = universal_score_network(ENCODER, 32, TERMS)
    learn_cql(scorer, log, TERMS, ENCODER.size, weight=0.1, steps=1500, gamma=0.99, seed=0)
    who = greedy(scorer, "quick", TERMS)
    played = summary(play(toy(), who, range(60), cost=0.15, budget=Budget(), num_envs=8, seed=0))
    assert np.mean([e.total for e in played]) > 0.9
    assert sum(e.calls for e in played) / sum(e.steps for e in played) < 0.75
    capped = summary(play(toy(), who, range(60), cost=0.05, budget=Budget(2), num_envs=8, seed=0))
    assert max(e.calls for e in capped) <= 2


def test_conservative_values_do_not_trust_what_was_never_tried() -> None:
    torch.manual_seed(0)
    scorer = universal_score_network(ENCODER, 32, TERMS)
    learn_cql(scorer, recorded(0.0), TERMS, ENCODER.size, weight=0.1, steps=500, gamma=0.99, seed=0)
    rows = hard_and_easy()
    rows[:, ENCODER.size + COST] = 0.02
    with torch.inference_mode():
        values = scorer(torch.from_numpy(rows))
    assert (values[:, 0] > values[:, 1]).all()


def implicit(log: OfflineDataset, steps: int) -> Network:
    """An actor by implicit Q-learning."""
    torch.manual_seed(0)
    actor, scorer = (universal_score_network(ENCODER, 32, TERMS) for _ in range(2))
    learn_iql(
        actor,
        scorer,
        log,
        TERMS,
        ENCODER.size,
        expectile=0.8,
        sharpness=3.0,
        steps=steps,
        gamma=0.99,
        seed=0,
    )
    return actor


def test_implicit_values_call_where_it_is_hard(log: OfflineDataset) -> None:
    who = greedy(implicit(log, 1500), "quick", TERMS)
    played = summary(play(toy(), who, range(60), cost=0.15, budget=Budget(), num_envs=8, seed=0))
    assert np.mean([e.total for e in played]) > 0.9
    assert sum(e.calls for e in played) / sum(e.steps for e in played) < 0.75
    capped = summary(play(toy(), who, range(60), cost=0.05, budget=Budget(2), num_envs=8, seed=0))
    assert max(e.calls for e in capped) <= 2


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_implicit_values_imitate_the_one_choice_that_was_tried(rate: float) -> None:
    actor = implicit(recorded(rate), 300)
    rows = hard_and_easy()
    rows[:, ENCODER.size + COST] = 0.1
    with torch.inference_mode():
        calls = actor(torch.from_numpy(rows)).softmax(1)[:, 1]
    assert (abs(calls - rate) < 0.05).all(), calls


def test_what_learned_without_budgets_and_costs_decides_alike_at_any() -> None:
    # The logs show no cap and a cost of zero throughout: other weights are as they were drawn.
    torch.manual_seed(0)
    rows, scorer = torch.randn(64, ENCODER.size + CONTEXT), score_network(ENCODER, 16)
    rows[:, ENCODER.size + CAPPED] = 0.0
    others = rows.clone()
    others[:, ENCODER.size + CAPPED] = 1.0
    others[:, ENCODER.size + BUDGET_LEFT] = torch.linspace(-1, 4, 64)
    others[:, ENCODER.size + COST] = 0.5
    assert torch.equal(scorer(others), scorer(rows))


def test_a_router_of_every_budget_tells_budgets_and_costs_apart() -> None:
    torch.manual_seed(0)
    scorer = universal_score_network(ENCODER, 16, TERMS)
    rows = torch.randn(1, ENCODER.size + CONTEXT).repeat(4, 1)
    rows[:, ENCODER.size + CAPPED] = torch.tensor([1.0, 1.0, 1.0, 0.0])
    rows[:, ENCODER.size + BUDGET_LEFT] = torch.tensor([3.0, 1.0, 3.0, 0.0])
    rows[:, ENCODER.size + COST] = torch.tensor([0.1, 0.1, 0.7, 0.1])
    scores = scorer(rows)
    assert len({tuple(row) for row in scores.tolist()}) == 4
