"""Networks that decide: what they read of an observation, worked out by hand."""

from __future__ import annotations

from math import inf, log
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from londi.encoders.base import ConfidenceEncoder, NoEncoder
from londi.encoders.quick import QuickEncoder
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.env import SwitchingVectorEnv
from londi.switching.networks import (
    FixedInputs,
    Inputs,
    Network,
    PenaltyActor,
    UncappedInputs,
    UniversalActor,
    UniversalInputs,
    UniversalValue,
    budget_share,
    masked_policy,
)
from londi.switching.observation import BUDGET_LEFT, CAPPED, CONTEXT, COST, ObservationLayout
from playthings import Corridor, deepthink, quick

BLIND = ObservationLayout(0)
TERMS = CostBudgetRange(0.05, 0.8, 3)
WIDTH = 8


def rows(left: list[float], cost: float = 0.1, privileged: list[float] | None = None) -> Tensor:
    """Observations without features after two steps, one repeated, with these calls left."""
    return torch.tensor(
        [
            [x if x < inf else 0.0, float(x < inf), cost, log(3), log(2), *(privileged or [])]
            for x in left
        ]
    )


def share(left: list[float], most: int) -> list[float]:
    found: list[float] = budget_share(BLIND.view(rows(left)), most).tolist()
    return found


