"""A conversation of chat messages as a text state, and what it does not show in words.

The state of an agent that a person or a program talks to: what was said last, how it began, whether
tools failed, and which model answered when. This file knows messages. It knows no API and no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Self

from londi.envs.prompt import HISTORY, Prompt

Role = Literal["system", "user", "assistant", "tool"]

_FAILURE = re.compile(
    r"""\s* (?: error | exception | traceback | fail(?:ed|ure) ) \b
      | \s* \{ \s* "error" """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who wrote it; ``"tool"`` for the result of a tool.
        text: its words.
        calls: the tools that it calls, each with its arguments.
        failed: whether it is the result of a tool that failed.
    """

    role: Role
    text: str
    calls: tuple[str, ...] = ()
    failed: bool = False

    @classmethod
    def of_tool(cls, text: str, failed: bool | None = None) -> Self:
        """The result of a tool; where nobody says whether it failed, its first words do."""
        return cls("tool", text, failed=bool(_FAILURE.match(text)) if failed is None else failed)


@dataclass(frozen=True, slots=True)
class ConversationPrompt(Prompt):
    """A state of a conversation. `observations` are what came to the model, and `past` its answers.

    Attributes:
        role: of the last message.
        turns: answers so far.
        characters: of all messages.
        failures: results of tools so far that are failures.
        failed: whether the last message is one.
        repeats: how often the tools that were called last had been called before, with the same
            arguments.
        answered_by: who gave the last answer: 0 for QUICK, 1 for DEEPTHINK; None if nobody knows.
        idle: seconds since QUICK and DEEPTHINK last answered; inf where one never did.
    """

    role: Role = "user"
    turns: int = 0
    characters: int = 0
    failures: int = 0
    failed: bool = False
    repeats: int = 0
    answered_by: int | None = None
    idle: tuple[float, float] = (inf, inf)

    @classmethod
    def of(
        cls,
        messages: Sequence[Message],
        answered_by: int | None = None,
        idle: tuple[float, float] = (inf, inf),
    ) -> Self:
        """The state after `messages`, of which there may be none.

        Args:
            messages: the conversation, oldest first.
            answered_by: see above.
            idle: see above.
        """
        began = next((message.text for message in messages if message.role == "user"), "")
        observations, past = [""], list[str]()
        calls: list[tuple[str, ...]] = []
        for message in messages:
            if message.role == "assistant":
                past.append(" ".join((message.text, *message.calls)).strip())
                observations.append("")
                calls += [message.calls] if message.calls else []
            elif message.role != "system":
                observations[-1] = f"{observations[-1]}\n{message.text}".strip()
        last = messages[-1] if messages else Message("user", "")
        return cls(
            began,
            (),
            tuple(observations[-HISTORY:]),
            tuple(past[-HISTORY + 1 :]),
            role=last.role,
            turns=len(past),
            characters=sum(len(message.text) for message in messages),
            failures=sum(message.failed for message in messages),
            failed=last.failed,
            repeats=calls.count(calls[-1]) - 1 if calls else 0,
            answered_by=answered_by,
            idle=idle,
        )
