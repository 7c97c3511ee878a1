"""Worked solutions: right from the start, and the next step from any state."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.envs.generate.scorers import ReasoningScorer
from londi.envs.generate.tasks import load_tasks
from londi.envs.generate.worked import next_line, product_line, sorted_line

PRODUCT = {"expression": "347 * 56"}
SORTING = {"original_numbers": ["3.0", "-7.0", "12.5", "3.0"], "direction": "descending"}


def written(step: Any, metadata: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    while not lines or lines[-1].endswith("\n"):
        line = next_line(step, metadata, "".join(lines))
        assert line is not None
        lines.append(line)
    return lines


def test_long_multiplication_goes_digit_by_digit() -> None:
    assert written(product_line, PRODUCT) == [
        "347*6=2082\n",
        "347*50=17350\n",
        "2082+17350=19432\n",
        "19432",
    ]
    assert written(product_line, {"expression": "12 * 3"}) == ["12*3=36\n", "36"]


def test_behind_a_slip_comes_the_next_step_from_there() -> None:
    assert next_line(product_line, PRODUCT, "347*6=2081\n") == "347*50=17350\n"
    assert next_line(product_line, PRODUCT, "347*6=2081\n347*50=10\n") == "2081+10=2091\n"
    slipped = "347*6=2081\n347*50=10\n2081+10=7\n"
    assert next_line(product_line, PRODUCT, slipped) == "7"
    assert next_line(product_line, PRODUCT, f"{slipped}7\nand more\n") == "7"
    # A line without a result counts as if it were right, and a blank one not at all.
    assert next_line(product_line, PRODUCT, "\nnonsense\n\n347*50=17350\n") == "2082+17350=19432\n"


def test_a_line_that_is_begun_is_ended() -> None:
    assert next_line(product_line, PRODUCT, "347*6=2082\n347*5") == "0=17350\n"
    assert next_line(product_line, PRODUCT, "347*6=2082\n347*9") == "347*50=17350\n"


@pytest.mark.parametrize("expression", ["3 * 4 * 5", "-3 * 4", "3 * -4", "7"])
def test_other_products_have_no_worked_solution(expression: str) -> None:
    assert next_line(product_line, {"expression": expression}, "") is None


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
        ("products", {"min_digits": 3, "max_digits": 4}, (8, 28)),
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
    product = {"expression": f"{rng.randint(0, 9999)} * {rng.randint(0, 9999)}"}
    assert next_line(product_line, product, text) is not None
    assert next_line(sorted_line, SORTING, text) is not None
