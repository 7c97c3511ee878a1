"""Messages of the other APIs as chat completions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from json_values import json_values
from londi.serve.apis import APIS
from londi.serve.transcripts.shapes import as_chat


def test_items_of_a_response_are_messages() -> None:
    items = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "input_text", "text": "1 + 2?"}]},
        {"type": "reasoning", "summary": ["hm"]},
        {"type": "function_call", "call_id": "a", "name": "add", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "3"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "3"}]},
    ]
    function = {"name": "add", "arguments": "{}"}
    calls = [{"id": name, "type": "function", "function": function} for name in "ab"]
    assert as_chat("/responses", items) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": None, "reasoning": ["hm"], "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "3"},
        {"role": "assistant", "content": "3"},
    ]


def test_items_without_a_role_are_of_the_assistant() -> None:
    search = {"type": "web_search_call", "id": "w", "action": {"query": "x"}}
    items = [
        {"role": "user", "content": "x?"},
        search,
        {"type": "custom_tool_call", "call_id": "a", "name": "run", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "."},
        {"role": "assistant", "content": "so"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "it is"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]
    call = {"id": "a", "type": "function", "function": {"name": "run", "arguments": "ls"}}
    assert as_chat("/responses", items) == [
        {"role": "user", "content": "x?"},
        {"role": "assistant", "content": None, "items": [search], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "."},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "so\nit is"},
                {"type": "refusal", "refusal": "no"},
            ],
        },
    ]


def test_blocks_of_anthropic_are_messages() -> None:
    used = {"type": "tool_use", "id": "a", "name": "add", "input": {"x": 1}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "no", "is_error": True}
    text = {"type": "text", "text": "so?"}
    messages = [
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": [{"type": "text", "text": "hm"}, used]},
        {"role": "user", "content": [result, text]},
    ]
    call = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}}
    assert as_chat("/messages", messages) == [
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "no", "is_error": True},
        {"role": "user", "content": "so?"},
    ]


_KEYS = ("role", "type", "content", "text", "tool_calls", "input", "call_id", "function_call", "id")
_TYPES = st.sampled_from(("text", "tool_use", "tool_result", "function_call", "reasoning"))


@pytest.mark.parametrize("api", [api.path for api in APIS])
@given(messages=st.lists(json_values(st.integers() | _TYPES, _KEYS, 8), max_size=4))
def test_any_messages_are_read(api: str, messages: list[Any]) -> None:
    for message in as_chat(api, messages):
        assert isinstance(message, dict)
