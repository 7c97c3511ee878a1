"""One training driven by hand: every transition that is stored, against numbers worked out by hand.

Two slots play episodes of three steps side by side, the even seeds in the first slot and the odd
ones in the second. An even episode ends with its task, an odd one is cut off. Nobody learns (the
learning rate is 0), so the actor's probabilities are known: 3/4 while a call is left, 1/10 beyond
the budget, where it is punished.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from math import log
from typing import Any

import numpy as np
import pytest
import torch

from londi import TrainConfig
from londi.learning.algorithms import ReplayLearner
from londi.learning.replay import Batch
from londi.learning.sac import Losses
from londi.learning.trainer import Training
from londi.models.pair import ModelPair
from londi.switching.rollout import Transitions
from londi.types import Reply, Usage
from playthings import ACTIONS, Scripted, Texts, held

EVEN = ("a0", "a1", "a2", "the end")
ODD = ("b0", "b0", "b2", "b0")
"""What is seen; the same three times in an odd episode."""
CONFIDENCE = {"a0": 0.1, "a1": 0.2, "a2": 0.3, "b0": 0.4, "b2": 0.5}
"""QUICK's, who always goes left."""
DEEPTHINK = {"a0": "right", "a1": "left", "a2": "right", "b0": "right", "b2": "left"}
EMBEDDING = {"a0": (0, 1), "a1": (1, 0), "a2": (0, 1), "b0": (1, 0), "b2": (0, 1)}
"""DEEPTHINK's; standardised they are (-1, 1) and (1, -1)."""
REWARD = {"a0": 0.25, "a1": 0.5, "a2": 1.0, "b0": 0.125, "b2": 0.0625}
"""Of going right."""


class ThreeSteps(Texts):
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        assert seed is not None
        self._odd, self._at = seed % 2 == 1, 0
        return self._text(), self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        reward = REWARD[self._text()] * (action == "right")
        self._at += 1
        over = self._at == 3
        return self._text(), reward, over and not self._odd, over and self._odd, self._info()

    def _text(self) -> str:
        return (ODD if self._odd else EVEN)[self._at]

    def _info(self) -> dict[str, Any]:
        return {"goal": "walk", "actions": ACTIONS}


class Player(Scripted):
    embedding_size = 2

    def _reply(self, text: str) -> Reply:
        action = DEEPTHINK[text] if self.name == "deepthink" else "left"
        vector = np.array(EMBEDDING[text], np.float32)
        return Reply(action, -0.1, CONFIDENCE[text], Usage(1), vector)


class Draws(np.random.Generator):
    """Draws these numbers for the choices of one step after the other."""

    def __init__(self, numbers: list[tuple[float, float]]) -> None:
        super().__init__(np.random.PCG64(0))
        self._numbers = iter(numbers)

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        numbers = next(self._numbers)
        assert size == len(numbers)
        return np.array(numbers)


class Recording:
    """A learner that also writes down what it is given."""

    def __init__(self, inner: ReplayLearner) -> None:
        self.inner = inner
        self.added: list[Transitions] = []
        self.drawn: list[tuple[int, int]] = []  # batches wanted, transitions held
        self.updates = 0

    def policy(self, observation: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        return self.inner.policy(observation, allowed)

    def add(self, transitions: Transitions) -> None:
        self.added.append(transitions)
        self.inner.add(transitions)

    def draw(self, updates: int, rng: np.random.Generator) -> list[Batch]:
        self.drawn.append((updates, len(self.inner.buffer)))
        return self.inner.draw(updates, rng)

    def update(self, batch: Batch) -> Losses:
        self.updates += 1
        return self.inner.update(batch)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state)


