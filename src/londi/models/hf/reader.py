"""From prompts to the token ids that a model reads, no more of them than it can.

This file knows tokenizers, no weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from londi.envs.prompt import Prompt

MAX_TOKENS = 1024
"""Most tokens of a prompt, as the published imitation agents of ScienceWorld have it."""


class Reader:
    """How texts become token ids, and what of a prompt is shown.

    Of a prompt that is too long the oldest observations are dropped, one after the other. If the
    state alone is still too long, its end is cut off but for what closes it, which is warned of
    once.

    Args:
        tokenize: the token ids of each text, all that a model reads of it.
        history: most observations of a prompt.
        max_tokens: most tokens of a prompt.
        closing: the last tokens of a prompt, which are never cut off: its end token, or what asks
            for the answer.

    Attributes:
        cut: prompts of which the end was cut off.
    """

    def __init__(
        self,
        tokenize: Callable[[list[str]], list[list[int]]],
        history: int,
        max_tokens: int = MAX_TOKENS,
        closing: int = 1,
    ) -> None:
        self._tokenize = tokenize
        self.history = history
        self.max_tokens = max_tokens
        self._closing = min(closing, max_tokens)
        self.cut = 0

    def read(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """The token ids of each prompt."""
        if not prompts:
            return []
        shown = [prompt.recent(self.history) for prompt in prompts]
        ids = self._tokenize([prompt.text() for prompt in shown])
        return [
            row if len(row) <= self.max_tokens else self._shorter(prompt, row)
            for prompt, row in zip(shown, ids, strict=True)
        ]

    def _shorter(self, prompt: Prompt, ids: list[int]) -> list[int]:
        for kept in range(len(prompt.observations) - 1, 0, -1):
            (ids,) = self._tokenize([prompt.recent(kept).text()])
            if len(ids) <= self.max_tokens:
                return ids
        self.cut += 1
        if self.cut == 1:
            warnings.warn(
                f"a prompt of {len(ids)} tokens is cut to {self.max_tokens}; more are counted only",
                stacklevel=2,
            )
        return [*ids[: self.max_tokens - self._closing], *ids[len(ids) - self._closing :]]
