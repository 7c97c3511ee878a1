"""Where both models say the same, and where they do not, from the shadow answers of traces.

This file knows rows of traces, and nothing of what is learned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import nan
from pathlib import Path

import numpy as np

from londi.serve.apis import CHAT, api_of, message_text
from londi.storage.trace_tables import Row
from londi.storage.traces import read_traces
from londi.types import Array

Place = tuple[str, float | None, int]
"""Session, when its process began it, and step: what names a step in all tables."""


class Agreement:
    """What the shadow answers of a file of traces tell.

    Args:
        file: the traces.
    """

    def __init__(self, file: Path) -> None:
        self._shadows = {
            _place(row): row
            for row in read_traces(file, "shadows")
            if row["status"] is not None and row["status"] < 300
        }

    def of(self, rows: Sequence[Row]) -> Array:
        """`[T]`, of steps: 1 where both models said the same, 0 where not, NaN where not known."""
        return np.array([self._agree(row) for row in rows], float)

    def _agree(self, step: Row) -> float:
        shadow = self._shadows.get(_place(step))
        if shadow is None:
            return nan
        mine, other = step["answer"], shadow["answer"]
        if mine and other:
            api = api_of(step["api"] or "") or CHAT
            texts = [message_text(api, json.loads(text)) for text in (mine, other)]
            return float(texts[0] == texts[1])
        mine, other = shadow["answer_embedding"], shadow["embedding"]
        return nan if mine is None or other is None else float(mine == other)


def _place(row: Row) -> Place:
    return row["session"], row["begun"], row["step"]
