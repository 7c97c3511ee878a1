"""The text state that a language model reads, and how it is written as a prompt.

A :class:`Prompt` is the state s of the paper: goal, possible actions, and the last few
observations and actions. It is written in the published BabyAI-Text grammar (GLAM,
arXiv 2302.02662), or, where an environment says so, in that of the published imitation agents of
ScienceWorld (SwiftSage, arXiv 2305.17390). A :class:`Chunk` bounds an answer that is a part of a
longer text. This file knows no environment and no model.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar, Self

from londi.envs.info import InfoView

HISTORY = 3
"""Observations kept in a prompt, as published; the actions between them are one fewer."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bounds of an answer that is one chunk of a text.

    Attributes:
        stops: texts that close a chunk, each of which is its end; empty where only the number of
            tokens bounds it.
        tokens: most tokens of a chunk, the model's end token included.
    """

    stops: tuple[str, ...]
    tokens: int

    def cut(self, text: str) -> str:
        """The beginning of `text` that is one chunk.

        It ends with the first stop, and the line breaks right behind that. It has at most `tokens`
        words, since a word takes a token at least.
        """
        words = list(islice(re.finditer(r"\S+", text), self.tokens + 1))
        if len(words) > self.tokens:
            text = text[: words[-2].end()]
        first = min((end for stop in self.stops if (end := _behind(text, stop))), default=len(text))
        rest = text[first:]
        return text[:first] + "\n" * (len(rest) - len(rest.lstrip("\n")))

    def goes_on(self, chunk: str) -> bool:
        """Whether the text goes on behind `chunk`.

        It does where a stop closes the chunk, or, without stops, where the chunk is not empty.
        """
        return any(stop in chunk for stop in self.stops) if self.stops else bool(chunk)


def _behind(text: str, part: str) -> int:
    """The place behind the first `part` of a text; 0 where there is none."""
    found = text.find(part)
    return found + len(part) if found >= 0 else 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text state.

    Attributes:
        same_actions: whether the possible actions are the same in all states, so that a place in
            their list says which action it is.
        goal: the mission, such as ``"go to the red ball"``.
        actions: the actions that can be chosen; empty where any text is an action.
        observations: the last observations, oldest first, at least one.
        past: the actions between them, one fewer than `observations`.
        expert: the action of the environment's scripted expert, where it was asked for; it is not
            part of the text that a model reads.
        chunk: the bounds of the answer, where it is a chunk of a text; None where it is an action.
    """

    same_actions: ClassVar[bool] = True

    goal: str
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    past: tuple[str, ...] = ()
    expert: str | None = None
    chunk: Chunk | None = None

    def recent(self, history: int) -> Self:
        """The same state with at most `history` observations."""
        if history >= len(self.observations):
            return self
        kept = self.observations[-history:]
        return replace(self, observations=kept, past=self.past[len(self.past) - history + 1 :])

    def text(self) -> str:
        """The prompt in the published grammar; it ends where the next action is to be written."""
        head = "Possible action of the agent: " + ", ".join(self.actions) if self.actions else ""
        lines = [f"{head} \n Goal of the agent: {self.goal}"]
        for i, observation in enumerate(self.observations):
            action = self.past[i] if i < len(self.past) else ""
            lines.append(f" \n Observation {i}: {observation}, \n Action {i}: {action}")
        return "".join(lines)

    def chat(self) -> tuple[str, str]:
        """The prompt for a chat model: the user's message, and the beginning of the answer."""
        return self.text(), ""


class History:
    """Gathers the last observations and actions of one episode into prompts.

    An environment that needs another history names it in `metadata["history"]`.

    Args:
        observation: the first observation.
        info: the `info` of `reset`; `goal`, `actions` and, if present, `expert` are read.
    """

    length = HISTORY
    """Number of observations kept."""
    reads: tuple[str, ...] = ()
    """Further keys of `info` that are read in each state."""

    def __init__(self, observation: str, info: InfoView) -> None:
        self._observations: deque[str] = deque([observation], maxlen=self.length)
        self._past: deque[str] = deque(maxlen=self.length - 1)
        self._info = info

    def add(self, action: str, observation: str, info: InfoView) -> None:
        """Record an action, and the observation and `info` that followed it."""
        self._past.append(action)
        self._observations.append(observation)
        self._info = info

    def prompt(self) -> Prompt:
        """The current state."""
        return Prompt(
            self._info["goal"],
            tuple(self._info["actions"]),
            tuple(self._observations),
            tuple(self._past),
            self._info.get("expert"),
        )
