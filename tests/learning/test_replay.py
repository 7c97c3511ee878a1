"""The replay buffer keeps the newest transitions and charges for calls only when drawn from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.learning.replay import Experience, ReplayBuffer
from londi.storage.checkpoint import load_state, save_state
from playthings import held


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

    stored = held(buffer)
    expected = rows(max(0, total - capacity), min(total, capacity))
    for name, value in expected.items():
        np.testing.assert_array_equal(stored[name], value.astype(stored[name].dtype))


def test_the_cost_is_applied_at_the_draw() -> None:
    buffer = filled(40)
    before = held(buffer)["reward"]
    for cost, penalty in ((0.0, 0.0), (0.25, 0.0), (0.25, 2.0)):
        batch = buffer.sample(64, cost, penalty, np.random.default_rng(0))
        number = batch.observation[:, 0]
        overspent = (number % 4 == 1).float()
        expected = number / 2 - cost * (number % 2) - penalty * overspent
        torch.testing.assert_close(batch.reward, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(held(buffer)["reward"], before)


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


def same_from_here(first: ReplayBuffer, second: ReplayBuffer) -> None:
    """Both hold the same, draw the same, and go on the same."""
    for n in (4, 9, 0):
        for buffer in (first, second):
            buffer.add(Experience(**rows(1000, n)))
        one, two = held(first), held(second)
        for name, value in one.items():
            np.testing.assert_array_equal(two[name], value)
        one, two = (
            asdict(buffer.sample(32, 0.1, 0.5, np.random.default_rng(n)))
            for buffer in (first, second)
        )
        for name, value in one.items():
            assert torch.equal(two[name], value)


@pytest.fixture(params=["memory", "file"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "" if request.param == "memory" else str(tmp_path)


@pytest.mark.parametrize("n", [0, 3, 8, 13])
def test_a_resumed_buffer_goes_on_as_the_first(n: int, folder: str, tmp_path: Path) -> None:
    first, second = filled(n, capacity=8), ReplayBuffer(8, 2, folder)
    save_state(tmp_path / "s", {"buffer": first.state()})
    second.load_state(load_state(tmp_path / "s")["buffer"])
    same_from_here(first, second)


def test_a_buffer_in_a_file_is_one_in_memory(tmp_path: Path) -> None:
    def kept(folder: str) -> ReplayBuffer:
        buffer = ReplayBuffer(50, 2, folder)
        for first in range(0, 4000, 16):  # often enough that memory is given back in between
            buffer.add(Experience(**rows(first, 16)))
        return buffer

    same_from_here(kept(""), kept(str(tmp_path)))


def test_what_is_saved_is_not_changed_by_what_is_added_later(tmp_path: Path) -> None:
    buffer = filled(3, capacity=3)
    save_state(tmp_path / "s", {"buffer": buffer.state()})
    buffer.add(Experience(**rows(50, 3)))
    log = load_state(tmp_path / "s")["buffer"]
    assert log.read(0, 3)["observation"][:, 0].tolist() == [0, 1, 2]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        ReplayBuffer(0, 2)
    with pytest.raises(ValueError, match="empty"):
        ReplayBuffer(4, 2).sample(1, 0.0, 0.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="shape"):
        ReplayBuffer(100, 3).load_state(filled(8).state())
    with pytest.raises(ValueError, match="must have 4 transitions for this buffer, got 8"):
        filled(8, capacity=4).load_state(filled(8).state())
    for name, wrong in (("reward", np.zeros((3, 1))), ("observation", np.zeros((3, 5)))):
        with pytest.raises(ValueError, match=name):
            filled(1).add(Experience(**(rows(0, 3) | {name: wrong})))
    with pytest.raises(ValueError, match="at least one choice"):
        filled(1).add(Experience(**rows(0, 3) | {"next_allowed": np.zeros((3, 2), bool)}))
