"""Where both models say the same, by words and by tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from londi.serve.agreement import Agreement
from londi.storage.trace_tables import Row
from londi.storage.traces import as_json, write_traces


def said(text: str, **more: object) -> str:
    return as_json({"role": "assistant", "content": text, **more})


def call(name: str, number: int) -> dict[str, Any]:
    """A call of a tool, whose id is another in each answer."""
    tool = {"id": f"call_{number}", "type": "function"}
    return {"tool_calls": [tool | {"function": {"name": name, "arguments": "{}"}}]}


def step(k: int, choice: int = 1, answer: str | None = None) -> Row:
    place = {"session": "s", "begun": 1.0, "step": k, "time": 0.0}
    return place | {"choice": choice, "answer": answer, "api": "/chat/completions"}


def shadow(k: int, choice: int = 0, **told: object) -> Row:
    place = {"session": "s", "begun": 1.0, "step": k, "time": 0.0}
    return place | {"choice": choice, "share": 1.0, "status": 200} | told


def agreement(folder: Path, steps: list[Row], shadows: list[Row]) -> list[bool | None]:
    """Of each step; None where nobody knows it."""
    file = folder / "traces.db"
    write_traces(file, [("steps", row) for row in steps] + [("shadows", row) for row in shadows])
    return [None if np.isnan(known) else bool(known) for known in Agreement(file).of(steps)]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (said("left"), said("left"), True),
        (said("left"), said("right"), False),
        (said("", **call("look", 1)), said("", **call("look", 2)), True),
        (said("", **call("look", 1)), said("", **call("wait", 1)), False),
        (said("left"), None, None),
    ],
)
def test_answers_agree_by_their_words_and_tools(
    tmp_path: Path, one: str, other: str | None, same: bool | None
) -> None:
    assert agreement(tmp_path, [step(0, answer=one)], [shadow(0, answer=other)]) == [same]


def test_embeddings_are_enough_where_no_texts_are_kept(tmp_path: Path) -> None:
    steps = [step(0), step(1), step(2)]
    shadows = [
        shadow(0, embedding=b"same", answer_embedding=b"same"),
        shadow(1, embedding=b"same", answer_embedding=b"else"),
        shadow(2, status=500, embedding=b"same", answer_embedding=b"same"),
    ]
    assert agreement(tmp_path, steps, shadows) == [True, False, None]


def test_a_step_beside_which_nobody_was_asked_is_not_known(tmp_path: Path) -> None:
    steps = [step(k, choice=k % 2, answer=said("left")) for k in range(3)]
    shadows = [shadow(1, answer=said("left")), shadow(50, choice=1, answer=said("left"))]
    assert agreement(tmp_path, steps, shadows) == [None, True, None]
