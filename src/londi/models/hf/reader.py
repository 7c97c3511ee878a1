"""Prompts as token ids, shortened to the length that a model can read.

This file knows tokenizers, and no weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from londi.envs.prompt import Prompt
from londi.types import Array

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
            the question. Of a text that is being written, at least half of the prompt.
        render: gives the text of a prompt.

    Attributes:
        cut: number of prompts that lost tokens of their current observation.
    """

    def __init__(
        self,
        tokenize: Callable[[list[str]], list[list[int]]],
        history: int,
        max_tokens: int = MAX_TOKENS,
        closing: int = 1,
        render: Callable[[Prompt], str] = lambda prompt: prompt.text(),
    ) -> None:
        self._tokenize, self._render = tokenize, render
        self.history = history
        self.max_tokens = max_tokens
        self._closing = min(closing, max_tokens)
        self.cut = 0

    def read(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """The token ids of each prompt."""
        if not prompts:
            return []
        shown = [prompt.recent(self.history) for prompt in prompts]
        ids = self._tokenize([self._render(prompt) for prompt in shown])
        return [
            row if len(row) <= self.max_tokens else self._shorter(prompt, row)
            for prompt, row in zip(shown, ids, strict=True)
        ]

    def _shorter(self, prompt: Prompt, ids: list[int]) -> list[int]:
        for kept in range(len(prompt.observations) - 1, 0, -1):
            (ids,) = self._tokenize([self._render(prompt.recent(kept))])
            if len(ids) <= self.max_tokens:
                return ids
        self.cut += 1
        if self.cut == 1:
            warnings.warn(
                f"a prompt of {len(ids)} tokens is cut to {self.max_tokens}; more are counted only",
                stacklevel=2,
            )
        closing = max(self._closing, self.max_tokens // 2) if prompt.chunk else self._closing
        return [*ids[: self.max_tokens - closing], *ids[len(ids) - closing :]]


def token_ids(tokenizer: Any, texts: list[str], special: bool) -> list[list[int]]:
    """The token ids of each text.

    Args:
        tokenizer: a tokenizer of transformers.
        texts: at least one text.
        special: add the tokens that begin and end a text.
    """
    if tokenizer.is_fast:
        # Its own library, without the checks around it, takes half the time for a single prompt.
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        return [row.ids for row in backend.encode_batch_fast(texts, add_special_tokens=special)]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"]
    return ids


def padded(
    tokens: Sequence[Sequence[int]], pad: int, front: bool, multiple: int = 1
) -> tuple[Array, Array]:
    """Token ids and their mask, int64 `[B, L]`, padded in front or behind.

    Args:
        tokens: the token ids of B texts.
        pad: id of the token that pads.
        front: whether padding stands in front.
        multiple: what L is to be a multiple of.
    """
    length = -(-max(1, *map(len, tokens)) // multiple) * multiple
    ids = np.full((len(tokens), length), pad, np.int64)
    mask = np.zeros((len(tokens), length), np.int64)
    for row, own in enumerate(tokens):
        place = slice(length - len(own), None) if front else slice(len(own))
        ids[row, place] = own
        mask[row, place] = 1
    return ids, mask
