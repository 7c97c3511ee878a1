"""A conversation as its turns: what was asked, and what a model answered.

Messages are in the shape of OpenAI's chat completions, with whatever else stood in them. This file
knows no format of a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from londi.types import Usage

Json = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """One answer of a model: a step of the conversation.

    Attributes:
        asked: messages since the answer before.
        answer: the answer; None where nobody kept it, or none came.
        model: name of the model that answered; empty where nobody knows it.
        time: when it was asked, in seconds since 1970.
        seconds: from the request to the end of the answer.
        usage: tokens of the prompt and the answer.
        decided: what was decided, by the names of the traces' columns.
    """

    asked: list[Json]
    answer: Json | None = None
    model: str = ""
    time: float | None = None
    seconds: float | None = None
    usage: Usage | None = None
    decided: Json = field(default_factory=dict)


@dataclass(slots=True)
class Conversation:
    """One session.

    Attributes:
        session: its name.
        turns: its steps, in order.
        rest: messages behind the last answer.
        values: feedback by step; None for that of the whole session.
        metadata: what else is known of it.
    """

    session: str
    turns: list[Turn]
    rest: list[Json] = field(default_factory=list)
    values: dict[int | None, float] = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)

    @property
    def messages(self) -> list[Json]:
        """All messages, from the first on."""
        found: list[Json] = []
        for turn in self.turns:
            found += [*turn.asked, *([turn.answer] if turn.answer else [])]
        return found + self.rest


def split(messages: Iterable[Json]) -> tuple[list[Turn], list[Json]]:
    """The turns of a list of messages, and what stands behind the last answer."""
    turns: list[Turn] = []
    asked: list[Json] = []
    for message in messages:
        if message.get("role") == "assistant":
            turns.append(Turn(asked, message))
            asked = []
        else:
            asked.append(message)
    return turns, asked
