"""The prompt of a text that is being written: the task, and all that has been written so far.

This file knows the prompt of one environment, and no model.
"""

from __future__ import annotations

from dataclasses import dataclass

from londi.envs.prompt import Chunk, History, Prompt


@dataclass(frozen=True, slots=True)
class WritingPrompt(Prompt):
    """A task (`goal`), and the text so far (the last observation)."""

    def text(self) -> str:
        """The task and the text so far, which a model continues.

        A line break stands between them, unless the task ends with white space of its own.
        """
        task, text = self.chat()
        return f"{task}{text}" if task[-1:].isspace() else f"{task}\n{text}"

    def chat(self) -> tuple[str, str]:
        """The task, and the text so far as the beginning of the answer."""
        return self.goal, self.observations[-1]


class WritingHistory(History):
    """The text so far, and the last two chunks; `chunk` of `info` has the bounds of the next."""

    reads = ("chunk",)

    def prompt(self) -> WritingPrompt:
        plain = super().prompt()
        bounds = self._info["chunk"]
        return WritingPrompt(
            plain.goal,
            plain.actions,
            plain.observations,
            plain.past,
            plain.expert,
            Chunk(tuple(bounds["stops"]), bounds["tokens"]),
        )
