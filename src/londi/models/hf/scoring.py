"""Lists of candidates, and those of several prompts side by side for one forward pass.

Each prompt has a list of its own, and lists differ in their number of candidates. This file knows
token ids and scores, and no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from londi.models.hf.choice import Choice, best
from londi.types import Array

IGNORED = -100
"""Label that pads a candidate; a loss leaves it out."""

COPIED = 2**14
"""Most tokens of prompts and candidates in one pass over different lists, since each candidate runs
on a copy of its prompt's keys and values."""


class CandidateList(NamedTuple):
    """C actions of which one is chosen.

    Attributes:
        actions: their texts.
        rows: token ids of each.
        lengths: number of tokens of each.
        padding: what is added to the score of each for being shorter than the longest `[C]`.
    """

    actions: tuple[str, ...]
    rows: list[list[int]]
    lengths: list[int]
    padding: Array

    @classmethod
    def of(cls, actions: tuple[str, ...], rows: list[list[int]], worth: float) -> Self:
        """A list in which a token of padding counts `worth`."""
        lengths = [len(row) for row in rows]
        padding = worth * (max(lengths) - np.array(lengths, np.float32))
        return cls(actions, rows, lengths, padding)

    def choices(self, sums: Array) -> list[Choice]:
        """The best candidate of each row, by the sums over the candidates' own tokens `[B, C]`."""
        return best(sums + self.padding, self.actions, self.lengths)


class Candidates:
    """The candidates of B prompts, N in all, one list behind the other.

    Args:
        lists: the list of each prompt.
        device: where the tensors are.

    Attributes:
        ids: token ids `[N, T]`, padded with `IGNORED`.
        row: index of each candidate's prompt `[N]`.
    """

    def __init__(self, lists: Sequence[CandidateList], device: torch.device) -> None:
        self._lists = lists
        self._counts = [len(own.rows) for own in lists]
        width = max(max(own.lengths) for own in lists)
        rows = [row + [IGNORED] * (width - len(row)) for own in lists for row in own.rows]
        self.ids = torch.tensor(rows, device=device)
        self.row = torch.from_numpy(np.repeat(np.arange(len(lists)), self._counts)).to(device)

    def inputs(self, width: int) -> tuple[Tensor, Tensor]:
        """The first tokens of each as a model takes them, and their mask, both `[N, width]`."""
        ids = self.ids[:, :width]
        return ids.clamp(min=0), (ids != IGNORED).long()

    def sums(self, logits: Tensor, raw: bool) -> Tensor:
        """Sums over the tokens of each candidate `[N]`.

        Args:
            logits: those before each token `[N, T, V]`.
            raw: add up logits in place of log-probabilities.
        """
        values = logits.float()
        if not raw:
            values = values.log_softmax(-1)
        picked = values.gather(-1, self.ids.clamp(min=0).unsqueeze(-1)).squeeze(-1)  # [N, T]
        return picked.masked_fill(self.ids == IGNORED, 0.0).sum(-1)

    def choices(self, sums: Tensor) -> list[Choice]:
        """The best candidate of each prompt, by the sums `[N]`."""
        values = sums.cpu().numpy()
        if one_list(self._lists):
            return self._lists[0].choices(values.reshape(len(self._lists), -1))
        ends = np.cumsum(self._counts)[:-1]
        split = zip(self._lists, np.split(values, ends), strict=True)
        return [choice for own, part in split for choice in own.choices(part[None])]


def one_list(lists: Sequence[CandidateList]) -> bool:
    """Whether all prompts have the same candidates."""
    return len({own.actions for own in lists}) == 1


def passes(lists: Sequence[CandidateList], lengths: Sequence[int]) -> Iterator[slice]:
    """Parts of the prompts that are scored together: all where they have one list, or else as many
    as `COPIED` allows.

    Args:
        lists: the list of each prompt.
        lengths: the number of tokens of each prompt.
    """
    if one_list(lists):
        yield slice(len(lists))
        return
    start, count, longest = 0, 0, 0
    for row, (own, length) in enumerate(zip(lists, lengths, strict=True)):
        whole = length + max(own.lengths)
        longest, count = max(longest, whole), count + len(own.rows)
        if row > start and count * longest > COPIED:
            yield slice(start, row)
            start, count, longest = row, len(own.rows), whole
    if lists:
        yield slice(start, len(lists))
