"""Prompts as token ids, shortened to the length that a model can read.

This file knows tokenizers, and no weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from londi.envs.prompt import Prompt

MAX_TOKENS = 1024
"""Most tokens of a prompt, as the published imitation agents of ScienceWorld have it."""


class Reader:
    """Tokenizes prompts, and shortens those that are too long.

    The oldest observations of such a prompt are dropped, one after the other. If the current
    observation alone is still too long, tokens before the closing ones are cut off; a warning says
    so once.

    Args:
        tokenize: gives the token ids of each text, special tokens included.
        history: most observations of a prompt.
        max_tokens: most tokens of a prompt.
        closing: number of tokens at the end of a prompt that are never cut off: the end token, or
            the question.

    Attributes:
        cut: number of prompts that lost tokens of their current observation.
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