def begun(budget_mode: Any) -> tuple[Training, Recording]:
    """A training of six steps of two slots, of which the first three are a warm-up."""
    config = TrainConfig(
        env="three steps",
        quick="quick",
        deepthink="deepthink",
        cache="none",
        encoder="confidence",
        cost=0.5,
        budget=1,
        budget_mode=budget_mode,
        overspend_penalty=2.0,
        alpha=2 / log(27),
        num_envs=2,
        steps=12,
        warmup=6,
        exploration=0.3,
        steps_per_update=2,
        batch_size=64,
        width=4,
        learning_rate=0.0,
    )
    pair = ModelPair(Player("quick", []), Player("deepthink", []), ThreeSteps)
    training = Training(config, pair)
    learner = training._learner
    assert isinstance(learner, ReplayLearner)
    with torch.no_grad():
        head = learner.inner.networks.actor.head
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, log(3)]))
    recording = Recording(learner)
    training._learner = recording  # type: ignore[assignment]
    return training, recording


def played(budget_mode: Any, numbers: list[tuple[float, float]]) -> tuple[Training, Recording]:
    """All steps of such a training, with these draws."""
    training, recording = begun(budget_mode)
    training._rng = Draws(numbers)
    with closing(training):
        training.begin()
        for _ in numbers:
            training.advance()
    return training, recording


@pytest.fixture(scope="module")
def penalty() -> Iterator[tuple[Training, Recording]]:
    numbers = [(0.4, 0.6), (0.4, 0.4), (0.6, 0.4), (0.67, 0.68), (0.33, 0.5), (0.2, 0.2)]
    yield played("penalty", numbers)


@pytest.fixture(scope="module")
def mask() -> Iterator[tuple[Training, Recording]]:
    numbers = [(0.4, 0.6), (0.4, 0.4), (0.0, 0.0), (0.67, 0.68), (0.0, 0.5), (0.0, 0.0)]
    yield played("mask", numbers)


L2, L3, L4 = log(2), log(3), log(4)

# Confidence, calls left, capped, cost, log(1 + steps), log(1 + repeats), agreement, log(1 + the
# steps before at which the models differ and QUICK, or DEEPTHINK, acts), embedding. In either
# training DEEPTHINK acts in a0 and b1, and QUICK in b0.
NOTHING = [0.0] * 11


def a0(left: int) -> list[float]:
    return [0.1, left, 1, 0.5, 0, 0, 0, 0, 0, -1, 1]


def a1(left: int) -> list[float]:
    return [0.2, left, 1, 0.5, L2, 0, 1, 0, L2, 1, -1]


def a2(left: int) -> list[float]:
    return [0.3, left, 1, 0.5, L3, 0, 0, 0, L2, -1, 1]


def b0(left: int) -> list[float]:
    return [0.4, left, 1, 0.5, 0, 0, 0, 0, 0, 1, -1]


def b1(left: int) -> list[float]:
    return [0.4, left, 1, 0.5, L2, L2, 0, L2, 0, 1, -1]


def b2(left: int) -> list[float]:
    return [0.5, left, 1, 0.5, L3, 0, 1, L2, L2, -1, 1]


def b3(left: int) -> list[float]:
    return [0.4, left, 1, 0.5, L4, L3, 0, L2, L2, 1, -1]


PENALTY = {
    "observation": [
        a0(1), b0(1), a1(0), b1(1), a2(-1), b2(0),
        a0(1), b0(1), a1(0), b1(1), a2(0), b2(0),
    ],
    "next_observation": [
        a1(0), b1(1), a2(-1), b2(0), NOTHING, b3(-1),
        a1(0), b1(1), a2(0), b2(0), NOTHING, b3(-1),
    ],
    "choice": [1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1],
    # A call goes right in a0, a2 and b0, and left in a1 and b2.
    "reward": [0.25, 0, 0, 0.125, 0, 0, 0.25, 0, 0, 0.125, 1, 0],
    "overspent": [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1],
    "terminated": [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0],
    "allowed": [[1, 1]] * 12,
    "next_allowed": [[1, 1]] * 12,
}  # fmt: skip
PENALTY_PROPENSITY = [
    *[0.5] * 6,
    # 0.5 + 0.7 (3/4 - 0.5) = 0.675 for a call within the budget, 0.5 + 0.7 (1/10 - 0.5) = 0.22
    # for one beyond it, and the rest of 1 for QUICK.
    0.675, 0.325, 0.78, 0.675, 0.22, 0.22,
]  # fmt: skip

