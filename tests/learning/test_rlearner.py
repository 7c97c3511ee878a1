"""What a call adds, from drawn choices: against exact effects, and against what would mislead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from londi.config import TrainConfig
from londi.encoders.base import Encoder, NoEncoder
from londi.learning.dataset import OfflineDataset
from londi.learning.rlearner import KNOWN, RLearner
from londi.switching.observation import CONTEXT, COST, ObservationLayout
from londi.switching.switcher import LearnedSwitcher, Switcher
from londi.types import Array, StateDict

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
        agreement=np.full(steps, np.nan),
    )


def learned(log: OfflineDataset, config: TrainConfig = CONFIG) -> RLearner:
    found = RLearner(config, log, KindEncoder())
    while found.fitted < found.fits:
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


def told_by_calls(log: OfflineDataset, agreed: Array) -> OfflineDataset:
    """The log where each call tells whether both models agreed, and nothing else does."""
    return replace(log, agreement=np.where(log.choice == 1, agreed, np.nan))


def test_where_both_models_agree_a_call_adds_a_call_and_nothing_else() -> None:
    plain = tossed(300)
    first = plain.observation[:, 0] == 1
    # A reward that comes by chance would mislead a log this short.
    lucky = plain.reward + np.float32(0.4) * (first & (plain.choice == 1))
    assert effect(learned(replace(plain, reward=lucky)))[0, 0] > 0.1
    found = effect(learned(told_by_calls(replace(plain, reward=lucky), first)))
    assert found[0] == pytest.approx([0.0, 1.0], abs=0.05)
    assert found[1:, 0] == pytest.approx([0.5, 1.0], abs=0.2)


def test_what_calls_alone_tell_does_not_mislead() -> None:
    # Half of the states of one kind agree, and none shows which: there both choices earn 1, and
    # where they differ only a call does. A call adds 0.5; were its target 0 where the calls tell
    # that both agree, 0.375.
    plain = tossed(6000, length=1)
    agreed = np.random.default_rng(1).random(len(plain.choice)) < 0.5
    log = told_by_calls(replace(plain, reward=np.float32(agreed | (plain.choice == 1))), agreed)
    assert effect(learned(log))[:, 0] == pytest.approx(0.5, abs=0.06)


def test_a_log_that_tells_of_few_steps_is_learned_from_as_one_that_tells_of_none() -> None:
    log = tossed(300)
    few, enough = (np.where(np.arange(900) < known, 1.0, np.nan) for known in (KNOWN - 1, KNOWN))
    plain, spare, full = (
        RLearner(CONFIG, replace(log, agreement=known), KindEncoder())
        for known in (log.agreement, few, enough)
    )
    assert (plain.fits, spare.fits, full.fits) == (6, 6, 9)


def made_again(state: StateDict) -> Switcher:
    from londi.switching.switcher import _MAKERS

    return _MAKERS["r-learner"](state, KindEncoder(), False)


@pytest.mark.parametrize("told", [False, True])
def test_it_is_made_again_from_its_checkpoint(told: bool) -> None:
    log = tossed(300)
    one = learned(told_by_calls(log, log.observation[:, 0] == 1) if told else log)
    again = made_again(one.switcher())
    both = np.ones((KINDS, 2), bool)
    who = LearnedSwitcher(one.actor, "kind")
    assert (again.call_probability(states(), both) == who.call_probability(states(), both)).all()
    assert again.supported is not None and again.supported.high == 0.9
    gain = again.expect(states()).gain
    assert gain == pytest.approx(effect(one)[:, 0], abs=1e-5)


def test_one_of_an_earlier_release_is_made_again(even: RLearner) -> None:
    state = even.switcher()
    del state["disagreement"]
    both = np.ones((KINDS, 2), bool)
    again, who = made_again(state), LearnedSwitcher(even.actor, "kind")
    assert (again.call_probability(states(), both) == who.call_probability(states(), both)).all()


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
            log.agreement,
        ),
        NoEncoder(),
    )
    bare.fit_next()
    assert bare.fitted == 1
