"""Players without weights: what they choose, and what they say of it."""

from __future__ import annotations

from collections import Counter
from math import log

import pytest

from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.models.scripted import ExpertModel, RandomModel
from londi.types import Reply, Usage

THREE = Prompt("go", ("left", "right", "on"), ("a wall",))
TWO = Prompt("go", ("push", "pull"), ("a door",))
FREE = Prompt("go", (), ("a door",))
"""A state in which any text is an action."""


def test_every_action_is_drawn_equally_often() -> None:
    drawn = Counter(reply.action for reply in RandomModel(0).act([THREE] * 3000))
    # A thousand each; 26 is the standard deviation of a count.
    assert drawn.keys() == {"left", "right", "on"}
    assert all(abs(count - 1000) < 4 * 26 for count in drawn.values())


def test_an_action_is_drawn_from_those_of_its_own_prompt() -> None:
    replies = RandomModel(0).act([THREE, TWO] * 20)
    for three, two in zip(replies[::2], replies[1::2], strict=True):
        assert three.action in THREE.actions and two.action in TWO.actions
        assert (three.logprob, three.confidence) == (-log(3), 1 / 3)
        assert (two.logprob, two.confidence) == (-log(2), 0.5)


def test_the_draws_are_those_of_the_seed() -> None:
    one, again, other = (RandomModel(seed).act([THREE] * 40) for seed in (5, 5, 6))
    assert one == again != other


def test_a_restored_generator_draws_the_same_again() -> None:
    model = RandomModel(5)
    model.act([THREE] * 7)
    state = model.state()
    first = model.act([THREE] * 40)
    assert model.state() != state, "what was saved stays as it was"
    other = RandomModel(6)
    other.load_state(state)
    assert other.act([THREE] * 40) == first


def test_without_a_state_nothing_is_restored() -> None:
    model = RandomModel(5)
    model.load_state(None)
    assert model.act([THREE] * 40) == RandomModel(5).act([THREE] * 40)


def test_without_actions_there_is_nothing_to_draw_from() -> None:
    with pytest.raises(ModelError, match="'random' needs a list of possible actions"):
        RandomModel().act([THREE, FREE])


def test_the_expert_does_what_it_is_advised() -> None:
    advised = Prompt(TWO.goal, TWO.actions, TWO.observations, expert="pull")
    anything = Prompt(FREE.goal, FREE.actions, FREE.observations, expert="open the door")
    replies = ExpertModel().act([advised, anything])
    assert [reply.action for reply in replies] == ["pull", "open the door"]


def test_without_advice_the_expert_takes_the_first_action() -> None:
    assert [reply.action for reply in ExpertModel().act([TWO, THREE, FREE])] == ["push", "left", ""]


def test_the_expert_is_sure_of_itself() -> None:
    assert ExpertModel().act([THREE]) == [Reply("left", 0.0, 1.0, Usage(1))]


def test_an_answer_counts_as_one_call_that_took_nothing() -> None:
    for model in (RandomModel(), ExpertModel()):
        assert [reply.usage for reply in model.act([THREE, TWO])] == [Usage(calls=1)] * 2


def test_neither_is_a_function_of_the_text_alone() -> None:
    """So that no answer of theirs is kept: the expert's advice is no part of the text."""
    assert RandomModel().fingerprint is None and ExpertModel().fingerprint is None
