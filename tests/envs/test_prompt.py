"""The text that a language model reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.envs.prompt import HISTORY, History, Prompt
from londi.envs.scienceworld.prompt import ScienceHistory

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


# ScienceWorld, as SwiftSage's models read it.

BOIL = (
    "Your task is to boil lead. For compounds without a boiling point, combusting the substance is"
    " also acceptable. First, focus on the substance. Then, take actions that will cause it to"
    " change its state of matter."
)
BATHROOM = (
    "This room is called the bathroom. In it, you see: \n\tthe agent\n\ta substance called air"
    "\n\ta glass cup (containing nothing)\nYou also see:\n\tA door to the kitchen (that is open)\n"
)
SEEN = (
    "This room is called the bathroom. In it, you see:  | the agent | a substance called air"
    " | a glass cup  | You also see: | A door to the kitchen  | "
)


def science(score: int = 0, look: str = BATHROOM, **more: Any) -> dict[str, Any]:
    inventory = "In your inventory, you see:\n\tan orange\n"
    return info(BOIL, actions=(), score=score, look=look, inventory=inventory) | more


def test_the_first_state_of_scienceworld_reads_as_published() -> None:
    assert ScienceHistory(BATHROOM, science()).prompt().text() == (
        f"{BOIL} </s> Time: 1; Score: 0; </s> Action history: </s>"
        f" <extra_id_10> look around (+0) --> N/A |  </s> Current environment: {SEEN} </s>"
        " Current inventory: In your inventory, you see: | an orange |  </s>"
        " Visited rooms: bathroom </s>  What action should you do next? </s> "
    )


def test_a_later_state_of_scienceworld_shows_what_came_of_the_last_ten_actions() -> None:
    history = ScienceHistory(BATHROOM, science())
    outside = "This outside location is called the outside. Here you see: \n\tthe agent\n"
    history.add("go to outside", "You move to the outside.", science(8, outside))
    text = history.prompt().text()
    assert "Time: 2; Score: 8; </s> Action history: </s> <extra_id_10> look around" in text
    assert " <extra_id_9> go to outside (+8) --> You move to the outside. | " in text
    assert "Visited rooms: bathroom, outside </s>" in text
    for k in range(9):
        history.add(f"wait{k}", "...", science(5, outside))
    text = history.prompt().text()
    assert "look around" not in text
    assert "</s> <extra_id_10> go to outside (+8)" in text
    assert "<extra_id_9> wait0 (+-3)" in text
    assert "<extra_id_1> wait8 (+0)" in text
    assert "<extra_id_0>" not in text
    short = history.prompt().recent(3).text()
    assert (
        "</s> <extra_id_10> wait7 (+0) --> ... |  <extra_id_9> wait8 (+0) --> ... |  </s>" in short
    )
    assert "Time: 11; Score: 5" in short
