"""Generated answers: where one ends, and how its tokens become its text.

An action ends with an end token. A chunk of a text is closed by one of its stops, or ends with the
text's own end token. This file knows tokens and texts, and no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from londi.envs.prompt import Chunk
from londi.models.hf.choice import Choice, written
from londi.models.hf.reader import token_ids
from londi.types import Array

Rows = Sequence[Sequence[int]]
"""Token ids of several answers."""

_CUT = "\N{REPLACEMENT CHARACTER}"
"""Text of a letter of which only some bytes were written."""


class Generating(Protocol):
    """The part of a model that this file reads."""

    tokenizer: Any
    max_new_tokens: int

    @property
    def end_ids(self) -> list[int]:
        """The tokens that end an action."""
        ...

    @property
    def stop_ids(self) -> list[int]:
        """The tokens that end a text, the one that is learned first."""
        ...

    def texts(self, rows: Rows) -> list[str]:
        """The actions of these tokens."""
        ...


class Writing:
    """The way in which actions are generated.

    Args:
        ends: tokens with which an answer ends.
        most: most tokens of an answer.
        decode: gives the texts of answers.

    Attributes:
        ends, most: as given.
    """

    def __init__(
        self, ends: Collection[int], most: int, decode: Callable[[Rows], list[str]]
    ) -> None:
        self.ends, self.most, self._decode = frozenset(ends), most, decode

    def over(self, row: Sequence[int]) -> bool:
        """Whether the last of these tokens ends an answer, where none before it has."""
        return row[-1] in self.ends

    def texts(self, rows: Rows) -> list[str]:
        """The answers of these tokens."""
        return [text.strip() for text in self._decode(rows)]

    def choices(self, made: Array, logprobs: Array) -> list[Choice]:
        """The generated answers.

        Args:
            made: their token ids `[B, T]`, and whatever stands behind an end.
            logprobs: log-probability of each `[B, T]`.
        """
        # Token by token: padding may be an end token, and a token of an answer padding.
        rows = [row[: self._length(row)] for row in made.tolist()]
        return written(self.texts(rows), logprobs, [len(row) for row in rows])

    def generated(self, made: torch.Tensor, logits: Sequence[torch.Tensor]) -> list[Choice]:
        """As `choices`, from the logits `[B, V]` before each of the T tokens."""
        logprobs = torch.stack(list(logits), 1).float().log_softmax(-1)  # [B, T, V]
        picked = logprobs.gather(-1, made.unsqueeze(-1)).squeeze(-1)
        return self.choices(made.cpu().numpy(), picked.cpu().numpy())

    def stopping(self, start: int) -> StoppingCriteriaList | None:
        """What the library's own generation is to ask besides its end tokens.

        Args:
            start: tokens before an answer.
        """
        del start
        return None

    def _length(self, row: list[int]) -> int:
        return next((t for t in range(1, len(row) + 1) if self.over(row[:t])), len(row))


class ChunkWriting(Writing):
    """The way in which chunks of a text are generated; their white space is kept.

    Args:
        model: the model.
        chunk: bounds of a chunk.
    """

    def __init__(self, model: Generating, chunk: Chunk) -> None:
        self._chunk, self._tokenizer, self._end = chunk, model.tokenizer, model.stop_ids[:1]
        # Behind a word, since some tokenizers drop the space that a text begins with.
        self._before = token_ids(self._tokenizer, ["."], special=False)[0]
        self._lead = len(self._texts([self._before])[0])
        super().__init__(model.stop_ids, chunk.tokens, self._behind)
        # A line break shows in its token. That a token has a space does not, with some tokenizers.
        self._closing: frozenset[int] | None = None
        if all(stop == "\n" for stop in chunk.stops):
            vocabulary = range(len(self._tokenizer) if chunk.stops else 0)
            words = self._texts([[token] for token in vocabulary])
            self._closing = frozenset(token for token, word in enumerate(words) if "\n" in word)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of chunks, an end token last where a text ends with its chunk."""
        rows = token_ids(self._tokenizer, list(texts), special=False)
        return [
            row if self._chunk.goes_on(text) else row + self._end
            for row, text in zip(rows, texts, strict=True)
        ]

    def over(self, row: Sequence[int]) -> bool:
        if super().over(row):
            return True
        if self._closing is not None:
            return row[-1] in self._closing
        return self._chunk.goes_on(self.texts([row])[0])

    def texts(self, rows: Rows) -> list[str]:
        return [text.rstrip(_CUT) for text in self._decode(rows)]

    def stopping(self, start: int) -> StoppingCriteriaList:
        return StoppingCriteriaList([_Over(self.over, start)])

    def _behind(self, rows: Rows) -> list[str]:
        texts = self._texts([[*self._before, *row] for row in rows])
        return [text[self._lead :] for text in texts]

    def _texts(self, rows: Rows) -> list[str]:
        texts: list[str] = self._tokenizer.batch_decode(
            rows, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return texts


class _Over(StoppingCriteria):
    """Ends each row of a batch by itself."""

    def __init__(self, over: Callable[[Sequence[int]], bool], start: int) -> None:
        self._over, self._start = over, start

    def __call__(self, input_ids: torch.Tensor, scores: object, **more: object) -> torch.Tensor:
        rows = input_ids[:, self._start :].tolist()
        return torch.tensor([self._over(row) for row in rows], device=input_ids.device)


class Writings:
    """The ways in which a model generates: that of actions, and one for each bounds of chunks."""

    def __init__(self, model: Generating) -> None:
        self._model = model
        self._chunks: dict[Chunk, ChunkWriting] = {}

    def of(self, chunk: Chunk | None) -> Writing:
        """The way in which answers with these bounds are generated; None for that of actions."""
        if chunk is None:
            return Writing(self._model.end_ids, self._model.max_new_tokens, self._model.texts)
        return self.chunk(chunk)

    def chunk(self, chunk: Chunk) -> ChunkWriting:
        """The way in which chunks with these bounds are generated."""
        if chunk not in self._chunks:
            self._chunks[chunk] = ChunkWriting(self._model, chunk)
        return self._chunks[chunk]
