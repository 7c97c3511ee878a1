"""Answers are read while they pass, whole or in pieces of any size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from json_values import json_values
from londi.serve.answers import AnswerReader
from londi.serve.apis import ANTHROPIC, APIS, CHAT, RESPONSES, Api


def stream(events: Sequence[Any]) -> bytes:
    return b"".join(b"event: x\ndata: " + json.dumps(event).encode() + b"\n\n" for event in events)


def reader_of(api: Api, content: bytes, streams: bool, size: int) -> AnswerReader:
    reader = AnswerReader(api, streams, keep=True)
    for k in range(0, len(content), size):
        reader.feed(content[k : k + size])
    reader.end()
    return reader


def chunk(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def call(index: int, name: str | None, arguments: str, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": index, "function": function, **more}


CHAT_EVENTS = [
    chunk(role="assistant", content=""),
    chunk(content="Let me "),
    chunk(content="add."),
    chunk(tool_calls=[call(0, "add", "", id="a", type="function")]),
    chunk(tool_calls=[call(0, None, '{"x"'), call(1, "add", "{", id="b", type="function")]),
    chunk(tool_calls=[call(0, None, ": 1}"), call(1, None, "}")]),
    {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
]
CHAT_CALLS = [
    {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}},
    {"id": "b", "type": "function", "function": {"name": "add", "arguments": "{}"}},
]
CHAT_MESSAGE = {"role": "assistant", "content": "Let me add.", "tool_calls": CHAT_CALLS}

OUTPUT = [{"type": "function_call", "call_id": "a", "name": "add", "arguments": "{}"}]
RESPONSE = {"output": OUTPUT, "usage": {"input_tokens": 10, "output_tokens": 5}}
RESPONSE_EVENTS = [
    {"type": "response.created", "response": {"output": []}},
    {"type": "response.output_text.delta", "delta": "x"},
    {"type": "response.completed", "response": RESPONSE},
]

USED = {"input_tokens": 10, "output_tokens": 1}
ANTHROPIC_EVENTS = [
    {"type": "message_start", "message": {"content": [], "usage": USED}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "me"}},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "a", "name": "add", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": "input_json_delta", "partial_json": '{"x": '},
    },
    {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": "input_json_delta", "partial_json": "1}"},
    },
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}},
]
BLOCKS = [
    {"type": "text", "text": "Let me"},
    {"type": "tool_use", "id": "a", "name": "add", "input": {"x": 1}},
]

STREAMS = [
    (CHAT, CHAT_EVENTS, CHAT_MESSAGE),
    (RESPONSES, RESPONSE_EVENTS, OUTPUT),
    (ANTHROPIC, ANTHROPIC_EVENTS, {"role": "assistant", "content": BLOCKS}),
]
WHOLE = [
    (
        CHAT,
        {"choices": [{"message": CHAT_MESSAGE}], "usage": CHAT_EVENTS[-1]["usage"]},
        CHAT_MESSAGE,
    ),
    (RESPONSES, RESPONSE, OUTPUT),
    (
        ANTHROPIC,
        {"content": BLOCKS, "usage": {"input_tokens": 10, "output_tokens": 5}},
        {"role": "assistant", "content": BLOCKS},
    ),
]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(("api", "events", "message"), STREAMS)
def test_a_stream_is_put_together(api: Api, events: list[Any], message: Any, size: int) -> None:
    reader = reader_of(api, stream(events), True, size)
    assert reader.message == message
    assert reader.usage and (reader.usage.tokens, reader.usage.output_tokens) == (10, 5)


def test_of_several_answers_in_a_stream_the_first_is_read() -> None:
    def of(index: int, **delta: Any) -> dict[str, Any]:
        return {"index": index, "delta": delta}

    events = [
        {"choices": [of(1, role="assistant", content="You "), of(0, content="I ")]},
        {"choices": [of(1, tool_calls=[call(0, "add", "{}", id="b")])]},
        {"choices": [of(0, content="am."), of(1, content="are.")]},
    ]
    reader = reader_of(CHAT, stream(events), True, 50)
    assert reader.message == {"role": "assistant", "content": "I am."}


@pytest.mark.parametrize(("api", "body", "message"), WHOLE)
def test_an_answer_in_one_piece_is_read(api: Api, body: Any, message: Any) -> None:
    reader = reader_of(api, json.dumps(body).encode(), False, 50)
    assert reader.message == message
    assert reader.usage and (reader.usage.tokens, reader.usage.output_tokens) == (10, 5)


@pytest.mark.parametrize(("api", "events", "message"), STREAMS)
def test_texts_are_not_kept_unasked(api: Api, events: list[Any], message: Any) -> None:
    del message
    reader = AnswerReader(api, True)
    reader.feed(stream(events))
    reader.end()
    assert reader.message is None and reader.usage is not None


_KEYS = ("choices", "delta", "tool_calls", "index", "content", "message", "type", "response")
_MORE = ("content_block", "text", "partial_json", "function", "arguments", "usage", "output")
_INNER = ("blocks", "calls", "type", "name", "id", "choices")
_TYPES = st.sampled_from(("content_block_start", "content_block_delta", "response.completed"))


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.path)
@given(
    events=st.lists(json_values(st.integers() | _TYPES, _KEYS + _MORE + _INNER, 10), max_size=4),
    streams=st.booleans(),
)
@example(events=[{"blocks": []}], streams=False)
@example(events=[{"blocks": [1], "calls": [1], "message": 1, "choices": 1}], streams=False)
@example(
    events=[{"type": "content_block_start", "content_block": {"partial_json": [1]}}], streams=True
)
@example(events=[{"type": "response.completed", "response": {"blocks": 1}}], streams=True)
@example(events=[chunk(tool_calls=[call(0, "f", "")], content="a")] * 2, streams=True)
def test_any_answer_is_read(api: Api, events: list[Any], streams: bool) -> None:
    content = stream(events) if streams else json.dumps(events[0] if events else "").encode()
    json.dumps(reader_of(api, content, streams, 1000).message)
