"""The text state that a language model reads, and how it is written as a prompt.

A :class:`Prompt` is the state s of the paper: goal, possible actions, and the last few
observations and actions. It is written in the published BabyAI-Text grammar (GLAM,
arXiv 2302.02662), or, where an environment says so, in that of the published imitation agents of
ScienceWorld (SwiftSage, arXiv 2305.17390). This file knows no environment and no model.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

HISTORY = 3
"""Observations kept in a prompt, as published; the actions between them are one fewer."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text state.

    Attributes:
        goal: the mission, such as ``"go to the red ball"``.
        actions: the actions that can be chosen; empty where any text is an action.
        observations: the last observations, oldest first, at least one.
        past: the actions between them, one fewer than `observations`.
        expert: what a scripted expert would do here, where the environment was asked to
            say so; no model reads it from the text.
    """

    goal: str
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    past: tuple[str, ...] = ()
    expert: str | None = None

    def recent(self, history: int) -> Self:
        """The same state with at most `history` observations."""
        if history >= len(self.observations):
            return self
        kept = self.observations[-history:]
        return replace(self, observations=kept, past=self.past[len(self.past) - history + 1 :])

    def text(self) -> str:
        """The prompt in the published grammar; it ends where the next action belongs."""
        head = "Possible action of the agent: " + ", ".join(self.actions) if self.actions else ""
        lines = [f"{head} \n Goal of the agent: {self.goal}"]
        for i, observation in enumerate(self.observations):
            action = self.past[i] if i < len(self.past) else ""
            lines.append(f" \n Observation {i}: {observation}, \n Action {i}: {action}")
        return "".join(lines)


_ENTRIES = 10  # of a SwiftSage prompt's history, which are numbered down


@dataclass(frozen=True, slots=True)
class SciencePrompt(Prompt):
    """A state of ScienceWorld, written as SwiftSage's models read it.

    Attributes:
        gains: by how much each action of `past` changed the score.
        steps: done before this state; what is shown of them may be fewer.
        score: the simulator's, -100 to 100.
        look: the room.
        inventory: what is carried.
        rooms: those visited so far, in order.
    """

    gains: tuple[int, ...] = ()
    steps: int = 0
    score: int = 0
    look: str = ""
    inventory: str = ""
    rooms: tuple[str, ...] = ()

    def recent(self, history: int) -> Self:
        """The same state with at most `history` observations."""
        shorter = Prompt.recent(self, history)
        if shorter is self:
            return self
        return replace(shorter, gains=self.gains[len(self.gains) - len(shorter.past) :])

    def text(self) -> str:
        """The prompt in the published grammar."""
        done = list(zip(self.past, self.gains, self.observations[1:], strict=True))
        if len(done) == self.steps:  # the start is still in sight: a look around, shown below
            done = [("look around", 0, "N/A"), *done][-_ENTRIES:]
        history = "".join(
            f" <extra_id_{_ENTRIES - k}> {action} (+{gain}) --> {observation} | "
            for k, (action, gain, observation) in enumerate(done)
        )
        rooms = f"Visited rooms: {', '.join(self.rooms)} </s> " if self.rooms else ""
        text = (
            f"{self.goal} </s> Time: {self.steps + 1}; Score: {self.score}; </s> "
            f"Action history: </s>{history} </s> "
            f"Current environment: {self.look} </s> "
            f"Current inventory: {self.inventory} </s> "
            f"{rooms} What action should you do next? </s> "
        )
        for before, after in (
            ("\n\t", " | "),
            ("\n", " | "),
            ("\t", " | "),
            ("(that is open)", ""),
            ("(containing nothing)", ""),
        ):
            text = text.replace(before, after)
        return text


class History:
    """Gathers the last observations and actions of one episode into prompts.

    An environment with another one names it, by its name in `HISTORIES`, in `metadata["history"]`.

    Args:
        observation: the first.
        info: what came with it; `goal`, `actions` and, from an expert, `expert` are read.
    """

    length = HISTORY
    """Observations kept."""
    reads: tuple[str, ...] = ()
    """Entries of `info` that it needs besides, in each state."""

    def __init__(self, observation: str, info: Mapping[str, Any]) -> None:
        self._observations: deque[str] = deque([observation], maxlen=self.length)
        self._past: deque[str] = deque(maxlen=self.length - 1)
        self._info = info

    def add(self, action: str, observation: str, info: Mapping[str, Any]) -> None:
        """Record an action, the observation that followed it, and what came with that."""
        self._past.append(action)
        self._observations.append(observation)
        self._info = info

    def prompt(self) -> Prompt:
        """The state now."""
        return Prompt(
            self._info["goal"],
            tuple(self._info["actions"]),
            tuple(self._observations),
            tuple(self._past),
            self._info.get("expert"),
        )


class ScienceHistory(History):
    """Ten actions and what came of them, the rooms visited, and the state as it is to be seen.

    Args:
        observation: the first.
        info: what came with it; `score`, `look` and `inventory` are read as well.
    """

    length = _ENTRIES + 1
    reads = ("score", "look", "inventory")

    def __init__(self, observation: str, info: Mapping[str, Any]) -> None:
        super().__init__(observation, info)
        self._gains: deque[int] = deque(maxlen=self.length - 1)
        self._steps = 0
        self._rooms: list[str] = []
        self._visit()

    def add(self, action: str, observation: str, info: Mapping[str, Any]) -> None:
        self._gains.append(info["score"] - self._info["score"])
        self._steps += 1
        super().add(action, observation, info)
        self._visit()

    def prompt(self) -> SciencePrompt:
        plain = super().prompt()
        return SciencePrompt(
            plain.goal,
            plain.actions,
            plain.observations,
            plain.past,
            plain.expert,
            gains=tuple(self._gains),
            steps=self._steps,
            score=self._info["score"],
            look=self._info["look"],
            inventory=self._info["inventory"],
            rooms=tuple(self._rooms),
        )

    def _visit(self) -> None:
        named = re.match(
            r"This room is called the ([^.]*)\.|This outside location is called the ([^.]*)\.",
            self._info["look"],
        )
        room = next(filter(None, named.groups()), "") if named else ""
        if room and room not in self._rooms:
            self._rooms.append(room)


HISTORIES: dict[str, type[History]] = {"plain": History, "scienceworld": ScienceHistory}
"""What gathers the states of an environment, by name."""
