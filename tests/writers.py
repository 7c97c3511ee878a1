"""Players that write the fixtures' texts: one knows them, and one slips at the second chunk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from londi.envs.prompt import Prompt
from londi.models.base import BaseModel
from londi.types import Reply, Usage

DATA = Path(__file__).parent / "data" / "generate"
FILES = {name: DATA / f"{name}.jsonl" for name in ("code", "summaries", "dialogue")}


def tasks(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


SOLUTIONS = {task["prompt"]: task["solution"] for file in FILES.values() for task in tasks(file)}


class Writer(BaseModel):
    """Writes a known text, as far as it stands; behind a slip it ends the text.

    Args:
        name: what it is called.
        slips: whether it writes nonsense for the second chunk.
    """

    embedding_size = 2

    def __init__(self, name: str, slips: bool) -> None:
        self.name = self.fingerprint = f"writers:{name}"
        self._slips = slips

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [self._reply(prompt) for prompt in prompts]

    def _reply(self, prompt: Prompt) -> Reply:
        assert prompt.chunk
        task, text = prompt.chat()
        solution = SOLUTIONS[task]
        first = len(prompt.chunk.cut(solution))
        second = len(text) == first
        action = solution[len(text) :] if solution.startswith(text) else ""
        if self._slips and second:
            action = "pass. \n"
        words = len(prompt.chunk.cut(action).split())
        usage = Usage(1, len(prompt.text().split()), 0.001, 1.0, 0.0, 0.001, words)
        return Reply(action, -0.1, 0.9, usage, np.array([second, 1.0], np.float32))


quick = Writer("quick", slips=True)
deepthink = Writer("deepthink", slips=False)
