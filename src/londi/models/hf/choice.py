"""Actions out of numbers: the best of the candidates, or a generated text.

This file knows numbers and texts, and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from londi.types import Array


class Choice(NamedTuple):
    """An action of a model.

    Attributes:
        action: its text.
        logprob: its log-probability, summed over its tokens.
        confidence: its probability among the candidates, or of the text where there are none.
        steps: steps of the decoder, for all candidates.
        tokens: tokens of the action.
    """

    action: str
    logprob: float
    confidence: float
    steps: int
    tokens: int


def best(scores: Array, actions: Sequence[str], lengths: Sequence[int]) -> list[Choice]:
    """The candidate with the highest score in each row.

    Args:
        scores: `[B, C]`.
        actions: the C candidates.
        lengths: number of tokens of each candidate.
    """
    # One step for the first token of all candidates, then one for each further token.
    steps = 1 + sum(lengths) - len(lengths)
    at = scores.argmax(1)
    top = scores[np.arange(len(scores)), at]
    confidence = 1.0 / np.exp(scores - top[:, None]).sum(1)
    return [
        Choice(actions[k], score, share, steps, lengths[k])
        for k, score, share in zip(at.tolist(), top.tolist(), confidence.tolist(), strict=True)
    ]


def written(texts: Sequence[str], logprobs: Array, lengths: Sequence[int]) -> list[Choice]:
    """The generated answers.

    Args:
        texts: B answers.
        logprobs: log-probability of each token `[B, T]`.
        lengths: number of tokens of each answer, its end token included.
    """
    totals = [float(row[:count].sum()) for row, count in zip(logprobs, lengths, strict=True)]
    return [
        Choice(text, total, float(np.exp(total)), count, count)
        for text, total, count in zip(texts, totals, lengths, strict=True)
    ]
