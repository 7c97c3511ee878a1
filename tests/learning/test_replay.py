"""The replay buffer keeps the newest transitions and charges for calls only when drawn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.learning.replay import Experience, ReplayBuffer


def rows(first: int, n: int) -> dict[str, Any]:
    """Experience numbered from `first`; the number is in every field that can hold it."""
    number = np.arange(first, first + n)
    return {
        "observation": np.stack([number, -number], 1),
        "choice": number % 2,
        "reward": number / 2,
        "next_observation": np.stack([number + 1, -number - 1], 1),
        "terminated": number % 3 == 0,
        "allowed": np.stack([np.ones(n), number % 5 > 0], 1).astype(bool),
        "next_allowed": np.stack([np.ones(n), number % 7 > 0], 1).astype(bool),
        "overspent": number % 4 == 1,
    }


def filled(n: int, capacity: int = 100) -> ReplayBuffer:
    buffer = ReplayBuffer(capacity, 2)
    buffer.add(Experience(**rows(0, n)))
    return buffer


@settings(deadline=None)
@given(capacity=st.integers(1, 12), sizes=st.lists(st.integers(0, 30), max_size=6))
def test_the_newest_transitions_are_kept_whole(capacity: int, sizes: list[int]) -> None:
    buffer = ReplayBuffer(capacity, 2)
    total = 0
    for n in sizes:
        buffer.add(Experience(**rows(total, n)))
        total += n
    assert len(buffer) == min(total, capacity)

    state = buffer.state()
    expected = rows(max(0, total - capacity), min(total, capacity))
    order = np.argsort(state["observation"][:, 0])
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name][order], value.astype(state[name].dtype))


def test_the_cost_is_applied_at_the_draw() -> None:
    buffer = filled(40)
    before = buffer.state()["reward"]
    for cost, penalty in ((0.0, 0.0), (0.25, 0.0), (0.25, 2.0)):
        batch = buffer.sample(64, cost, penalty, np.random.default_rng(0))
        number = batch.observation[:, 0]
        overspent = (number % 4 == 1).float()
        expected = number / 2 - cost * (number % 2) - penalty * overspent
        torch.testing.assert_close(batch.reward, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(buffer.state()["reward"], before)


def test_each_drawn_transition_may_have_its_own_cost() -> None:
    cost = np.linspace(0, 1, 64)
    batch = filled(40).sample(64, cost, 0.0, np.random.default_rng(0))
    number = batch.observation[:, 0]
    expected = number / 2 - torch.tensor(cost, dtype=torch.float32) * (number % 2)
    torch.testing.assert_close(batch.reward, expected)


def test_a_batch_keeps_each_transition_together() -> None:
    batch = filled(40).sample(200, 0.0, 0.0, np.random.default_rng(1))
    number = batch.observation[:, 0].long()
    assert set(number.tolist()) <= set(range(40)) and len(set(number.tolist())) > 30
    assert torch.equal(batch.action, number % 2)
    assert torch.equal(batch.next_observation[:, 1].long(), -number - 1)
    assert torch.equal(batch.terminated, (number % 3 == 0).float())
    assert torch.equal(batch.allowed[:, 1], number % 5 > 0)
    assert torch.equal(batch.next_allowed[:, 1], number % 7 > 0)
    assert batch.action.dtype == torch.int64 and batch.allowed.dtype == torch.bool
    assert batch.reward.dtype == batch.terminated.dtype == torch.float32


def test_the_same_generator_draws_the_same_batch() -> None:
    one, two = (filled(40).sample(32, 0.1, 0.0, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one.observation, two.observation) and torch.equal(one.reward, two.reward)


@pytest.mark.parametrize("n", [3, 8, 13])
def test_a_resumed_buffer_goes_on_as_the_first(n: int) -> None:
    first, second = filled(n, capacity=8), ReplayBuffer(8, 2)
    second.load_state(first.state())
    for buffer in (first, second):
        buffer.add(Experience(**rows(n, 4)))
    for name, value in first.state().items():
        np.testing.assert_array_equal(second.state()[name], value)


def test_a_saved_state_is_a_copy() -> None:
    buffer = filled(3, capacity=3)
    state = buffer.state()
    buffer.add(Experience(**rows(50, 3)))
    assert state["observation"][0, 0] == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        ReplayBuffer(0, 2)
    with pytest.raises(ValueError, match="empty"):
        ReplayBuffer(4, 2).sample(1, 0.0, 0.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="shape"):
        filled(8, capacity=4).load_state(filled(8).state())
    for name, wrong in (("reward", np.zeros((3, 1))), ("observation", np.zeros((3, 5)))):
        with pytest.raises(ValueError, match=name):
            filled(1).add(Experience(**(rows(0, 3) | {name: wrong})))
    with pytest.raises(ValueError, match="at least one choice"):
        filled(1).add(Experience(**rows(0, 3) | {"next_allowed": np.zeros((3, 2), bool)}))
