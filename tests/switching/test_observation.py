"""What is seen of a state, column by column, and what critics alone know of it."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log

import numpy as np
import pytest
import torch

import playthings
from londi.encoders.base import ConfidenceEncoder, NoEncoder
from londi.encoders.quick import QuickEncoder
from londi.envs.prompt import Prompt
from londi.models.scripted import RandomModel
from londi.switching.observation import (
    CONTEXT,
    ObservationLayout,
    Observer,
    PrivilegedInfo,
    State,
    steps_made,
)
from londi.types import CostBudget, Reply, Usage


def prompt(text: str) -> Prompt:
    return Prompt("walk", playthings.ACTIONS, (text,))


def state(text: str, cost: float = 0.25, left: float = inf, steps: int = 0) -> State:
    return State(prompt(text), CostBudget(cost, left), steps, repeats=0)


def reply(action: str, embedding: np.ndarray | None = None) -> Reply:
    return Reply(action, 0.0, 1.0, Usage(), embedding)


# Layout.


@pytest.mark.parametrize(
    ("left", "columns"), [(4.0, [4, 1]), (0.0, [0, 1]), (-2.0, [-2, 1]), (inf, [0, 0])]
)
def test_every_column_is_written_where_the_view_reads_it(left: float, columns: list[int]) -> None:
    layout = ObservationLayout(2, privileged=3)
    assert (layout.observed, layout.size) == (2 + CONTEXT, 2 + CONTEXT + 3)
    row = np.zeros(layout.size, np.float32)
    row[-3:] = 7, 8, 9
    seen = State(prompt("a"), CostBudget(0.25, left), steps=2, repeats=1)
    layout.write(row, np.array([5.0, 6.0]), seen)
    expected = [5, 6, *columns, 0.25, log(3), log(2), 7, 8, 9]
    np.testing.assert_allclose(row, expected, rtol=1e-6)
    for rows in (row[None], torch.from_numpy(row[None])):
        view = layout.view(rows)
        assert view.features.tolist() == [[5, 6]]
        assert view.budget_left.tolist() == [columns[0]]
        assert view.capped.tolist() == [columns[1]]
        assert view.cost.tolist() == [0.25]
        assert view.steps.tolist() == pytest.approx([log(3)])
        assert view.repeats.tolist() == pytest.approx([log(2)])
        assert view.progress[0].tolist() == pytest.approx([log(3), log(2)])
        assert view.privileged.tolist() == [[7, 8, 9]]


def test_a_full_budget_of_any_size_is_not_what_no_cap_is() -> None:
    layout = ObservationLayout(0)
    rows = np.zeros((3, layout.size), np.float32)
    for row, left in zip(rows, (4.0, 1000.0, inf), strict=True):
        layout.write(row, np.zeros(0), state("a", left=left))
    assert layout.view(rows).capped.tolist() == [1, 1, 0]
    assert layout.view(rows).budget_left.tolist() == [4, 1000, 0]


def test_steps_are_read_back_as_whole_numbers() -> None:
    layout = ObservationLayout(0)
    rows = np.zeros((200, layout.size), np.float32)
    for t, row in enumerate(rows):
        layout.write(row, np.zeros(0), state("a", steps=t))
    assert steps_made(layout.view(rows)).tolist() == list(range(200))


# Observer.


def test_where_there_is_no_state_an_observation_is_zeros_and_nobody_is_asked() -> None:
    small, large = playthings.quick(), playthings.deepthink()
    observer = Observer(QuickEncoder(3), small, large, privileged=True)
    observer.look([None, None])
    assert small.asked == large.asked == []
    assert not observer.observe([None, None]).any()
    there = state("hard: the door on the left at 0")
    observer.look([None, there])
    assert small.asked == large.asked == [1]
    rows = observer.observe([None, there])
    assert rows.dtype == np.float32 and rows.shape == (2, observer.layout.size)
    assert not rows[0].any() and rows[1].any()
    assert not observer.foresee([None, there])[0].any()


def test_models_are_asked_only_for_what_is_read() -> None:
    for encoder, privileged, asked in (
        (NoEncoder(), False, ([], [])),
        (ConfidenceEncoder(), False, ([2], [])),
        (NoEncoder(), True, ([2], [2])),
    ):
        small, large = playthings.quick(), playthings.deepthink()
        observer = Observer(encoder, small, large, privileged)
        observer.look([state("easy: the door on the left at 0")] * 2)
        assert (small.asked, large.asked) == asked
        assert observer.foresee([None]).shape == (1, 6 if privileged else 0)


def test_features_belong_to_the_state_that_they_were_made_of() -> None:
    observer = Observer(ConfidenceEncoder(), playthings.quick(), playthings.deepthink())
    states = [state("easy: left", cost=0.1), None, state("hard: left", cost=0.2)]
    observer.look(states)
    view = observer.layout.view(observer.observe(states))
    # QUICK is sure of 0.9 where it can read the text, else of 0.6.
    assert view.features[:, 0].tolist() == pytest.approx([0.9, 0.0, 0.6])
    assert view.cost.tolist() == pytest.approx([0.1, 0.0, 0.2])


# Privileged information.


def test_it_tells_whether_the_models_agree_who_acted_where_not_and_what_deepthink_sees() -> None:
    privileged = PrivilegedInfo(playthings.deepthink())
    states = np.array([1.0, 3.0, 5.0], np.float32)
    assert privileged.size == 6
    row = privileged.encode(reply("left"), reply("left", states), (0, 2))
    np.testing.assert_allclose(row, [1.0, 0.0, np.log(3), -1.2247, 0.0, 1.2247], atol=1e-4)
    row = privileged.encode(reply("right"), reply("left", states), (1, 0))
    np.testing.assert_allclose(row[:3], [0.0, np.log(2), 0.0])
    assert row.dtype == np.float32


def test_only_a_step_at_which_the_models_differ_is_counted() -> None:
    seen = replace(state("a"), differed=(3, 1))
    assert seen.differed_after(0) == seen.differed_after(1) == (3, 1)  # nobody was asked
    seen = replace(seen, quick=reply("left"))
    assert seen.differed_after(0) == (3, 1)
    seen = replace(seen, deepthink=reply("left"))
    assert seen.differed_after(0) == seen.differed_after(1) == (3, 1)
    seen = replace(seen, deepthink=reply("right"))
    assert (seen.differed_after(0), seen.differed_after(1)) == ((4, 1), (3, 2))


def test_a_deepthink_without_states_tells_nothing_that_it_sees() -> None:
    privileged = PrivilegedInfo(RandomModel(seed=0))
    assert privileged.size == 3
    assert privileged.encode(reply("left"), reply("left"), (0, 0)).tolist() == [1.0, 0.0, 0.0]
