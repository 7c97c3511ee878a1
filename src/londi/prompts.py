"""The text state that a language model reads, and how it is written as a prompt.

A :class:`Prompt` is the state s of the paper: goal, possible actions, and the last few
observations and actions. It is written in the published BabyAI-Text grammar (GLAM,
arXiv 2302.02662). This file knows no environment and no model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    def recent(self, history: int) -> Prompt:
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


class History:
    """Gathers the last observations and actions of one episode into prompts."""

    def __init__(self, goal: str, observation: str, length: int = HISTORY) -> None:
        self._goal = goal
        self._observations: deque[str] = deque([observation], maxlen=length)
        self._past: deque[str] = deque(maxlen=length - 1)

    def add(self, action: str, observation: str) -> None:
        """Record an action and the observation that followed it."""
        self._past.append(action)
        self._observations.append(observation)

    def prompt(self, actions: Sequence[str], expert: str | None = None) -> Prompt:
        """The state now, given the `actions` that are possible in it."""
        return Prompt(
            self._goal, tuple(actions), tuple(self._observations), tuple(self._past), expert
        )
