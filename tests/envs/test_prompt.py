"""The text that a language model reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.envs.prompt import HISTORY, Chunk, History, Prompt

ACTIONS = ("turn left", "turn right")
WORDS = st.text("abc ", min_size=1, max_size=8)
EPISODES = st.lists(st.tuples(WORDS, WORDS), max_size=8)


def info(goal: str = "g", **more: Any) -> dict[str, Any]:
    return {"goal": goal, "actions": ACTIONS} | more


def filled(length: int, steps: list[tuple[str, str]]) -> Prompt:
    class Bounded(History):
        pass

    Bounded.length = length
    history = Bounded("first", info("go to the red ball"))
    for action, observation in steps:
        history.add(action, observation, info("go to the red ball"))
    return history.prompt()


def test_one_observation_reads_as_published() -> None:
    seen = "You see a wall 2 steps forward, You see a red ball 1 step left"
    assert Prompt("go to the red ball", ACTIONS, (seen,)).text() == (
        "Possible action of the agent: turn left, turn right"
        " \n Goal of the agent: go to the red ball"
        " \n Observation 0: You see a wall 2 steps forward, You see a red ball 1 step left,"
        " \n Action 0: "
    )


def test_three_observations_read_as_published() -> None:
    prompt = Prompt("open the door", ACTIONS, ("A, B", "C", "D"), ("turn left", "turn right"))
    assert prompt.text() == (
        "Possible action of the agent: turn left, turn right"
        " \n Goal of the agent: open the door"
        " \n Observation 0: A, B, \n Action 0: turn left"
        " \n Observation 1: C, \n Action 1: turn right"
        " \n Observation 2: D, \n Action 2: "
    )


def test_the_prompt_names_no_actions_where_any_text_is_one() -> None:
    assert Prompt("g", (), ("o",)).text() == (
        " \n Goal of the agent: g \n Observation 0: o, \n Action 0: "
    )


def test_the_experts_advice_is_not_in_the_text() -> None:
    assert Prompt("g", ACTIONS, ("o",), expert="drop").text() == Prompt("g", ACTIONS, ("o",)).text()


def test_recent_keeps_the_end() -> None:
    prompt = Prompt("g", ACTIONS, ("A", "B", "C"), ("x", "y"), "z")
    assert prompt.recent(2) == Prompt("g", ACTIONS, ("B", "C"), ("y",), "z")
    assert prompt.recent(1) == Prompt("g", ACTIONS, ("C",), (), "z")
    assert prompt.recent(3) == prompt.recent(9) == prompt


def test_history_keeps_three_observations_unless_told() -> None:
    assert HISTORY == 3
    history = History("A", info())
    for k, observation in enumerate("BCDE"):
        history.add(str(k), observation, info(expert="drop"))
    prompt = history.prompt()
    assert prompt == Prompt("g", ACTIONS, ("C", "D", "E"), ("2", "3"), "drop")


def test_a_prompt_does_not_change_with_the_history_it_came_from() -> None:
    history = History("A", info())
    before = history.prompt()
    history.add("turn left", "B", info())
    assert before == Prompt("g", ACTIONS, ("A",))


@given(length=st.integers(1, 5), steps=EPISODES)
def test_never_more_than_length_and_one_action_fewer(
    length: int, steps: list[tuple[str, str]]
) -> None:
    prompt = filled(length, steps)
    assert len(prompt.observations) == min(length, len(steps) + 1)
    assert len(prompt.past) == len(prompt.observations) - 1
    assert prompt.observations[-1] == (steps[-1][1] if steps else "first")


@given(length=st.integers(1, 5), cut=st.integers(1, 5), steps=EPISODES)
def test_cutting_later_is_keeping_less(length: int, cut: int, steps: list[tuple[str, str]]) -> None:
    assert filled(length, steps).recent(cut) == filled(min(length, cut), steps)


@given(steps=EPISODES)
def test_the_text_ends_where_the_next_action_belongs(steps: list[tuple[str, str]]) -> None:
    prompt = filled(3, steps)
    assert prompt.text().endswith(f", \n Action {len(prompt.observations) - 1}: ")
    assert prompt.text().count(" \n Observation ") == len(prompt.observations)


@pytest.mark.parametrize("length", [1, 2])
def test_short_histories_work(length: int) -> None:
    prompt = filled(length, [("x", "B"), ("y", "C")])
    assert prompt.observations == ("B", "C")[-length:]
    assert prompt.past == ("y",)[: length - 1]


BOUNDS = st.sampled_from([("\n",), (". ", "! ", "? ", "\n"), ()])


@given(st.text("ab.! \n", max_size=40), BOUNDS, st.integers(1, 5))
def test_a_chunk_is_the_beginning_of_a_text_up_to_its_first_stop(
    text: str, stops: tuple[str, ...], tokens: int
) -> None:
    chunk = Chunk(stops, tokens)
    cut = chunk.cut(text)
    assert text.startswith(cut) and chunk.cut(cut) == cut
    assert len(cut.split()) <= tokens
    # A stop is its end, line breaks apart, so that none is left inside.
    assert not any(stop in cut.rstrip("\n")[:-2] for stop in stops)
    if cut != text:
        assert chunk.goes_on(cut) or len(cut.split()) == tokens
    assert chunk.goes_on(cut) == (any(stop in cut for stop in stops) if stops else cut != "")


@given(st.text("ab.! \n", max_size=40), BOUNDS, st.integers(1, 5))
def test_chunks_make_up_their_text_again(text: str, stops: tuple[str, ...], tokens: int) -> None:
    chunk, made = Chunk(stops, tokens), ""
    while made != text and (part := chunk.cut(text[len(made) :])):
        made += part
    assert made == text
