"""Wall time spent inside a language model. This file knows nothing of the questions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from londi.envs.prompt import Prompt
from londi.errors import FOREIGN_ERRORS, LondiError, ModelError, one_line
from londi.models.base import LanguageModel, ModelWrapper
from londi.models.check import check_replies
from londi.types import Reply


class MeteredModel(ModelWrapper):
    """A language model with a stop-watch, whose answers are checked.

    Attributes:
        seconds: wall seconds spent inside the model since it was wrapped. An answer from a cache
            outside this wrapper adds nothing here, whereas `Reply.usage` charges each answer the
            time it took when it was made. A model that tells no time of its own is charged its
            share of the time that was measured.
    """

    def __init__(self, inner: LanguageModel) -> None:
        super().__init__(inner)
        self.seconds = 0.0

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order.

        Raises:
            ModelError: if the model raises an error, or gives no proper reply to a prompt, such as
                a score of NaN.
        """
        if not prompts:
            return []
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            replies = self.inner.act(prompts)
        except LondiError:
            raise
        except FOREIGN_ERRORS as error:  # whatever a user's model or a library raises
            raise ModelError(f"model {self.name!r} failed: {one_line(error)}") from error
        spent = time.perf_counter() - start
        self.seconds += spent
        check_replies(self, prompts, replies)
        share = spent / len(prompts), (time.thread_time() - cpu) / len(prompts)
        return [_timed(reply, *share) for reply in replies]


def _timed(reply: Reply, seconds: float, cpu_seconds: float) -> Reply:
    """The reply with its share of the measured time, where the model tells none."""
    usage = reply.usage
    if usage.seconds and usage.cpu_seconds:
        return reply
    seconds, cpu_seconds = usage.seconds or seconds, usage.cpu_seconds or cpu_seconds
    return replace(reply, usage=replace(usage, seconds=seconds, cpu_seconds=cpu_seconds))
