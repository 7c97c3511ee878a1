"""Tokenised demonstrations in batches.

This file knows demonstrations and a model's reader, and no training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from londi.imitation.demonstrations import Demonstration
from londi.models.hf.scoring import IGNORED
from londi.models.hf.transformer import TransformerModel


class Examples:
    """Tokenised (prompt, action) pairs, served in shuffled batches of similar length."""

    POOL = 50  # batches whose examples are sorted by length together

    def __init__(self) -> None:
        self._prompts: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._prompts)

    def add(self, lm: TransformerModel, episodes: Sequence[Demonstration]) -> None:
        """Tokenise and keep every step of `episodes`, as `lm` reads it."""
        for start in range(0, len(episodes), 1000):
            some = episodes[start : start + 1000]
            pairs = [pair for episode in some for pair in episode.examples(lm.history)]
            prompts, labels = zip(*pairs, strict=True)
            self._prompts += [np.array(ids, np.int32) for ids in lm.reader.read(prompts)]
            chunk = prompts[0].chunk  # one environment has the same bounds everywhere
            ids_of = lm.writings.chunk(chunk).ids if chunk else lm.action_ids
            self._labels += [np.array(ids, np.int32) for ids in ids_of(labels)]

    def batches(
        self, size: int, rng: np.random.Generator, pad: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Endless batches: input ids `[B, L]`, mask `[B, L]`, labels `[B, T]`."""
        while True:
            order = rng.permutation(len(self))
            for start in range(0, len(order), size * self.POOL):
                pool = order[start : start + size * self.POOL]
                pool = pool[np.argsort([len(self._prompts[i]) for i in pool], kind="stable")]
                starts = rng.permutation(range(0, len(pool), size))
                for first in starts:
                    rows = pool[first : first + size]
                    yield (
                        _pad([self._prompts[i] for i in rows], pad),
                        # A model may pad with a token that its prompts hold as well.
                        _pad([np.ones_like(self._prompts[i]) for i in rows], 0),
                        _pad([self._labels[i] for i in rows], IGNORED),
                    )


def _pad(rows: Sequence[np.ndarray], value: int) -> torch.Tensor:
    out = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for k, row in enumerate(rows):
        out[k, : len(row)] = row
    return torch.from_numpy(out)
