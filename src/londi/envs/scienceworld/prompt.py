"""The published prompt grammar of ScienceWorld's imitation agents (SwiftSage, arXiv 2305.17390).

This file knows the prompt of one environment, and no model.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Self

from londi.envs.info import InfoView
from londi.envs.prompt import History, Prompt

_ENTRIES = 10  # of a SwiftSage prompt's history, which are numbered down


@dataclass(frozen=True, slots=True)
class SciencePrompt(Prompt):
    """A state of ScienceWorld, written as SwiftSage's models read it.

    Attributes:
        gains: change of the score by each action of `past`.
        steps: number of steps before this state; the prompt may show fewer.
        score: the simulator's, -100 to 100.
        look: description of the room.
        inventory: description of the things that are carried.
        rooms: the rooms visited so far, in order.
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


class ScienceHistory(History):
    """The last ten actions with their results, the rooms visited, and the current view.

    Args:
        observation: the first observation.
        info: the `info` of `reset`; `score`, `look` and `inventory` are read as well.
    """

    length = _ENTRIES + 1
    reads = ("score", "look", "inventory")

    def __init__(self, observation: str, info: InfoView) -> None:
        super().__init__(observation, info)
        self._gains: deque[int] = deque(maxlen=self.length - 1)
        self._steps = 0
        self._rooms: list[str] = []
        self._visit()

    def add(self, action: str, observation: str, info: InfoView) -> None:
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
