"""The punishment of a call beyond the budget follows the temperature; algorithms by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from londi.encoders.quick import QuickEncoder
from londi.learning.algorithms import ReplayLearner, SACAlgorithm
from londi.learning.replay import Experience
from londi.learning.sac import SAC
from londi.switching.networks import PenaltyActor
from londi.switching.observation import ObservationLayout
from playthings import TOY

ENCODER = QuickEncoder(3)


def steps(n: int) -> Experience:
    layout = ObservationLayout(ENCODER.size)
    rng = np.random.default_rng(0)
    rows = rng.random((n, layout.size)).astype(np.float32)
    return Experience(
        observation=rows,
        choice=rng.integers(2, size=n),
        reward=rng.random(n),
        next_observation=rows[::-1].copy(),
        terminated=np.zeros(n),
        allowed=np.ones((n, 2), bool),
        next_allowed=np.ones((n, 2), bool),
        overspent=np.zeros(n),
    )


def punished(learner: ReplayLearner) -> list[float]:
    assert isinstance(learner.inner, SAC)
    nets = learner.inner.networks
    parts = (nets.actor, nets.mean_actor.module)
    assert all(isinstance(part, PenaltyActor) for part in parts)
    return [part.punishment for part in parts]


def test_a_punishment_follows_a_temperature_that_is_learned() -> None:
    config = replace(TOY, budget=2, budget_mode="penalty", alpha="auto", learning_rate=0.1)
    learner = SACAlgorithm(config, ENCODER).learner(0, None)
    assert punished(learner) == [pytest.approx(100), pytest.approx(100)]  # 1 / 0.01
    learner.buffer.add(steps(64))
    rng = np.random.default_rng(0)
    for batch in learner.draw(5, rng):
        losses = learner.update(batch)
    wanted = pytest.approx(1 / max(losses.temperature, 1e-3))
    assert losses.temperature != pytest.approx(0.01)
    assert punished(learner) == [wanted, wanted]
    assert learner.switcher()["punishment"] == wanted
    other = SACAlgorithm(config, ENCODER).learner(0, None)
    other.load_state_dict(learner.state_dict())
    assert punished(other) == [wanted, wanted]


def test_a_fixed_temperature_leaves_the_punishment_alone() -> None:
    learner = SACAlgorithm(replace(TOY, budget=2, budget_mode="penalty"), ENCODER).learner(0, None)
    learner.buffer.add(steps(64))
    (batch,) = learner.draw(1, np.random.default_rng(0))
    learner.update(batch)
    assert punished(learner) == [1 / 0.001] * 2
