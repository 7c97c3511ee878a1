"""Requests like those of an agent: conversations of several turns with tools, 2 to 5 kB each.

This file knows the JSON of a chat completion. It does not know when a request is sent.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

MARK = "the tests pass"
"""Words of each answer of the mock upstream, by which an answer is known to be whole."""

TURNS = 6
"""Requests of a conversation; each repeats what came before it."""
TOGETHER = 16
"""Conversations that take turns."""

_PROSE = """
the test of this module fails since the parser reads one line too many and returns an empty list
where a caller expects at least one entry so look for the loop that ends early and change its bound
then run all tests again and report which of them still fail
"""
_WORDS = _PROSE.split()

_SYSTEM = (
    "You are an agent that repairs programs. Work in small steps. Read a file before you change it,"
    " run the tests after each change, and say what you have done in one sentence. Never change a"
    " test. Ask the user where the task is not clear. When all tests pass, say so and stop."
)


def _tool(name: str, meaning: str, **arguments: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "description": said} for key, said in arguments.items()}
    parameters = {"type": "object", "properties": properties, "required": list(arguments)}
    function = {"name": name, "description": meaning, "parameters": parameters}
    return {"type": "function", "function": function}


_TOOLS = [
    _tool("read_file", "The text of a file.", path="Path of the file, from the project's root."),
    _tool(
        "replace",
        "Replace a piece of a file that occurs in it exactly once.",
        path="Path of the file, from the project's root.",
        old="The piece, with enough lines around it to be unique.",
        new="What is to stand there.",
    ),
    _tool("run_tests", "Run the tests and return what failed.", pattern="Which tests to run."),
    _tool("search", "Lines of all files that hold a text.", text="The text, taken literally."),
]


def requests(seed: int, stream: bool) -> Iterator[bytes]:
    """Bodies of requests without end; conversations of different seeds are different."""
    rng = random.Random(seed)
    begun = 0
    while True:
        talks = [_conversation(f"{seed}-{begun + k}", rng) for k in range(TOGETHER)]
        begun += TOGETHER
        for turn in range(TURNS):
            for talk in talks:
                yield _body(talk[: 2 + 2 * turn], stream)


def _conversation(name: str, rng: random.Random) -> list[dict[str, Any]]:
    """A system prompt and a task, then pairs of what the model said and what came of it."""

    def words(count: int) -> str:
        return " ".join(rng.choices(_WORDS, k=count))

    messages: list[dict[str, Any]] = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": f"Task {name}: {words(60)}"},
    ]
    for turn in range(1, TURNS):
        if turn % 2:
            called = {"name": "read_file", "arguments": json.dumps({"path": f"{words(1)}.py"})}
            call = {"id": f"call_{turn}", "type": "function", "function": called}
            messages += [
                {"role": "assistant", "content": words(10), "tool_calls": [call]},
                {"role": "tool", "tool_call_id": f"call_{turn}", "content": words(100)},
            ]
        else:
            messages += [
                {"role": "assistant", "content": words(40)},
                {"role": "user", "content": words(40)},
            ]
    return messages


def _body(messages: list[dict[str, Any]], stream: bool) -> bytes:
    body: dict[str, Any] = {"model": "londi", "messages": messages, "tools": _TOOLS}
    body |= {"max_tokens": 512, "temperature": 0.2}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()
