"""Where both models are known to say the same: by words, by tools, and alike for both choices."""

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


def agreed(folder: Path, steps: list[Row], shadows: list[Row]) -> list[bool]:
    file = folder / "traces.db"
    write_traces(file, [("steps", row) for row in steps] + [("shadows", row) for row in shadows])
    return [bool(known) for known in Agreement(file).of(steps)]


OTHERS = [shadow(50, choice=1, answer=said("."))]
"""A shadow answer of DEEPTHINK elsewhere: it is asked as often as QUICK."""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (said("left"), said("left"), True),
        (said("left"), said("right"), False),
        (said("", **call("look", 1)), said("", **call("look", 2)), True),
        (said("", **call("look", 1)), said("", **call("wait", 1)), False),
        (said("left"), None, False),
    ],
)
def test_answers_agree_by_their_words_and_tools(
    tmp_path: Path, one: str, other: str | None, same: bool
) -> None:
    assert agreed(tmp_path, [step(0, answer=one)], [shadow(0, answer=other), *OTHERS]) == [same]


def test_embeddings_are_enough_where_no_texts_are_kept(tmp_path: Path) -> None:
    steps = [step(0), step(1), step(2)]
    shadows = [
        shadow(0, embedding=b"same", answer_embedding=b"same"),
        shadow(1, embedding=b"same", answer_embedding=b"else"),
        shadow(2, status=500, embedding=b"same", answer_embedding=b"same"),
    ]
    assert agreed(tmp_path, steps, [*shadows, *OTHERS]) == [True, False, False]


def test_what_is_known_of_one_choice_alone_is_not_known(tmp_path: Path) -> None:
    steps = [step(k, answer=said("left")) for k in range(20)]
    shadows = [shadow(k, answer=said("left")) for k in range(20)]
    assert not any(agreed(tmp_path, steps, shadows))


def test_both_choices_are_as_well_known(tmp_path: Path) -> None:
    # QUICK is asked beside every call, DEEPTHINK beside a quarter of QUICK's steps.
    rng = np.random.default_rng(0)
    steps = [step(k, choice=k % 2, answer=said("left")) for k in range(2_000)]
    shadows = [shadow(k, choice=0, answer=said("left")) for k in range(1, 2_000, 2)]
    shadows += [
        shadow(k, choice=1, share=0.25, answer=said("left"))
        for k in range(0, 2_000, 2)
        if rng.random() < 0.25
    ]
    known = np.array(agreed(tmp_path, steps, shadows))
    assert known[::2].mean() == pytest.approx(0.25, abs=0.05)
    assert known[1::2].mean() == pytest.approx(0.25, abs=0.05)