FREE, QUICK_ONLY = [1, 1], [1, 0]
MASK = {
    "observation": [
        a0(1), b0(1), a1(0), b1(1), a2(0), b2(0),
        a0(1), b0(1), a1(0), b1(1), a2(0), b2(0),
    ],
    "next_observation": [
        a1(0), b1(1), a2(0), b2(0), NOTHING, b3(0),
        a1(0), b1(1), a2(0), b2(0), NOTHING, b3(0),
    ],
    "choice": [1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0],
    "reward": [0.25, 0, 0, 0.125, 0, 0, 0.25, 0, 0, 0.125, 0, 0],
    "overspent": [0] * 12,
    "terminated": [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0],
    "allowed": [FREE, FREE, QUICK_ONLY, FREE, QUICK_ONLY, QUICK_ONLY] * 2,
    # A cut-off episode goes on without a call, though the next one has begun with one.
    "next_allowed": [QUICK_ONLY, FREE, QUICK_ONLY, QUICK_ONLY, FREE, QUICK_ONLY] * 2,
}  # fmt: skip
MASK_PROPENSITY = [0.5, 0.5, 1, 0.5, 1, 1, 0.675, 0.325, 1, 0.675, 1, 1]


def check_stored(recording: Recording, expected: dict[str, Any]) -> None:
    stored = held(recording.inner.buffer)
    assert stored.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(stored[name], np.array(value, float), atol=1e-5, err_msg=name)


def check_transitions(
    recording: Recording, expected: dict[str, Any], propensity: list[float]
) -> None:
    """The records that the buffer is filled from, and what they hold beyond it."""
    added = recording.added
    assert len(added) == 6
    seen, after = np.array(expected["observation"]), np.array(expected["next_observation"])
    for name, value in (
        ("observation", seen[:, :6]),
        ("privileged", seen[:, 6:]),
        ("next_observation", after[:, :6]),
        ("next_privileged", after[:, 6:]),
        ("allowed", expected["allowed"]),
        ("next_allowed", expected["next_allowed"]),
        ("reward", expected["reward"]),
        ("overspent", expected["overspent"]),
        ("terminated", expected["terminated"]),
        ("truncated", [0, 0, 0, 0, 0, 1] * 2),
    ):
        got = np.concatenate([getattr(transitions, name) for transitions in added])
        np.testing.assert_allclose(got, np.array(value, float), atol=1e-5, err_msg=name)
    decisions = [transitions.decision for transitions in added]
    assert np.concatenate([d.choice for d in decisions]).tolist() == expected["choice"]
    assert np.concatenate([d.propensity for d in decisions]) == pytest.approx(propensity)
    call = np.where(expected["choice"], propensity, 1 - np.array(propensity))
    assert np.concatenate([d.call_probability for d in decisions]) == pytest.approx(call)
    assert [d.exploration for d in decisions] == [1.0] * 3 + [0.3] * 3
    steps = [step for transitions in added for step in transitions.steps]
    assert [step.choice for step in steps if step] == expected["choice"]
    first = 500_000_000
    episodes = [first, first + 1] * 3 + [first + 2, first + 3] * 3
    assert [step.episode for step in steps if step] == episodes


def test_every_transition_of_a_penalty_training_is_stored_as_worked_out_by_hand(
    penalty: tuple[Training, Recording],
) -> None:
    check_stored(penalty[1], PENALTY)
    check_transitions(penalty[1], PENALTY, PENALTY_PROPENSITY)


