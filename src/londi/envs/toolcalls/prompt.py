"""The prompt of a conversation with tools: the functions at hand, and all that was said and called.

This file knows texts. It does not know the tools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from londi.envs.prompt import History, Prompt
from londi.envs.toolcalls.tasks import Function

Docs = Literal["signatures", "sentences", "full"]
"""How much of a function's documentation a prompt shows."""

USER, RESULT = "User: ", "Result: "
"""How an observation begins: with the user's message or the result of a call."""

_TASK = (
    "Fulfil each request by calling functions, one at a time, such as name(argument='value')."
    " Answer in words once a request is fulfilled, or where it cannot be."
)
_TYPES = {"string": "str", "integer": "int", "boolean": "bool", "array": "list"}


@dataclass(frozen=True, slots=True)
class ToolPrompt(Prompt):
    """A state of the conversation; `goal` is the user's last message.

    Attributes:
        functions: the functions at hand, one a line.
    """

    functions: str = ""

    def text(self) -> str:
        """The functions, the conversation, and the place of the next call or message."""
        lines = [_TASK, "", self.functions, ""]
        if USER + self.goal not in self.observations:  # too long ago to be among them
            lines += [USER + self.goal, "..."]
        for i, observation in enumerate(self.observations):
            lines.append(observation)
            lines.append(f"Agent: {self.past[i]}" if i < len(self.past) else "Agent:")
        return "\n".join(lines)


class ToolHistory(History):
    """Keeps the whole conversation."""

    length = 1_000
    reads = ("functions",)

    def prompt(self) -> ToolPrompt:
        plain = super().prompt()
        parts = plain.goal, plain.actions, plain.observations, plain.past, plain.expert
        return ToolPrompt(*parts, functions=self._info["functions"])


def described(functions: Sequence[Function], docs: Docs) -> str:
    """The documentation of functions, one a line."""
    return "\n".join(_line(function.entry, docs) for function in functions)


def _line(entry: Mapping[str, Any], docs: Docs) -> str:
    if docs == "full":  # as bfcl_eval shows it
        return json.dumps(entry)
    required = entry["parameters"].get("required", ())
    taken = ", ".join(
        _parameter(name, about, name in required)
        for name, about in entry["parameters"]["properties"].items()
    )
    signature = f"{entry['name']}({taken})"
    if docs == "signatures":
        return signature
    sentence = entry["description"].rpartition("Tool description: ")[2].partition(". ")[0]
    return f"{signature}: {sentence.strip().removesuffix('.')}."


def _parameter(name: str, about: Mapping[str, Any], required: bool) -> str:
    kind = _TYPES.get(about["type"], about["type"])
    if required:
        return f"{name}: {kind}"
    return f"{name}: {kind} = {about.get('default')!r}"
