"""From prompts to the token ids that a model reads, no more of them than it can.

This file knows tokenizers, no weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from londi.prompts import Prompt

MAX_TOKENS = 1024
"""Most tokens of a prompt, as the published imitation agents of ScienceWorld have it."""


class Reader:
    """A tokenizer, and what of a prompt is shown to it.

    Of a prompt that is too long the oldest observations are dropped, one after the other. If the
    state alone is still too long, its end is cut off, which is warned of once.

    Args:
        tokenizer: a Hugging Face tokenizer that ends a text with its end token.
        history: most observations of a prompt.
        max_tokens: most tokens of a prompt, the end token included.

    Attributes:
        cut: prompts of which the end was cut off.
    """

    def __init__(self, tokenizer: Any, history: int, max_tokens: int = MAX_TOKENS) -> None:
        self.tokenizer = tokenizer
        self.history = history
        self.max_tokens = max_tokens
        self.cut = 0

    def read(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """The token ids of each prompt."""
        if not prompts:
            return []
        shown = [prompt.recent(self.history) for prompt in prompts]
        ids = self._ids([prompt.text() for prompt in shown])
        return [
            row if len(row) <= self.max_tokens else self._shorter(prompt, row)
            for prompt, row in zip(shown, ids, strict=True)
        ]

    def _shorter(self, prompt: Prompt, ids: list[int]) -> list[int]:
        for kept in range(len(prompt.observations) - 1, 0, -1):
            (ids,) = self._ids([prompt.recent(kept).text()])
            if len(ids) <= self.max_tokens:
                return ids
        self.cut += 1
        if self.cut == 1:
            warnings.warn(
                f"a prompt of {len(ids)} tokens is cut to {self.max_tokens}; more are counted only",
                stacklevel=2,
            )
        return [*ids[: self.max_tokens - 1], ids[-1]]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        found: list[list[int]] = self.tokenizer(texts, verbose=False)["input_ids"]
        return found
