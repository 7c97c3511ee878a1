"""Requests of three APIs read as messages; anything else is passed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from json_values import json_values
from londi.envs.conversation import Message
from londi.serve.core.messages import read_anthropic, read_chat, read_responses

ASKED = Message("user", "weather in Rome?")
CALLED = Message("assistant", "", ('weather({"city": "Rome"})',))
FAILED = Message("tool", "Error: offline", failed=True)
ANSWERED = Message("assistant", "I do not know.")

CHAT = {
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "weather in Rome?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "Error: offline"},
        {"role": "assistant", "content": "I do not know."},
    ]
}
RESPONSES = {
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "weather in Rome?"}]},
        {"type": "function_call", "name": "weather", "arguments": '{"city": "Rome"}'},
        {"type": "function_call_output", "output": "Error: offline"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I do not know."}],
        },
    ],
}


@pytest.mark.parametrize(("read", "body"), [(read_chat, CHAT), (read_responses, RESPONSES)])
def test_openais_requests_are_read(
    read: Callable[[dict[str, Any]], list[Message]], body: dict[str, Any]
) -> None:
    assert read(body) == [Message("system", "Be brief."), ASKED, CALLED, FAILED, ANSWERED]


def test_a_plain_input_is_what_a_user_says() -> None:
    assert read_responses({"input": "weather in Rome?"}) == [ASKED]


def test_an_older_function_call_is_read() -> None:
    message = {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
    assert read_chat({"messages": [message, {"role": "function", "content": "3"}]}) == [
        Message("assistant", "", ("f({})",)),
        Message("tool", "3"),
    ]


def test_anthropics_requests_are_read() -> None:
    body = {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "weather in Rome?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "1", "name": "weather", "input": {"city": "Rome"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "1",
                        "is_error": True,
                        "content": [{"type": "text", "text": "offline"}],
                    },
                    {"type": "tool_result", "tool_use_id": "2", "content": "Error, so they say"},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "3", "content": "sunny"},
                    {"type": "text", "text": "and in Milan?"},
                ],
            },
        ],
    }
    assert read_anthropic(body) == [
        Message("system", "Be brief."),
        ASKED,
        Message("assistant", "I look.", ("weather({'city': 'Rome'})",)),
        Message("tool", "offline", failed=True),
        Message("tool", "Error, so they say", failed=True),
        Message("tool", "sunny"),
        Message("user", "and in Milan?"),
    ]


JSON = json_values(
    st.floats(), ("role", "content", "type", "text", "tool_calls", "function", "name"), 12
)


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(st.sampled_from(("messages", "input", "system", "instructions")), JSON),
    st.sampled_from((read_chat, read_responses, read_anthropic)),
)
def test_any_json_is_read(body: dict[str, Any], read: Callable[[Any], list[Message]]) -> None:
    assert all(isinstance(message.text, str) for message in read(body))


@pytest.mark.parametrize(
    ("read", "name"),
    [(read_chat, "messages"), (read_responses, "input"), (read_anthropic, "messages")],
)
def test_a_type_that_is_no_text_is_passed_over(
    read: Callable[[Any], list[Message]], name: str
) -> None:
    content = [{"type": [{}], "text": "x"}, {"type": "text", "text": "y"}]
    assert read({name: [{"role": "user", "content": content}]}) == [Message("user", "y")]
