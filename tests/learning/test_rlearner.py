"""What a call adds, from drawn choices: against exact effects, and against what would mislead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from londi.config import TrainConfig
from londi.encoders.base import Encoder, NoEncoder
from londi.learning.dataset import OfflineDataset
from londi.learning.rlearner import FITS, RLearner
from londi.switching.observation import CONTEXT, COST, ObservationLayout
from londi.switching.switcher import LearnedSwitcher, Switcher
from londi.types import Array

KINDS = 3
"""States: a call adds 0 to the reward of the first, 0.5 to the second's, 1 to the third's."""


class KindEncoder(Encoder):
    """Which of the states it is, one-hot."""

    size = KINDS
    spec = "kind"

    def encode(self, prompts: object, replies: object) -> Array:
        raise NotImplementedError


CONFIG = TrainConfig(traces="traces.db", cost=0.3, cost_range=(0.1, 0.9), gamma=1.0, batch_size=64)


def tossed(sessions: int, length: int = 3, propensity: Array | float = 0.5) -> OfflineDataset:
    """Sessions of states that come at random, with choices drawn at a propensity of each."""
    rng = np.random.default_rng(0)
    steps = sessions * length
    kind = rng.integers(KINDS, size=steps)
    call = np.broadcast_to(propensity, (KINDS,))[kind]
    choice = (rng.random(steps) < call).astype(np.int64)
    reward = kind + choice * kind / 2 + rng.normal(0, 0.1, steps)
    observation = np.zeros((steps, KINDS + CONTEXT), np.float32)
    observation[np.arange(steps), kind] = 1.0
    ends = np.arange(steps) % length == length - 1
    after = np.roll(observation, -1, axis=0)
    after[ends] = 0.0
    return OfflineDataset(
        episode=np.repeat(np.arange(sessions), length),
        observation=observation,
        choice=choice,
        propensity=np.where(choice == 1, call, 1 - call),
        reward=reward.astype(np.float32),
        next_observation=after,
        terminated=ends,
        allowed=np.ones((steps, 2), bool),
        agreed=np.zeros(steps, bool),
    )


def learned(log: OfflineDataset, config: TrainConfig = CONFIG) -> RLearner:
    found = RLearner(config, log, KindEncoder())
    while found.fitted < FITS:
        found.fit_next()
    return found


def states(cost: float = CONFIG.cost) -> Array:
    rows = np.zeros((KINDS, KINDS + CONTEXT), np.float32)
    rows[:, :KINDS] = np.eye(KINDS)
    rows[:, KINDS + COST] = cost
    return rows


@pytest.fixture(scope="module")
def even() -> RLearner:
    return learned(tossed(800))


def effect(of: RLearner) -> Array:
    with torch.no_grad():
        found: Array = of.actor.effect(torch.from_numpy(states())).numpy()
    return found


def test_effects_are_what_a_call_adds(even: RLearner) -> None:
    # A call adds itself to the calls: what follows is drawn whatever it was.
    assert effect(even) == pytest.approx(np.array([[0, 1], [0.5, 1], [1, 1]]), abs=0.2)


def test_it_calls_where_that_is_worth_the_cost(even: RLearner) -> None:
    who = LearnedSwitcher(even.actor, "kind", greedy=True)
    both = np.ones((KINDS, 2), bool)
    assert who.call_probability(states(0.3), both).tolist() == [0, 1, 1]
    assert who.call_probability(states(0.75), both).tolist() == [0, 0, 1]
    none = np.array([[True, False]] * KINDS)
    assert not who.call_probability(states(), none).any()


def test_uneven_propensities_do_not_mislead() -> None:
    # Calls are drawn where the reward is low anyhow: called steps earn less than others.
    log = tossed(1500, propensity=np.array([0.9, 0.5, 0.1]))
    assert log.reward[log.choice == 1].mean() < log.reward[log.choice == 0].mean()
    assert effect(learned(log))[:, 0] == pytest.approx(np.array([0, 0.5, 1]), abs=0.2)


def test_what_it_expects_is_the_return_and_the_calls(even: RLearner) -> None:
    with torch.no_grad():
        said = even.value_head(torch.from_numpy(states())).numpy()
    # The first of three steps, the third of them, or any: on average one more follows.
    # Each earns 1 and half a call's 0.5 on average: 1.25, and half a call.
    following = np.array([1.25, 0.5])
    for kind in range(KINDS):
        quick, deepthink = np.array([kind, 0.0]), np.array([1.5 * kind, 1.0])
        assert said[kind] == pytest.approx(np.stack([quick, deepthink]) + following, abs=0.25)


def test_each_session_s_value_comes_from_networks_that_have_not_seen_it() -> None:
    log = tossed(60)
    one = RLearner(CONFIG, log, KindEncoder())
    one.fit_next()
    fold = one._fold == 0
    moved = tossed(60)
    moved.reward[fold] += 100.0
    other = RLearner(CONFIG, moved, KindEncoder())
    other.fit_next()
    seen = torch.from_numpy(states())
    first, second = one.value_head.values[0], other.value_head.values[0]
    assert torch.equal(first(seen), second(seen))


def test_the_last_step_s_lambda_return_is_its_reward() -> None:
    log = tossed(60)
    found = RLearner(CONFIG, log, KindEncoder())
    left = found._unexplained()
    value = torch.zeros(len(log.choice), 2)
    with torch.no_grad():
        for fold, network in enumerate(found.value_head.values):
            rows = torch.from_numpy(found._fold == fold)
            value[rows] = network(torch.from_numpy(log.observation))[rows]
    ends = log.ends
    assert left[ends, 0] == pytest.approx(log.reward[ends] - value[ends, 0].numpy(), abs=1e-5)
    assert left[ends, 1] == pytest.approx(log.choice[ends] - value[ends, 1].numpy(), abs=1e-5)


def test_where_both_models_are_known_to_agree_a_call_adds_a_call_and_nothing_else() -> None:
    plain = tossed(300)
    first = plain.observation[:, 0] == 1
    # A reward that comes by chance would mislead a log this short.
    lucky = plain.reward + np.float32(0.4) * (first & (plain.choice == 1))
    log = replace(plain, reward=lucky, agreed=first)
    found = effect(learned(log))
    assert found[0] == pytest.approx([0.0, 1.0], abs=0.05)
    assert found[1:, 0] == pytest.approx([0.5, 1.0], abs=0.2)


def test_it_is_made_again_from_its_checkpoint(even: RLearner) -> None:
    from londi.switching.switcher import _MAKERS

    again: Switcher = _MAKERS["r-learner"](even.switcher(), KindEncoder(), False)
    both = np.ones((KINDS, 2), bool)
    who = LearnedSwitcher(even.actor, "kind")
    assert (again.call_probability(states(), both) == who.call_probability(states(), both)).all()
    assert again.supported is not None and again.supported.high == 0.9
    gain = again.expect(states()).gain
    assert gain == pytest.approx(effect(even)[:, 0], abs=1e-5)


def test_no_features_but_the_steps() -> None:
    log = tossed(100)
    width = ObservationLayout(0).size
    bare = RLearner(
        CONFIG,
        OfflineDataset(
            log.episode,
            np.zeros((300, width), np.float32),
            log.choice,
            np.full(300, np.nan),
            log.reward,
            np.zeros((300, width), np.float32),
            log.terminated,
            log.allowed,
            log.agreed,
        ),
        NoEncoder(),
    )
    bare.fit_next()
    assert bare.fitted == 1