# The share of a budget.


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (4, [1.0, 0.75, 0.0, -0.5, -1.0]),
        (1, [1.0, 0.0, -1.0, -1.0, -1.0]),
        # Nothing to divide by: overspending still shows.
        (0, [0.0, -1.0, -1.0, -1.0, -1.0]),
        (None, [1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_the_share_of_the_budget_that_is_left(n: int | None, expected: list[float]) -> None:
    left = (Budget(n).start - np.array([0, 1, 4, 6, 20])).tolist()
    assert share(left, n or 0) == expected


@given(n=st.integers(0, 1000), spent=st.lists(st.integers(0, 5000), min_size=1))
def test_the_share_stays_in_its_range_and_falls_with_each_call(n: int, spent: list[int]) -> None:
    found = np.array(share((n - np.sort(spent)).tolist(), n))
    assert found.min() >= -1 and found.max() <= 1
    assert (np.diff(found) <= 0).all()


def test_a_full_budget_may_be_more_than_the_share_is_of() -> None:
    assert share([20.0, 10.0, 5.0, 0.0, inf], 10) == [1.0, 1.0, 0.5, 0.0, 1.0]


# Inputs.


def test_inputs_for_one_budget_by_hand() -> None:
    layout = ObservationLayout(0, privileged=2)
    inputs = FixedInputs(layout, 4)
    assert inputs.extras == 6
    read = inputs(rows([3.0, -1.0, inf], 0.25, [7.0, 8.0]))
    progress = [log(3), log(2)]
    expected = [[x, 0.25, *progress, 7.0, 8.0] for x in (0.75, -0.25, 1.0)]
    torch.testing.assert_close(read, torch.tensor(expected))


def test_inputs_learned_without_budgets_show_none_and_one_cost() -> None:
    inputs = UncappedInputs(BLIND, 0.25)
    assert inputs.extras == 4
    expected = [[1.0, 0.25, log(3), log(2)]] * 4
    torch.testing.assert_close(inputs(rows([3.0, 0.0, -1.0, inf], 0.7)), torch.tensor(expected))


def test_inputs_for_a_range_by_hand() -> None:
    layout = ObservationLayout(0, privileged=1)
    inputs = UniversalInputs(layout, TERMS)
    assert inputs.extras == 4 + 1 + 2
    # 0.2 is the middle of 0.05 and 0.8 in factors of two, and 0.4 half way from there to the end.
    for cost, shown in ((0.05, -1.0), (0.2, 0.0), (0.4, 0.5), (0.8, 1.0), (0.0, -1.0), (9.0, 1.0)):
        read = inputs(rows([3.0, 1.0, 0.0, inf], cost, [7.0]))
        # Shares of most + 1 = 4; 1 / (1 + x) where there is a cap; whether there is none.
        expected = [
            [x, shown, log(3), log(2), 7.0, scarce, free]
            for x, scarce, free in ((3 / 4, 1 / 4, 0), (1 / 4, 1 / 2, 0), (0, 1, 0), (1, 0, 1))
        ]
        torch.testing.assert_close(read, torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "inputs", [FixedInputs(BLIND, 4), UncappedInputs(BLIND), UniversalInputs(BLIND, TERMS)]
)
def test_rows_of_zeros_where_nothing_is_played_give_finite_numbers(inputs: Inputs) -> None:
    assert inputs(torch.zeros(2, BLIND.size)).isfinite().all()


def test_an_overspent_budget_is_shown_to_a_range_as_a_spent_one() -> None:
    # No training for a range has any; but anyone may play its Switcher in `penalty` mode.
    spent, *overspent = UniversalInputs(BLIND, TERMS)(rows([0.0, -1.0, -2.0, -9.0]))
    assert spent.isfinite().all()
    assert all(torch.equal(row, spent) for row in overspent)


def test_a_single_cost_is_a_range() -> None:
    inputs = UniversalInputs(BLIND, CostBudgetRange(0.1, 0.1, 3))
    assert inputs(rows([1.0], 0.1)).isfinite().all()


# Policies.


def test_policy_by_hand() -> None:
    logits = torch.tensor([[0.0, log(3)], [5.0, 9.0]])
    policy = masked_policy(logits, torch.tensor([[True, True], [True, False]]))
    torch.testing.assert_close(policy.probability, torch.tensor([[0.25, 0.75], [1.0, 0.0]]))
    entropy = -(0.25 * log(0.25) + 0.75 * log(0.75))
    torch.testing.assert_close(policy.entropy(), torch.tensor([entropy, 0.0]))
    expected = torch.tensor([[log(0.25), log(0.75)], [0.0, 0.0]])
    torch.testing.assert_close(policy.log_probability, expected)


# Networks.


def test_a_network_without_inputs_reads_all_of_an_observation() -> None:
    torch.manual_seed(0)
    network = Network(None, nn.Linear(3, 4), 4)
    seen = torch.randn(5, 3)
    torch.testing.assert_close(network(seen), network.head(network.trunk(seen)))


def test_a_network_reads_what_its_inputs_make() -> None:
    torch.manual_seed(0)
    inputs = FixedInputs(ObservationLayout(1), 4)
    network = Network.reading(ConfidenceEncoder(), inputs, WIDTH)
    seen = torch.randn(5, 1 + CONTEXT)
    torch.testing.assert_close(network(seen), network.head(network.trunk(inputs(seen))))


def test_a_call_beyond_the_budget_carries_its_punishment_and_others_do_not() -> None:
    torch.manual_seed(0)
    plain, punished = (PenaltyActor(ConfidenceEncoder(), WIDTH, 4, p) for p in (0.0, 7.0))
    punished.load_state_dict(plain.state_dict())
    observation = torch.randn(4, 1 + CONTEXT)
    observation[:, 1 + BUDGET_LEFT] = torch.tensor([1.0, 0.0, -1.0, 0.0])
    observation[:, 1 + CAPPED] = torch.tensor([1.0, 1.0, 1.0, 0.0])
    logits = plain(observation) - punished(observation)
    expected = torch.tensor([[0.0, 0], [0, 7], [0, 7], [0, 0]])
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_a_universal_actor_is_surer_than_its_loss_makes_it() -> None:
    torch.manual_seed(0)
    actor = UniversalActor(NoEncoder(), WIDTH, TERMS)
    seen = rows([2.0, inf])
    torch.testing.assert_close(actor(seen), 3.0 * Network.forward(actor, seen))


def with_outputs(network: UniversalValue, out: list[float]) -> UniversalValue:
    """The network, saying these six numbers whatever it sees."""
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor(out))
    return network


def test_where_the_models_agree_a_call_leads_where_quick_leads_with_one_call_less() -> None:
    # (return, calls): QUICK (5, 2); a call where they differ (1, 3) more; a call less (-0.5, -1).
    value = with_outputs(UniversalValue(NoEncoder(), WIDTH, TERMS, 1), [5, 2, 1, 3, -0.5, -1])
    for agree, left, call in (
        (1.0, inf, [5.0, 3.0]),  # the call itself, and nothing else
        (1.0, 2.0, [4.5, 2.0]),
        (0.0, inf, [6.0, 6.0]),
        (0.0, 2.0, [6.0, 6.0]),
    ):
        said = value(rows([left], privileged=[agree]))
        assert said.tolist() == [[[5.0, 2.0], call]]


def test_without_privileged_information_a_call_may_be_worth_anything_anywhere() -> None:
    value = with_outputs(UniversalValue(NoEncoder(), WIDTH, TERMS), [5, 2, 1, 3, -0.5, -1])
    assert value(rows([inf])).tolist() == [[[5.0, 2.0], [6.0, 6.0]]]


# A full budget and no cap (fault A4).


def leaning_on(column: str) -> UniversalActor:
    """An actor that calls where there is no cap, and does not where there is one; or by x."""
    actor = UniversalActor(QuickEncoder(3), 1, CostBudgetRange(0.02, 0.8, 4))

    class Reader(nn.Module):
        def forward(self, read: Tensor) -> Tensor:
            size = QuickEncoder(3).size
            share, uncapped = read[:, size], read[:, -1]
            return (uncapped if column == "uncapped" else share)[:, None]

    actor.trunk = Reader()
    with torch.no_grad():
        actor.head.weight.copy_(torch.tensor([[0.0], [1.0]]))
        actor.head.bias.zero_()
    return actor


@pytest.mark.parametrize(
    ("calls", "uncapped", "share"), [(4, 0.0, 0.8), (1, 0.0, 0.2), (0, 0.0, 0.0), (None, 1.0, 1.0)]
)
def test_a_universal_switcher_sees_a_full_budget_as_so_many_calls_left(
    calls: int | None, uncapped: float, share: float
) -> None:
    env = SwitchingVectorEnv(
        Corridor, quick(), deepthink(), cost=0.1, budget=Budget(calls), num_envs=2
    )
    observation, _ = env.reset(seed=0)
    seen = torch.from_numpy(observation)
    for column, expected in (("uncapped", uncapped), ("share", share)):
        logits: Any = leaning_on(column)(seen)
        assert logits[:, 1].tolist() == pytest.approx([3 * expected] * 2)
    env.close()


def test_the_same_state_is_read_alike_in_an_environment_of_any_budget() -> None:
    # Three calls left are three calls left, of three or of four.
    torch.manual_seed(0)
    actor = UniversalActor(QuickEncoder(3), WIDTH, TERMS)
    logits = []
    for calls in (3, 4):
        env = SwitchingVectorEnv(
            Corridor, quick(), deepthink(), cost=0.1, budget=Budget(calls), num_envs=1
        )
        observation, _ = env.reset(seed=0)
        layout = env.observer.layout
        assert layout.view(observation).budget_left.tolist() == [calls]
        observation[:, layout.features + BUDGET_LEFT] = 3
        assert observation[0, layout.features + COST] == np.float32(0.1)
        logits.append(actor(torch.from_numpy(observation)))
        env.close()
    assert torch.equal(*logits)
