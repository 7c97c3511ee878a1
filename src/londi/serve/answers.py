"""Answers of the APIs, read while they pass: their usage, and the message itself.

An answer is one JSON object, or a stream of server-sent events that is put together here. Anything
of another shape is passed over, since an answer goes to its client whatever it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from londi.models.usage import Body, member
from londi.serve.apis import ANTHROPIC, CHAT, RESPONSES, Api
from londi.types import Usage

State = dict[str, Any]

_LAST = (
    b'"message_stop"',
    b'"response.completed"',
    b'"response.incomplete"',
    b'"response.failed"',
)
"""Types of the last event of a stream; in a text their quotes would be escaped."""


class AnswerReader:
    """Reads an answer while it passes.

    Args:
        api: of the answer.
        streams: whether it is a stream of server-sent events.
        keep: read the message as well, and not only the usage.
    """

    def __init__(self, api: Api, streams: bool, keep: bool = False) -> None:
        self._api, self._streams, self._keep = api, streams, keep
        self._rest = bytearray()
        self._usage = Usage()
        self._ended = False
        self._state: State = {}
        self._whole: Body = {}

    def feed(self, part: bytes) -> None:
        """Take the next bytes of the answer."""
        self._rest += part
        if self._streams and b"\n" in part:
            *lines, rest = self._rest.split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                self._line(bytes(line))

    def end(self) -> None:
        """Take the end of the answer."""
        if self._streams:
            self._line(bytes(self._rest))
        elif found := _object(bytes(self._rest)):
            self._usage = self._api.used(self._usage, found)
            self._whole = found
        self._rest.clear()
        self._ended = True

    @property
    def usage(self) -> Usage | None:
        """The usage; None where the answer did not say, or has not come to its end.

        What it says before its end is no more than the beginning has taken.
        """
        return self._usage if self._ended and self._usage.tokens else None

    @property
    def message(self) -> object:
        """The message as JSON, in the shape of the API; None where there is none."""
        if not self._keep:
            return None
        shape = _SHAPES[self._api]
        return shape.folded(self._state) if self._streams else shape.whole(self._whole)

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        data = line.removeprefix(b"data:").strip()
        self._ended |= data == b"[DONE]" or any(last in data for last in _LAST)
        if (self._keep or b'"usage"' in data) and (found := _object(data)):
            self._usage = self._api.used(self._usage, found)
            if self._keep:
                _SHAPES[self._api].fold(self._state, found)


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the answers of an API are put together.

    Attributes:
        fold: takes one event of a stream into the state.
        folded: the message of a state.
        whole: the message of an answer in one piece.
    """

    fold: Callable[[State, Body], None]
    folded: Callable[[State], object]
    whole: Callable[[Body], object]


def _fold_chat(state: State, event: Body) -> None:
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        # Of several answers to a request the first is read.
        if isinstance(choice, Mapping) and choice.get("index") in (0, None):
            _fold_delta(state, member(choice, "delta"))


def _fold_delta(state: State, delta: Body) -> None:
    if not delta:
        return
    message = state.setdefault("message", {"role": "assistant", "content": None})
    calls = state.setdefault("calls", {})
    for name, value in delta.items():
        if name == "tool_calls":
            for call in value if isinstance(value, list) else ():
                if isinstance(call, Mapping):
                    _fold_call(calls.setdefault(str(call.get("index")), {}), call)
        elif isinstance(value, str) and isinstance(message.get(name), str) and name != "role":
            message[name] += value
        elif value is not None:
            message[name] = value


def _fold_call(made: State, call: Body) -> None:
    """One part of a call of a tool: its arguments come in pieces, all else at once."""
    told = {name: value for name, value in call.items() if name not in ("index", "function")}
    made.update({name: value for name, value in told.items() if value is not None})
    function = made.setdefault("function", {"name": "", "arguments": ""})
    for name in function:
        said = member(call, "function").get(name)
        function[name] += said if isinstance(said, str) else ""


def _folded_chat(state: State) -> object:
    calls = list(state.get("calls", {}).values())
    if not calls:
        return state.get("message")
    return state["message"] | {"tool_calls": calls}


def _whole_chat(answer: Body) -> object:
    return member(_first(answer.get("choices")), "message") or None


def _fold_response(state: State, event: Body) -> None:
    if event.get("type") in ("response.completed", "response.incomplete"):
        state.update(member(event, "response"))


def _response_message(answer: Body) -> object:
    return answer.get("output") or None


def _fold_anthropic(blocks: State, event: Body) -> None:
    place = str(event.get("index"))
    if event.get("type") == "content_block_start":
        blocks[place] = dict(member(event, "content_block"))
    block, delta = blocks.get(place), member(event, "delta")
    if block is not None and event.get("type") == "content_block_delta":
        for name in ("text", "thinking", "signature", "partial_json"):
            if isinstance(said := delta.get(name), str):
                before = block.get(name)
                block[name] = (before if isinstance(before, str) else "") + said


def _folded_anthropic(blocks: State) -> object:
    return _whole_anthropic({"content": [_block(block) for block in blocks.values()]})


def _whole_anthropic(answer: Body) -> object:
    content = answer.get("content")
    return {"role": "assistant", "content": content} if content else None


def _block(block: State) -> State:
    """A block of a stream as it stands in an answer of one piece."""
    made = {name: value for name, value in block.items() if name != "partial_json"}
    if isinstance(text := block.get("partial_json"), str) and text:
        made["input"] = _object(text) or text
    return made


def _first(values: object) -> Body:
    """The first object of a list; an empty one where there is none."""
    found = values[0] if isinstance(values, list) and values else {}
    return found if isinstance(found, Mapping) else {}


def _object(text: bytes | str) -> State:
    """The JSON object that a text is; an empty one where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


_SHAPES = {
    CHAT: _Shape(_fold_chat, _folded_chat, _whole_chat),
    RESPONSES: _Shape(_fold_response, _response_message, _response_message),
    ANTHROPIC: _Shape(_fold_anthropic, _folded_anthropic, _whole_anthropic),
}
