"""Messages as a text state: what the state shows, and the facts beside it."""

from __future__ import annotations

from math import inf

import pytest

from londi.envs.conversation import ConversationPrompt, Message

ASKED = Message("user", "Book a flight to Rome.")
SEARCH = Message("assistant", "I look.", ("search(rome)",))
FOUND = Message.of_tool("3 flights")
BROKEN = Message.of_tool("Error: no connection")


def test_no_message_is_a_state_as_well() -> None:
    state = ConversationPrompt.of([])
    assert (state.goal, state.observations, state.past) == ("", ("",), ())
    assert (state.turns, state.characters, state.repeats, state.idle) == (0, 0, 0, (inf, inf))


def test_what_came_to_the_model_is_between_its_answers() -> None:
    state = ConversationPrompt.of([Message("system", "Be kind."), ASKED, SEARCH, FOUND, BROKEN])
    assert state.goal == "Book a flight to Rome."
    assert state.observations == ("Book a flight to Rome.", "3 flights\nError: no connection")
    assert state.past == ("I look. search(rome)",)
    assert (state.role, state.turns, state.failures, state.failed) == ("tool", 1, 1, True)
    assert state.characters == sum(map(len, ("Be kind.", ASKED.text, "I look.", FOUND.text))) + 20


def test_only_the_last_turns_are_kept() -> None:
    state = ConversationPrompt.of([ASKED, *[SEARCH, FOUND] * 9])
    assert len(state.observations) == 3 and len(state.past) == 2
    assert state.goal == ASKED.text and state.turns == 9


def test_a_call_is_a_repeat_where_its_arguments_are_the_same() -> None:
    other = Message("assistant", "", ("search(milan)",))
    words = Message("assistant", "Sorry.")
    assert ConversationPrompt.of([ASKED, SEARCH, FOUND]).repeats == 0
    assert ConversationPrompt.of([ASKED, SEARCH, FOUND, other, FOUND]).repeats == 0
    assert ConversationPrompt.of([ASKED, SEARCH, FOUND, other, FOUND, SEARCH, words]).repeats == 1


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("Error: no such order", True),
        (" Traceback (most recent call last):", True),
        ('{"error": "not found"}', True),
        ("Failed to connect", True),
        ("failsafe mode is on", False),
        ("no error", False),
        ('{"orders": [], "error": null}', False),
        ("", False),
    ],
)
def test_a_failure_is_seen_by_its_first_words(text: str, failed: bool) -> None:
    assert Message.of_tool(text).failed is failed


def test_what_an_api_says_of_a_failure_counts() -> None:
    assert Message.of_tool("all well", failed=True).failed
    assert not Message.of_tool("Error", failed=False).failed
