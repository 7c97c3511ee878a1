"""TextWorld games that tests share, and players whose answers follow from the prompt's text."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from londi.envs.prompt import Prompt
from londi.envs.seeds import HELD_OUT, SWITCHING, VALIDATION
from londi.envs.textworld.games import GameId
from londi.envs.textworld.prompt import TextWorldPrompt
from londi.models.base import BaseModel
from londi.types import Reply, Usage

FIRST = HELD_OUT
"""Seed of the first of the games that figures are reported on."""
COUNTS = {"cooking-easy": 4, "treasure-easy": 3, "coin-easy": 3, "cooking-medium": 1}
"""How many of these games of a challenge there are in the tests' cache."""
GAMES = [GameId(name, FIRST + k) for name, count in COUNTS.items() for k in range(count)]
GAMES += [GameId("cooking-easy", first) for first in (SWITCHING, VALIDATION)]


class Player(BaseModel):
    """Does the first command that begins in one of some ways, the first way first.

    Where there is none, it errs: it takes a command by hash of the prompt's text.
    """

    def __init__(self, *beginnings: str) -> None:
        self.name = self.fingerprint = f"prefers {beginnings}"
        self._beginnings = beginnings

    def wishes(self, prompt: TextWorldPrompt) -> Sequence[str]:
        """How the commands begin that it would do."""
        return self._beginnings

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        told = []
        for prompt in prompts:
            assert isinstance(prompt, TextWorldPrompt)
            known = prompt.actions
            erring = known[zlib.crc32(f"{self.name} {prompt.text()}".encode()) % len(known)]
            liked = (a for start in self.wishes(prompt) for a in known if a.startswith(start))
            told.append(Reply(next(liked, erring), 0.0, 1.0, Usage(calls=1)))
        return told


class Cook(Player):
    """Follows the recipe, as long as everything is in one room."""

    _TOOLS = {"fry": "stove", "roast": "oven", "grill": "BBQ"}  # noqa: RUF012

    def wishes(self, prompt: TextWorldPrompt) -> list[str]:
        wanted, steps = self._read(prompt.recipe)
        tries = ["eat meal"] if wanted else ["examine cookbook"]
        tries += [f"take {food}" for food in wanted if food not in prompt.inventory]
        tries += [step for step, done in steps if done not in prompt.inventory]
        tries += ["take knife"] if "knife" not in prompt.inventory else ["prepare meal"]
        return [*tries, "open fridge", "open"]

    def _read(self, recipe: str) -> tuple[list[str], list[tuple[str, str]]]:
        """The foods of a recipe, and its steps with the words that tell of each when done."""
        head, _, body = recipe.partition("Directions:")
        steps = []
        for verb, food in re.findall(r"(\w+) the (.*)", body):
            if tool := self._TOOLS.get(verb):
                steps.append((f"cook {food} with {tool}", {"fry": "fried"}.get(verb, f"{verb}ed")))
            else:
                word = {"chop": "chopped", "slice": "sliced", "dice": "diced"}[verb]
                steps.append((f"{verb} {food} with knife", word))
        return head.splitlines()[1:], steps
