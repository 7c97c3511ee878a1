"""Hashed words of a text state, and plain facts about a conversation: no model, no download.

This file knows texts, and no network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log1p
from zlib import crc32

import numpy as np

from londi.encoders.base import Encoder
from londi.envs.conversation import ConversationPrompt
from londi.envs.prompt import Prompt
from londi.types import Array, Reply

LIFETIME = 300.0
"""Seconds for which providers keep the beginning of a prompt in their cache."""

_WORD = re.compile(r"\w+")
_ROLES = ("user", "assistant", "tool", "system")
_DAY = 86_400.0


class TextEncoder(Encoder):
    """Words of the last turns and of the beginning, hashed, and facts about a conversation.

    Each word adds 1 or -1, by its hash, to one number of its part (feature hashing,
    arXiv 0902.2206); a part has length 1. The parts are what came last, the answer before it, and
    how the episode or conversation began. Behind them stand `FACTS` numbers: turns, lengths,
    the role of the last message, failures of tools, repeated calls of tools, which model answered
    last, and how long each has been idle, so that its prompt cache is warm or gone. In an
    environment the facts that only a conversation has are 0.
    """

    PARTS = (128, 64, 64)
    """Numbers of each part."""
    FACTS = 18
    KEPT = 4000
    """Characters of a text that are read: its last ones."""

    size = sum(PARTS) + FACTS
    slow = False
    spec = "text"

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> Array:
        rows = np.zeros((len(prompts), self.size), np.float32)
        for row, prompt in zip(rows, prompts, strict=True):
            start = 0
            answer = prompt.past[-1] if prompt.past else ""
            texts = (prompt.observations[-1], answer, prompt.goal)
            for text, size in zip(texts, self.PARTS, strict=True):
                self._hash(text[-self.KEPT :], row[start : start + size])
                start += size
            row[start:] = _facts(prompt)
        return rows

    @staticmethod
    def _hash(text: str, part: Array) -> None:
        for word in _WORD.findall(text.lower()):
            place, sign = divmod(crc32(word.encode()), 2)
            part[place % len(part)] += 1.0 - 2.0 * sign
        part /= max(1.0, float(np.linalg.norm(part)))


def _facts(prompt: Prompt) -> list[float]:
    """`FACTS` numbers, most of them in [0, 1], as large as a part of words."""
    length = _log(len(prompt.observations[-1]), 1e5)
    if not isinstance(prompt, ConversationPrompt):
        return [length, *[0.0] * (TextEncoder.FACTS - 1)]
    return [
        length,
        1.0,  # it is a conversation
        _log(prompt.characters, 1e6),
        _log(prompt.turns, 100),
        *(float(prompt.role == role) for role in _ROLES),
        _log(prompt.failures, 10),
        float(prompt.failed),
        _log(prompt.repeats, 10),
        *(float(prompt.answered_by == who) for who in (None, 0, 1)),
        *(float(idle < LIFETIME) for idle in prompt.idle),
        *(_log(min(idle, _DAY), _DAY) for idle in prompt.idle),
    ]


def _log(number: float, much: float) -> float:
    """The logarithm of a number >= 0, 1 at `much`."""
    return log1p(number) / log1p(much)
