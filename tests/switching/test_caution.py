"""Caution: which states are unfamiliar, and that a coin decides there."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import torch
from torch import nn

from londi.switching.caution import FAMILIAR, Caution, CautiousActor
from londi.switching.observation import ObservationLayout, State
from londi.types import CostBudget

RNG = np.random.default_rng(0)
SHAPE = np.array([[3.0, 0.0], [0.0, 0.1]])


def embeddings(n: int) -> np.ndarray:
    """Twice as long as wide by a factor of thirty."""
    return (RNG.normal(size=(n, 2)) @ SHAPE + 5.0).astype(np.float32)


@pytest.fixture
def caution() -> Caution:
    made = Caution.fit(embeddings(2000), embeddings(2000), [0.001, 0.01, 0.1], [0.8, 0.5, 0.2])
    assert made
    return made


def test_as_many_are_familiar_as_should_be(caution: Caution) -> None:
    far = caution.distance(torch.from_numpy(embeddings(5000))) > caution.limit
    assert float(far.float().mean()) == pytest.approx(1 - FAMILIAR, abs=0.012)


def test_distance_counts_deviations_in_each_direction(caution: Caution) -> None:
    along, across = torch.tensor([[8.0, 5.0]]), torch.tensor([[5.0, 8.0]])
    assert float(caution.distance(along)) == pytest.approx(1.0, rel=0.15)
    assert float(caution.distance(across)) > 100 * float(caution.limit) / 10


@pytest.mark.parametrize(
    "cost, rate", [(0.001, 0.8), (0.01, 0.5), (0.1, 0.2), (1e-6, 0.8), (5.0, 0.2), (0.0, 0.8)]
)
def test_the_usual_rate_at_known_costs_and_beyond(
    caution: Caution, cost: float, rate: float
) -> None:
    odds = float(caution.usual(torch.tensor([cost])))
    assert 1 / (1 + exp(-odds)) == pytest.approx(rate, abs=1e-4)


def test_between_costs_the_rate_lies_between(caution: Caution) -> None:
    middle = float(caution.usual(torch.tensor([(0.001 * 0.01) ** 0.5])))
    assert middle == pytest.approx(log(0.8 / 0.2) / 2, abs=1e-4)


def test_one_cost_has_one_rate() -> None:
    made = Caution.fit(embeddings(500), embeddings(500), [0.01], [0.3])
    assert made
    assert torch.sigmoid(made.usual(torch.tensor([0.001, 0.01, 0.1]))).tolist() == pytest.approx(
        [0.3] * 3, abs=1e-4
    )


def test_too_few_states_make_no_caution() -> None:
    same = np.repeat(embeddings(50), 20, 0)
    assert Caution.fit(same, embeddings(500), [0.01], [0.3]) is None
    assert Caution.fit(embeddings(500), same, [0.01], [0.3]) is None


def test_a_direction_without_variance_is_no_fault() -> None:
    flat = embeddings(500)
    flat[:, 1] = 1.0
    made = Caution.fit(flat, flat, [0.01], [0.3])
    assert made
    assert torch.isfinite(made.distance(torch.from_numpy(flat))).all()


class Calls(nn.Module):
    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.0, 9.0]]).expand(len(observation), 2)


def test_a_coin_decides_where_it_is_unfamiliar(caution: Caution) -> None:
    layout = ObservationLayout(3)  # one feature behind the embedding
    rows = np.zeros((2, layout.observed), np.float32)
    for row, features in zip(rows, ([5.0, 5.0, 99.0], [5.0, 9.0, 0.0]), strict=True):
        state = State(None, CostBudget(0.1, 3), 0, 0)  # type: ignore[arg-type]
        layout.write(row, np.array(features, np.float32), state)
    actor = CautiousActor(Calls(), caution, layout)
    call = actor(torch.from_numpy(rows)).softmax(1)[:, 1]
    assert call.tolist() == pytest.approx([1 / (1 + exp(-9.0)), 0.2], abs=1e-4)


def test_it_is_read_again_as_it_was_written(caution: Caution) -> None:
    again = Caution.of({name: value.clone() for name, value in caution.state_dict().items()})
    seen = torch.from_numpy(embeddings(20))
    assert torch.equal(again.distance(seen), caution.distance(seen))
    assert float(again.limit) == float(caution.limit)
