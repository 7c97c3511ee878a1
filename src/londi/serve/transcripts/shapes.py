"""Messages of the other APIs in the shape of OpenAI's chat completions.

This file knows the shapes of responses and of Anthropic's messages, and passes over what it does
not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from londi.serve.apis import ANTHROPIC, RESPONSES
from londi.serve.transcripts.conversation import Json


def as_chat(api: str, messages: Iterable[object]) -> list[Json]:
    """The messages in the shape of chat completions.

    Args:
        api: path of the API that has them.
        messages: as they came.
    """
    found = [message for message in messages if isinstance(message, dict)]
    if api == RESPONSES.path:
        return _merged(map(_of_item, found))
    if api == ANTHROPIC.path:
        return [one for message in found for one in _of_anthropic(message)]
    return found


def _of_item(item: Json) -> Json:
    """One item of a response."""
    kind = item.get("type")
    if kind in ("function_call", "custom_tool_call"):
        given = item if kind == "function_call" else item | {"arguments": item.get("input")}
        return {"role": "assistant", "content": None, "tool_calls": [_call(given, "call_id")]}
    if isinstance(kind, str) and kind.endswith("_call_output"):
        return {
            "role": "tool",
            "tool_call_id": item.get("call_id"),
            "content": item.get("output"),
        }
    if kind == "reasoning":
        return {"role": "assistant", "content": None, "reasoning": item.get("summary")}
    if "role" not in item:  # a search, say, that the model's provider has made
        return {"role": "assistant", "content": None, "items": [item]}
    return {"role": item["role"], "content": _text(item.get("content"))}


def _merged(messages: Iterable[Json]) -> list[Json]:
    """The messages, where the items of one answer are one message."""
    found: list[Json] = []
    for message in messages:
        if found and message["role"] == found[-1]["role"] == "assistant":
            last = found[-1]
            told = {name: _joined(last.get(name), value) for name, value in message.items()}
            found[-1] = last | told | {"role": "assistant"}
        else:
            found.append(message)
    return found


def _joined(one: object, other: object) -> object:
    """Two members of one message: texts, or parts."""
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}\n{other}"
    return [*_listed(one), *_listed(other)]


def _listed(content: object) -> list[object]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else [content]


def _of_anthropic(message: Json) -> list[Json]:
    """A message of Anthropic's API: results of tools are messages of their own."""
    content = message.get("content")
    if not isinstance(content, list):
        return [{"role": message.get("role", "user"), "content": content}]
    results, calls, others = [], [], []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "tool_result":
            told = {"is_error": True} if block.get("is_error") else {}
            text = _text(block.get("content"))
            results.append(
                {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": text} | told
            )
        elif kind == "tool_use":
            calls.append(_call(block | {"arguments": json.dumps(block.get("input"))}, "id"))
        else:
            others.append(block)
    if not (others or calls):
        return results
    made: Json = {"role": message.get("role", "user"), "content": None}
    if others:
        made["content"] = _text(others)
    if calls:
        made["tool_calls"] = calls
    return [*results, made]


def _call(found: Json, identity: str) -> Json:
    function = {"name": found.get("name"), "arguments": found.get("arguments")}
    return {"id": found.get(identity), "type": "function", "function": function}


def _text(content: object) -> object:
    """The text of parts that are all texts; the parts where others stand among them."""
    if not isinstance(content, list):
        return content
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    told = [text for text in texts if isinstance(text, str)]
    return "\n".join(told) if len(told) == len(content) else content
