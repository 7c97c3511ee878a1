"""Where both models are known to say the same, from the shadow answers of traces.

There a call changes nothing but its price. What is known may not depend on the choice: an answer of
QUICK beside every call, and of DEEPTHINK beside a tenth of QUICK's steps, would make agreement a
sign of a call. So of the shadow answers beside one choice as many are passed over, by chance, as
makes both choices as well known. This file knows rows of traces, and nothing of what is learned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from londi.serve.apis import CHAT, api_of, message_text
from londi.storage.trace_tables import Row
from londi.storage.traces import read_traces

Place = tuple[str, float | None, int]
"""Session, when its process began it, and step: what names a step in all tables."""


class Agreement:
    """What the shadow answers of a file of traces tell.

    Args:
        file: the traces.
        seed: which answers are passed over.
    """

    def __init__(self, file: Path, seed: int = 0) -> None:
        self._shadows: dict[Place, Row] = {}
        shares: dict[int, list[float]] = {0: [], 1: []}
        for row in read_traces(file, "shadows"):
            shares[row["choice"]].append(row["share"] or 0.0)
            if row["status"] is not None and row["status"] < 300:
                self._shadows[_place(row)] = row
        known = [float(np.mean(of_model)) if of_model else 0.0 for of_model in shares.values()]
        self._least = min(known)
        self._rng = np.random.default_rng(seed)

    def of(self, rows: Sequence[Row]) -> np.ndarray:
        """`[T]` bool, of steps: whether both models are known to say the same."""
        return np.array([self._agree(row) for row in rows], bool)

    def _agree(self, step: Row) -> bool:
        shadow = self._shadows.get(_place(step))
        if shadow is None or self._rng.random() * (shadow["share"] or 1.0) >= self._least:
            return False
        mine, other = step["answer"], shadow["answer"]
        if mine and other:
            api = api_of(step["api"] or "") or CHAT
            texts = [message_text(api, json.loads(text)) for text in (mine, other)]
            return texts[0] == texts[1]
        mine, other = shadow["answer_embedding"], shadow["embedding"]
        return mine is not None and bool(mine == other)


def _place(row: Row) -> Place:
    return row["session"], row["begun"], row["step"]