def test_every_transition_of_a_masked_training_is_stored_as_worked_out_by_hand(
    mask: tuple[Training, Recording],
) -> None:
    check_stored(mask[1], MASK)
    check_transitions(mask[1], MASK, MASK_PROPENSITY)


def test_the_learned_reward_has_the_cost_and_the_punishment_taken_off(
    penalty: tuple[Training, Recording], mask: tuple[Training, Recording]
) -> None:
    learned = [
        # 0.5 a call, and 2 more for one beyond the budget.
        (penalty, [-0.25, 0, -2.5, -0.375, 0, -2.5, -0.25, 0, 0, -0.375, -1.5, -2.5]),
        (mask, [-0.25, 0, 0, -0.375, 0, 0, -0.25, 0, 0, -0.375, 0, 0]),
    ]
    for (_, recording), reward in learned:
        (batch,) = recording.inner.draw(1, np.random.default_rng(7))
        rows = np.random.default_rng(7).integers(12, size=64)
        assert batch.reward.tolist() == pytest.approx(np.array(reward)[rows].tolist())
        assert batch.terminated.tolist() == [float(row % 6 == 4) for row in rows]


def test_batches_are_drawn_of_all_that_was_stored_and_none_in_the_warm_up(
    penalty: tuple[Training, Recording],
) -> None:
    _, recording = penalty
    assert recording.drawn == [(0, 0), (0, 2), (0, 4), (1, 6), (1, 8), (1, 10)]
    assert recording.updates == 3


def test_the_report_of_a_penalty_training_by_hand(penalty: tuple[Training, Recording]) -> None:
    report = penalty[0].progress()
    assert (report.step, report.steps, report.episodes, report.aborted) == (12, 12, 4, 0)
    # Returns 0.25, 0.125, 1.25 and 0.125; the third episode ends its task with a reward.
    assert report.return_mean == pytest.approx(1.75 / 4)
    assert report.success_rate == 1 / 4
    assert report.call_rate == pytest.approx(8 / 12)
    assert report.overspent == 1.0
    # Even episodes spend their call at the first of three steps, odd ones at the second.
    assert report.funded == pytest.approx((1 / 3 + 2 / 3 + 1 / 3 + 2 / 3) / 4)
    # The actor alone: (3/4, 3/4), (1/10, 3/4), (1/10, 1/10).
    assert report.call_probability == pytest.approx((0.75 + 0.425 + 0.1) / 3)
    assert penalty[0].progress().call_probability == 0.5  # nothing since the last report


def test_the_actor_sees_nothing_that_critics_alone_know(
    penalty: tuple[Training, Recording],
) -> None:
    networks = penalty[1].inner.inner.networks
    rows = torch.tensor([a0(1), b2(0)], dtype=torch.float32)
    others = rows.clone()
    others[:, 6:] = 9.0
    allowed = torch.ones(2, 2, dtype=torch.bool)
    one, two = (networks.policy(r, allowed).probability for r in (rows, others))
    assert networks.seen(rows).shape == (2, 6)
    assert torch.equal(one, two)
    critic = networks.critics[0]
    assert not torch.equal(critic(rows), critic(others))


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5])
def test_a_training_that_is_taken_up_again_stores_the_same(after: int) -> None:
    whole, resumed = begun("penalty"), begun("penalty")
    with closing(whole[0]), closing(resumed[0]):
        whole[0].begin()
        for k in range(6):
            if k == after:
                saved = deepcopy(whole[0].state())
            whole[0].advance()
        resumed[0].load_state(saved)
        assert resumed[0].step == 2 * after
        for _ in range(6 - after):
            resumed[0].advance()
        one, two = (held(recording.inner.buffer) for _, recording in (whole, resumed))
        for name, value in one.items():
            np.testing.assert_array_equal(two[name], value)
        assert whole[0]._statistics.state() == resumed[0]._statistics.state()
        assert whole[0].progress().call_probability == resumed[0].progress().call_probability
