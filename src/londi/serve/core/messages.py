"""Conversations as the APIs of models send them, read as messages.

Three shapes are read: OpenAI's chat completions and responses, and Anthropic's messages. A request
goes to its model untouched; this file only reads what a Switcher sees of it, and passes over
anything of another shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from londi.envs.conversation import Message
from londi.models.usage import Body

_ROLES = {"developer": "system", "function": "tool"}
_TEXTS = ("text", "input_text", "output_text")  # in a set only what has a hash can be looked up


def read_chat(body: Body) -> list[Message]:
    """The messages of a chat completion (`/v1/chat/completions`)."""
    found = []
    for item in _objects(body.get("messages")):
        role = _role(item)
        if role == "tool":
            found.append(Message.of_tool(_text(item.get("content"))))
            continue
        calls = [call.get("function") for call in _objects(item.get("tool_calls"))]
        called = tuple(map(_call, _objects([*calls, item.get("function_call")])))
        found.append(Message(role, _text(item.get("content")), called))
    return found


def read_responses(body: Body) -> list[Message]:
    """The messages of a response (`/v1/responses`)."""
    found = []
    if instructions := _text(body.get("instructions")):
        found.append(Message("system", instructions))
    asked = body.get("input")
    if isinstance(asked, str):
        return [*found, Message("user", asked)]
    for item in _objects(asked):
        if item.get("type") == "function_call":
            found.append(Message("assistant", "", (_call(item),)))
        elif item.get("type") == "function_call_output":
            found.append(Message.of_tool(_text(item.get("output"))))
        elif "role" in item:
            found.append(Message(_role(item), _text(item.get("content"))))
    return found


def read_anthropic(body: Body) -> list[Message]:
    """The messages of Anthropic's API (`/v1/messages`)."""
    found = []
    if system := _text(body.get("system")):
        found.append(Message("system", system))
    for item in _objects(body.get("messages")):
        content, role = item.get("content"), _role(item)
        blocks = list(_objects(content))
        for block in blocks:
            if block.get("type") == "tool_result":
                failed = block.get("is_error")
                text = _text(block.get("content"))
                found.append(Message.of_tool(text, failed if isinstance(failed, bool) else None))
        used = [block for block in blocks if block.get("type") == "tool_use"]
        calls = tuple(f"{block.get('name')}({block.get('input')})" for block in used)
        text = _text(content)
        if text or calls or not blocks:
            found.append(Message(role, text, calls))
    return found


def _objects(value: object) -> Iterator[Body]:
    """The objects of a list; nothing of what is no list."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        yield from (item for item in value if isinstance(item, Mapping))


def _role(item: Body) -> Any:
    role = item.get("role")
    role = _ROLES.get(role, role) if isinstance(role, str) else role
    return role if role in ("system", "user", "assistant", "tool") else "user"


def _text(content: object) -> str:
    """The words of a content: a text, or a list of parts some of which are texts."""
    if isinstance(content, str):
        return content
    parts = (part.get("text") for part in _objects(content) if part.get("type") in _TEXTS)
    return "\n".join(part for part in parts if isinstance(part, str))


def _call(function: Body) -> str:
    return f"{function.get('name')}({function.get('arguments')})"
