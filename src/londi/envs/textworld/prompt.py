"""The prompt grammar of TextWorld: goal, recipe, rooms, last steps, and what is in sight.

This file knows the prompt of one environment, and no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from londi.envs.info import InfoView
from londi.envs.prompt import History, Prompt

_TITLE = re.compile(r"-= (.*?) =-")


@dataclass(frozen=True, slots=True)
class TextWorldPrompt(Prompt):
    """A state of a TextWorld game.

    Attributes:
        look: description of the room.
        inventory: description of the things that are carried.
        recipe: the text of the cookbook, once it was read; else empty.
        rooms: the rooms visited so far, in order.
    """

    same_actions = False

    look: str = ""
    inventory: str = ""
    recipe: str = ""
    rooms: tuple[str, ...] = ()

    def text(self) -> str:
        """The prompt, one part a line; it ends where the next action is to be written."""
        lines = [f"Goal: {self.goal}"]
        if self.recipe:
            lines.append(f"Recipe: {self.recipe}")
        lines.append(f"Visited rooms: {', '.join(self.rooms)}")
        for action, observation in zip(self.past, self.observations[1:], strict=True):
            # Of a room that was entered the title is enough: the current one is shown below.
            title = _TITLE.match(observation)
            lines += [f"Action: {action}", f"Result: {title[0] if title else observation}"]
        lines += [f"Room: {self.look}", f"Inventory: {self.inventory}", "Action:"]
        return "\n".join(line.replace("\n", " | ") for line in lines)


class TextWorldHistory(History):
    """The last actions with their results, the rooms visited, and what is in sight.

    Args:
        observation: the first observation.
        info: the `info` of `reset`; `look`, `inventory` and `recipe` are read as well.
    """

    reads = ("look", "inventory", "recipe")

    def __init__(self, observation: str, info: InfoView) -> None:
        super().__init__(observation, info)
        self._rooms: dict[str, None] = {}
        self._visit()

    def add(self, action: str, observation: str, info: InfoView) -> None:
        super().add(action, observation, info)
        self._visit()

    def prompt(self) -> TextWorldPrompt:
        plain = super().prompt()
        return TextWorldPrompt(
            plain.goal,
            plain.actions,
            plain.observations,
            plain.past,
            plain.expert,
            look=self._info["look"],
            inventory=self._info["inventory"],
            recipe=self._info["recipe"],
            rooms=tuple(self._rooms),
        )

    def _visit(self) -> None:
        if title := _TITLE.match(self._info["look"]):
            self._rooms.setdefault(title[1])
