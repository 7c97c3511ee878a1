"""A conversation as its turns: what was asked, and what a model answered.

Messages are in the shape of OpenAI's chat completions, with whatever else stood in them. This file
knows no format of a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
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


def calls_of(message: Json) -> list[Json]:
    """The calls of tools of a message; none where any of them is no object."""
    calls = message.get("tool_calls")
    if isinstance(calls, list) and all(isinstance(call, dict) for call in calls):
        return calls
    return []


BRANCHES = 16
"""Most ends of a session that a prompt may go on with."""


class History:
    """The prompts of a session so far, and what each further one adds to them.

    A prompt mostly goes on with the last one and its answer. It may also go on with an earlier one,
    repeat one, or have a history that an agent has shortened or rewritten.
    """

    def __init__(self) -> None:
        self._ends: list[tuple[list[Json], Turn]] = []

    def go_on(self, turn: Turn) -> None:
        """Leave of a turn's prompt, which `asked` holds, what no prompt before it had.

        An answer that nobody kept is taken from the prompt that goes on with it.
        """
        prompt, same = turn.asked, -1
        found = None
        for end in reversed(self._ends):
            if (length := _common(_with_answer(*end), prompt)) > same:
                found, same = end, length
        if found is not None:
            turn.asked, ended = _added(*found, prompt, same)
            if ended:
                self._ends = [end for end in self._ends if end is not found]
        self._ends = [*self._ends[1 - BRANCHES :], (prompt, turn)]


def _with_answer(prompt: list[Json], turn: Turn) -> list[Json]:
    return [*prompt, turn.answer] if turn.answer else prompt


def _common(known: list[Json], prompt: list[Json]) -> int:
    """The number of messages that two prompts have in common, from the first on."""
    pairs = enumerate(zip(known, prompt, strict=False))
    differ = (k for k, (one, other) in pairs if one is not other and one != other)
    return next(differ, min(len(known), len(prompt)))


def _added(
    before: list[Json], turn: Turn, prompt: list[Json], same: int
) -> tuple[list[Json], bool]:
    """What a prompt adds to the one before, and whether it goes on with the answer to that.

    Args:
        before: the prompt before.
        turn: its turn.
        prompt: the prompt.
        same: messages that both have in common; the answer counts as one.
    """
    new = prompt[same:]
    if same > len(before):
        return new, True
    if same < len(before):
        return _without_end(_with_answer(before, turn)[same:], new)
    if new and new[0].get("role") == "assistant":  # the answer, as it was sent back
        turn.answer = turn.answer or new[0]
        return new[1:], True
    return new, not turn.answer


def _without_end(known: list[Json], new: list[Json]) -> tuple[list[Json], bool]:
    """The new messages of a shortened history, which repeats the last ones of what is known.

    One message alone counts at the begin only: elsewhere it may say the same by chance.

    Returns:
        The messages, and whether any was repeated.
    """
    for end in range(len(new), 0, -1):
        pairs = zip(reversed(known), reversed(new[:end]), strict=False)
        length = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        if length == end or length > 1:
            return [*new[: end - length], *new[end:]], True
    return new, False
