"""How long the two language models really took. It knows nothing of what they are asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence

from londi.envs.prompt import Prompt
from londi.models.base import LanguageModel
from londi.types import Reply


class MeteredModel:
    """A language model with a stop-watch.

    Attributes:
        seconds: wall seconds spent inside the model since it was wrapped. Answers that come
            from a cache outside of this wrapper cost it nothing, unlike `Reply.usage`, which
            charges each answer what it took when it was made.
    """

    def __init__(self, inner: LanguageModel) -> None:
        self.inner = inner
        self.name = inner.name
        self.seconds = 0.0

    @property
    def fingerprint(self) -> str | None:
        return self.inner.fingerprint

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        start = time.perf_counter()
        replies = self.inner.act(prompts)
        self.seconds += time.perf_counter() - start
        return replies
