"""Worked solutions: right from the start, and the next step from any state."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.envs.generate.scorers import ReasoningScorer
from londi.envs.generate.tasks import load_tasks
from londi.envs.generate.worked import next_line, sorted_line, sum_line

SUM = {"expression": "34 - 56 + 7 - -8"}
SORTING = {"original_numbers": ["3.0", "-7.0", "12.5", "3.0"], "direction": "descending"}


def written(step: Any, metadata: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    while not lines or lines[-1].endswith("\n"):
        line = next_line(step, metadata, "".join(lines))
        assert line is not None
        lines.append(line)
    return lines


def test_a_chain_is_summed_term_by_term() -> None:
    assert written(sum_line, SUM) == ["34-56=-22\n", "-22+7=-15\n", "-15--8=-7\n", "-7"]
    assert written(sum_line, {"expression": "-3 + -4"}) == ["-3+-4=-7\n", "-7"]


def test_behind_a_slip_comes_the_next_step_from_there() -> None:
    assert next_line(sum_line, SUM, "34-56=-21\n") == "-21+7=-14\n"
    slipped = "34-56=-21\n-21+7=100\n3=2\n"
    assert next_line(sum_line, SUM, slipped) == "2"
    assert next_line(sum_line, SUM, f"{slipped}7\nand more\n") == "2"
    # A line without a result counts as if it were right, and a blank one not at all.
    assert next_line(sum_line, SUM, "\nnonsense\n\n-22+7=\n") == "-15--8=-7\n"


def test_a_line_that_is_begun_is_ended() -> None:
    assert next_line(sum_line, SUM, "34-56=-22\n-22+7") == "=-15\n"
    assert next_line(sum_line, SUM, "34-56=-22\n-22-9") == "-22+7=-15\n"


def test_a_list_is_sorted_number_by_number() -> None:
    assert written(sorted_line, SORTING) == [
        "12.5\n",
        "3.0\n",
        "3.0\n",
        "-7.0\n",
        "[12.5,3.0,3.0,-7.0]",
    ]
    ascending = SORTING | {"direction": "ascending"}
    assert next_line(sorted_line, ascending, "3.0\n") == "-7.0\n"
    assert next_line(sorted_line, ascending, "-7.0\n99\n3.0\n") == "3.0\n"
    assert next_line(sorted_line, ascending, "a\nb\nc\nd\ne\n") == "[a,b,c,d]"


@pytest.mark.parametrize(
    ("name", "options", "longest"),
    [
        ("chain_sum", {"min_terms": 4, "max_digits": 3, "allow_negation": True}, (6, 18)),
        ("number_sorting", {"min_numbers": 4, "max_numbers": 8, "max_decimals": 0}, (9, 50)),
    ],
)
def test_the_datasets_score_worked_solutions_as_right(
    name: str, options: dict[str, int], longest: tuple[int, int]
) -> None:
    tasks, scorer = load_tasks(f"reasoning-gym:{name}", options), ReasoningScorer()
    for seed in range(100):
        task, text, count = tasks.task(seed), "", 0
        while count == 0 or text.endswith("\n"):
            line = task.advice(text)
            assert line is not None and len(line) <= longest[1]
            text, count = text + line, count + 1
        assert scorer.score(task, text) == 1.0
        assert 4 <= count <= longest[0]


@given(st.text(), st.integers(0, 10_000))
def test_there_is_advice_in_any_state(text: str, seed: int) -> None:
    rng = random.Random(seed)
    terms = " + ".join(str(rng.randint(-999, 999)) for _ in range(rng.randint(1, 9)))
    assert next_line(sum_line, {"expression": terms}, text)
    assert next_line(sorted_line, SORTING, text)
