"""The valid action that is meant by a text that is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher


def closest(action: str, valid: Sequence[str]) -> str:
    """The action of `valid`, not empty, that shares most words with `action`, then most letters."""
    words = Counter(action.split())

    def likeness(candidate: str) -> tuple[float, float]:
        other = Counter(candidate.split())
        shared = 2 * (words & other).total() / max(1, words.total() + other.total())
        return shared, SequenceMatcher(None, action, candidate).ratio()

    return max(valid, key=likeness)
