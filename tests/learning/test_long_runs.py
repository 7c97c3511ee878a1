"""A step costs the same however long its episode and its training have been going on.

Work is counted, and no time is taken: lines of Python that the thread of the training runs, and
characters that the models read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import londi
from londi.envs.histories import HISTORIES
from londi.envs.prompt import Prompt
from londi.learning.trainer import Training
from londi.models.pair import ModelPair
from londi.types import Reply
from playthings import ACTIONS, TOY, Scripted, Texts

SOURCE = str(Path(londi.__file__).parent)
ROOMS = 5


class Endless(Texts):
    """An episode without end, through five rooms in a circle; all that histories read is told."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._at = 0
        return self._text(), self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._at += 1
        return self._text(), 0.0, False, False, self._info()

    def _text(self) -> str:
        return f"easy: the door on the left at {self._at % ROOMS}"

    def _info(self) -> dict[str, Any]:
        room = self._at % ROOMS
        look = f"-= Room {room} =- This room is called the room {room}."
        return {
            "goal": "walk",
            "actions": ACTIONS,
            "score": 0,
            "look": look,
            "inventory": "nothing",
            "recipe": "walk on",
            "functions": "walk()",
            "chunk": {"stops": ["\n"], "tokens": 9},
        }


class Reader(Scripted):
    """Counts the characters that it is given to read."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ["easy"])
        self.characters = 0

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        self.characters += sum(len(prompt.text()) for prompt in prompts)
        return super().act(prompts)


class Lines:
    """Counts the lines of londi that this thread runs."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Lines:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, _: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(SOURCE) else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        self.count += event == "line"
        return self._line


@pytest.mark.parametrize("history", sorted(HISTORIES.keys() - {"toolcalls"}))
def test_a_step_costs_the_same_late_in_an_episode(
    history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The one that is left out is a conversation of 50 steps at most, which is read whole.
    monkeypatch.setattr(Endless, "metadata", {"history": history, "returns": (0.0, 1.0)})
    models = Reader("quick"), Reader("deepthink")
    config = replace(TOY, encoder="confidence", num_envs=1, steps=10**6, warmup=10**6 - 1)
    training = Training(config, ModelPair(*models, Endless))

    def work(until: int) -> tuple[int, int]:
        """Lines and characters of twenty steps, four times through the rooms."""
        while training.step < until:
            training.advance()
        before = sum(model.characters for model in models)
        with Lines() as lines:
            for _ in range(4 * ROOMS):
                training.advance()
        return lines.count, sum(model.characters for model in models) - before

    with closing(training):
        training.begin()
        (lines, characters), (late_lines, late_characters) = map(work, (100, 1_000))
    assert lines > 1_000 and characters > 1_000, "nothing was counted"
    assert late_lines == lines
    assert late_characters - characters <= 2 * 4 * ROOMS  # a digit more in "Time: 1000"
