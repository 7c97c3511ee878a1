"""What a call adds, by several networks: when they call, worked by hand."""

from __future__ import annotations

import pytest
import torch

from londi.encoders.base import NoEncoder
from londi.switching.effects import EffectActor
from londi.switching.observation import CONTEXT, COST


def actor_that_says(said: list[tuple[float, float]]) -> EffectActor:
    """One whose networks say this (return, calls) of any state."""
    made = EffectActor(NoEncoder(), 2)
    with torch.no_grad():
        for network, shift in zip(made.effects, said, strict=True):
            network.shift.copy_(torch.tensor(shift))
            network.scale.zero_()
    return made


def log_odds(actor: EffectActor, cost: float) -> float:
    seen = torch.zeros(1, CONTEXT)
    seen[:, COST] = cost
    with torch.no_grad():
        quick, call = actor(seen)[0].tolist()
    return call - quick


def test_it_calls_where_a_call_is_worth_more_than_its_calls() -> None:
    sure = actor_that_says([(0.02, 1.5)] * 3)
    # At c = 0.01 it is worth 2 calls and takes 1.5: three times half a call.
    assert log_odds(sure, 0.01) == pytest.approx(1.5, abs=1e-4)
    assert log_odds(sure, 0.02) == pytest.approx(-1.5, abs=1e-4)


def test_it_trusts_networks_less_where_they_disagree() -> None:
    torn = actor_that_says([(0.01, 1.5), (0.02, 1.5), (0.03, 1.5)])
    assert torn.effect(torch.zeros(1, CONTEXT))[0].tolist() == pytest.approx([0.02, 1.5])
    # Their standard deviation is 0.01 sqrt(2 / 3), of which 0.3 is taken off.
    less = 0.3 * 0.01 * (2 / 3) ** 0.5
    assert log_odds(torn, 0.01) == pytest.approx(3 * ((0.02 - less) / 0.01 - 1.5), abs=1e-4)


def test_a_call_adds_a_call_and_what_it_is_worth_where_the_models_differ() -> None:
    actor = EffectActor(NoEncoder(), 2, disagreement=True)
    with torch.no_grad():
        for network in actor.effects:
            network.shift.copy_(torch.tensor([0.04, -2.0]))
            network.scale.zero_()
        for network, odds in zip(actor.disagreement, [0.0, -20.0, 20.0], strict=True):
            network.shift.fill_(odds)
            network.scale.zero_()
    # They differ with probabilities 1/2, 0 and 1: a half. It saves a call later on.
    assert actor.effect(torch.zeros(1, CONTEXT))[0].tolist() == pytest.approx([0.02, 0.0], abs=1e-6)
