"""`londi/Generate-v0`: an episode is a text that is written chunk by chunk.

This file knows how a text grows and when it ends. `tasks.py` knows what is to be written, and
`scorers.py` what a text is worth.
"""

from __future__ import annotations

import string
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from londi.envs.generate.scorers import checked_score, make_scorer
from londi.envs.generate.tasks import Task, load_tasks
from londi.envs.info import Options, Told
from londi.envs.options import check_counts, check_flags, check_seconds
from londi.envs.prompt import Chunk
from londi.envs.seeds import SWITCHING
from londi.errors import InvalidConfig
from londi.types import Info

MOST = 1_000_000
"""Largest bound of a text, in chunks or tokens."""
LINE = ("\n",)
"""What closes a line."""
SENTENCE = (". ", "! ", "? ", "\n")
"""What closes a sentence; no more than the four that an API takes."""


class Generate(gym.Env[str, str]):
    """Texts that are written chunk by chunk, and scored at their end.

    The observation is the text so far, and an action is the next chunk; `info["goal"]` is the
    task's prompt. The reward is the score of the whole text, from 0 to 1, when it ends, and 0
    before. An episode ends in `terminated` alone, with `success` where the score is 1.

    **Chunks.** A line ends with its line break, a sentence with a full stop, question or
    exclamation mark and a space, or a line break. `info["chunk"]` says so to the models, which
    stop there. Where an action goes on behind its chunk, the rest is cut off, and
    `info["substituted_action"]` is the chunk.

    **The end of a text.** A text ends with the first chunk that is not closed: a model that comes
    to its end token has written no line break. Chunks of a number of tokens have nothing that
    closes them: there a text ends with an empty chunk. After `most_chunks` it ends in any case.

    Args:
        tasks: a JSONL file, ``reasoning-gym:NAME`` or ``module:function``; see
            `londi.envs.generate.tasks`.
        scorer: a name of `londi.envs.generate.scorers.SCORERS`, or ``module:function``.
        chunk: ``"line"``, ``"sentence"``, or a number of tokens.
        task_options: options of a dataset of reasoning-gym, or of a function.
        scorer_options: options of the scorer.
        most_chunks: most chunks of a text.
        most_tokens: most tokens of a line or a sentence; at one that is longer the text ends.
        most_seconds: most seconds that scoring may take, where the scorer has no limit of its own.
        expert: give in `info["expert"]` the next chunk of a worked solution, where a task has one.
        render_mode: None or ``"ansi"``.

    Raises:
        UnknownName: if there is no such scorer, dataset or option; suggests the nearest.
        InvalidConfig: if an argument has a wrong value, a file cannot be read or has a bad line,
            or the machine has no sandbox for the scorer `tests`.
        MissingExtra: if a package is not installed.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["ansi"],
        "history": "writing",
        "returns": (0.0, 1.0),
        "lists_actions": False,
    }

    def __init__(
        self,
        tasks: str = "",
        scorer: str = "",
        chunk: str | int = "line",
        *,
        task_options: Options | None = None,
        scorer_options: Options | None = None,
        most_chunks: int = 32,
        most_tokens: int = 256,
        most_seconds: float = 60.0,
        expert: bool = False,
        render_mode: str | None = None,
    ) -> None:
        check_counts(MOST, most_chunks=most_chunks, most_tokens=most_tokens)
        check_flags(expert=expert)
        check_seconds(most_seconds=most_seconds)
        self._chunk = _bounds(chunk, most_tokens)
        self._scorer_name = scorer
        self._scorer = make_scorer(scorer, {} if scorer_options is None else scorer_options)
        self._tasks = load_tasks(tasks, {} if task_options is None else task_options)
        for task in self._tasks.known():
            self._scorer.check(task)
        self._most_chunks, self._most_seconds, self._expert = most_chunks, most_seconds, expert
        declared = {"waits": self._scorer.waits, "horizon": most_chunks}
        self.metadata = type(self).metadata | declared
        self.render_mode = render_mode
        self.observation_space = spaces.Text(1 << 20, min_length=0, charset=string.printable)
        self.action_space = spaces.Text(1 << 20, min_length=0, charset=string.printable)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[str, Info]:
        """Begin the text of the task that the seed names.

        Raises:
            InvalidConfig: if there is no such task, or it lacks what the scorer needs.
        """
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(SWITCHING))
        self._task: Task = self._tasks.task(seed)
        self._scorer.check(self._task)
        self._text, self._chunks = "", 0
        return self._text, self._info()

    def step(self, action: str) -> Told:
        """Write the next chunk.

        Raises:
            EnvironmentFailed: if a finished text cannot be scored.
        """
        chunk = self._chunk.cut(action)
        self._text += chunk
        self._chunks += 1
        info = self._info()
        if chunk != action:
            info["substituted_action"] = chunk
        if self._chunk.goes_on(chunk) and self._chunks < self._most_chunks:
            return self._text, 0.0, False, False, info
        score = checked_score(
            self._scorer_name, self._scorer, self._task, self._text, self._most_seconds
        )
        return self._text, score, True, False, info | {"success": score == 1.0}

    def render(self) -> str:
        return self._text

    def _info(self) -> Info:
        bounds: dict[str, Any] = {"stops": list(self._chunk.stops), "tokens": self._chunk.tokens}
        info: Info = {"goal": self._task.prompt, "actions": (), "chunk": bounds}
        if self._expert:
            rest = self._task.advice(self._text)
            info["expert"] = None if rest is None else self._chunk.cut(rest)
        return info


def _bounds(chunk: object, most_tokens: int) -> Chunk:
    """The bounds of a chunk, by its name or its number of tokens."""
    if chunk == "line":
        return Chunk(LINE, most_tokens)
    if chunk == "sentence":
        return Chunk(SENTENCE, most_tokens)
    if type(chunk) is int and 1 <= chunk <= MOST:
        return Chunk((), chunk)
    raise InvalidConfig(
        f"chunk: expected line, sentence or a number of tokens from 1 to {MOST}, got {chunk!r}"
    )
