"""QUICK's own embedding of a prompt as features: free where QUICK is asked anyhow.

This file knows replies, and no network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from londi.encoders.base import Encoder
from londi.envs.prompt import HISTORY, Prompt
from londi.types import Reply


class QuickEncoder(Encoder):
    """QUICK's own embedding of the prompt, and a little of what it does not show; all frozen.

    It falls out of the call that QUICK makes anyhow where it acts, so that the Switcher's own
    decision is a small network's. Behind it come the log-odds of QUICK's choice; which of the
    possible actions that is, one-hot (zeros for those beyond the first `CHOICES`; where any text is
    an action, or the possible ones change, its first word falls into one of as many bins); and for
    each of the two earlier steps, as far as the prompt holds them, the action done then, one-hot,
    and whether the same was observed then: a player that goes in circles sees its own past.

    Args:
        width: of QUICK's embedding.
    """

    CHOICES = 8

    reads_quick = True
    spec = "quick"

    def __init__(self, width: int) -> None:
        self._width = self.embedding = width
        self.size = width + 1 + self.CHOICES + (HISTORY - 1) * (self.CHOICES + 1)

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        rows = np.zeros((len(replies), self.size), np.float32)
        for row, prompt, reply in zip(rows, prompts, replies, strict=True):
            row[: self._width] = reply.embedding
            row[self._width] = _log_odds(reply.confidence)
            self._mark(row, self._width + 1, prompt, reply.action)
            seen, past = prompt.observations, prompt.past
            for k in range(1, min(HISTORY - 1, len(past)) + 1):
                start = self._width + k * (self.CHOICES + 1)
                row[start] = seen[-1 - k] == seen[-1]
                self._mark(row, start + 1, prompt, past[-k])
        return rows

    def _mark(self, row: np.ndarray, start: int, prompt: Prompt, action: str) -> None:
        """Set the one of `CHOICES` numbers from `start` on that stands for `action`."""
        known = prompt.actions[: self.CHOICES] if prompt.same_actions else ()
        if action in known:
            row[start + known.index(action)] = 1.0
        elif action.strip() and not known:
            verb = action.split(maxsplit=1)[0]
            row[start + crc32(verb.encode()) % self.CHOICES] = 1.0


class QuickWordsEncoder(QuickEncoder):
    """`QuickEncoder`, and the words of QUICK's choice: for actions that are written, not listed.

    Each word adds 1 or -1, by its hash, to one of `WORDS` numbers (feature hashing,
    arXiv 0902.2206).

    Args:
        width: of QUICK's embedding.
    """

    WORDS = 64

    spec = "quick-words"

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.size += self.WORDS

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> np.ndarray:
        rows = super().encode(prompts, replies)
        for row, reply in zip(rows[:, -self.WORDS :], replies, strict=True):
            for word in reply.action.split():
                place, sign = divmod(crc32(word.encode()), 2)
                row[place % self.WORDS] += 1.0 - 2.0 * sign
        return rows


def _log_odds(confidence: float) -> float:
    """Log-odds: of the size of the other features, and sharp near 1, where confidences crowd."""
    clear = min(max(confidence, 1e-4), 1 - 1e-4)
    return math.log(clear / (1 - clear))
