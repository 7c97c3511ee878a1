"""Scores of texts: hand-worked numbers, and scorers that fail."""

from __future__ import annotations

import inspect
import itertools
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reasoning_gym.factory import DATASETS

from londi.envs.generate.scorers import (
    EVALUATED,
    ExactScorer,
    FunctionScorer,
    NumericScorer,
    ReasoningScorer,
    answer_of,
    checked_score,
    code_of,
    last_number,
    make_scorer,
)
from londi.envs.generate.tasks import Task, load_tasks
from londi.errors import EnvironmentFailed, InvalidConfig, LondiError, UnknownName


def source(dataset: type) -> str:
    """The code of a dataset."""
    return Path(inspect.getfile(dataset)).read_text(encoding="utf-8")


def task(**given: Any) -> Task:
    return Task.read({"prompt": "p"} | given, "mine.jsonl, line 3")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("one\n two \n\n", "two"),
        ("", ""),
        ("so <answer> 4 </answer> it is\nthe end", "4"),
        ("<answer>1</answer> no, <answer>\n2\n3\n</answer>", "2\n3"),
        ("<answer>open\nlast", "last"),
        ("</answer> <answer>1</answer> and </answer>", "1"),
        ("one\n</answer>", "</answer>"),
    ],
)
def test_the_answer_is_what_is_marked_or_the_last_line(text: str, answer: str) -> None:
    assert answer_of(text) == answer


def test_an_answer_of_several_lines_is_as_many_last_lines() -> None:
    right = "1 2\n\n3 4\n"
    assert answer_of("So:\n1 2\n\n3 4", right) == "1 2\n\n3 4"
    assert answer_of("So: <answer>1 2</answer>\nx", right) == "1 2"
    assert answer_of("4", right) == "4"
    made = load_tasks("reasoning-gym:mini_sudoku", {}).task(3)
    assert ReasoningScorer().score(made, f"This is it:\n{made.answer}\n") == 1.0


def test_an_answer_is_found_in_time() -> None:
    began = time.monotonic()
    assert answer_of("<answer>" * 100_000 + "\nx") == "x"
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2 and 3.", 3.0),
        ("x = 5-3", 3.0),
        ("x = -3", -3.0),
        ("(4)-3", 3.0),
        ("it is \N{MINUS SIGN}7", -7.0),
        ("1,234,567.5 in all", 1_234_567.5),
        ("f(1,2)", 2.0),
        ("12,34", 34.0),
        ("6.02e23", 6.02e23),
        ("#### 18", 18.0),
        ("is .5", 0.5),
        ("-.5e1", -5.0),
        ("v1.5.25", 25.0),
        ("-0", 0.0),
        ("50%", 50.0),
        ("none", None),
        ("٣", None),
    ],
)
def test_the_last_number_of_a_text(text: str, number: float | None) -> None:
    assert last_number(text) == number


@given(st.text())
def test_any_text_has_a_number_or_none(text: str) -> None:
    found = last_number(text)
    assert found is None or isinstance(found, float)


@given(st.floats(allow_nan=False, allow_infinity=False), st.text("abc .:\n"))
def test_a_number_is_found_as_it_was_written(number: float, before: str) -> None:
    assert last_number(f"{before} {number!r}") == number


def test_exact_is_word_for_word() -> None:
    scorer = ExactScorer()
    assert scorer.score(task(answer=" yes "), "so\nyes\n") == 1.0
    assert scorer.score(task(answer="yes"), "Yes") == 0.0
    assert scorer.score(task(answer="yes"), "yes\nno") == 0.0


def test_numeric_has_a_tolerance() -> None:
    assert NumericScorer().score(task(answer=20), "5*4=20\n20.0") == 1.0
    assert NumericScorer().score(task(answer="20"), "21") == 0.0
    assert NumericScorer().score(task(answer="20"), "none") == 0.0
    assert NumericScorer(0.1).score(task(answer="20"), "21.9") == 1.0  # a tenth of 21.9 at most
    assert NumericScorer(0.1).score(task(answer="20"), "22.3") == 0.0
    assert NumericScorer(0.1).score(task(answer="0"), "0.1") == 1.0
    with pytest.raises(InvalidConfig, match="line 3: answer: expected a number, got 'many'"):
        NumericScorer().check(task(answer="many"))


def test_rouge_is_the_f_measure_of_the_longest_common_words() -> None:
    scorer = make_scorer("rouge-l", {})
    # "the cat sat" of 3 words in a text of 4 and a reference of 5: P 3/4, R 3/5, F 2/3.
    reference = task(reference="the cat has now sat")
    assert scorer.score(reference, "The cat sat down.") == pytest.approx(2 / 3)
    assert scorer.score(reference, "the cat has now sat") == 1.0
    assert scorer.score(reference, "") == 0.0


def test_reasoning_gym_scores_the_answer_by_its_own_rules() -> None:
    made = load_tasks("reasoning-gym:chain_sum", {}).task(3)
    scorer = ReasoningScorer()
    assert scorer.score(made, f"first\nthen\n{made.answer}") == 1.0
    assert scorer.score(made, f"<answer>{made.answer}</answer>\nwell") == 1.0
    assert scorer.score(made, "no idea") == 0.0


@pytest.mark.parametrize(
    ("name", "text"),
    [("prime_factorization", "I do not know"), ("coin_flip", "1e999"), ("game_of_life", "{}")],
)
def test_an_answer_that_reasoning_gym_cannot_read_is_wrong(name: str, text: str) -> None:
    assert ReasoningScorer().score(load_tasks(f"reasoning-gym:{name}", {}).task(3), text) == 0.0


def test_reasoning_gym_scores_its_own_tasks_alone() -> None:
    with pytest.raises(InvalidConfig, match=r"line 3: the scorer reasoning-gym scores tasks of re"):
        ReasoningScorer().check(task(answer="4"))


def test_no_text_is_run_as_python_outside_of_a_sandbox() -> None:
    evaluating = {
        name
        for name, (dataset, _) in DATASETS.items()
        if re.search(r"\b(?:eval|parse_expr|sympify|exec)\(\s*answer", source(dataset))
    }
    assert evaluating == EVALUATED
    made = load_tasks("reasoning-gym:countdown", {}).task(0)
    with pytest.raises(InvalidConfig, match=r"countdown, seed 0: .* evaluates an answer as Python"):
        ReasoningScorer().check(made)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 1\n", "x = 1\n"),
        ("Here:\n```python\nx = 1\n```\nand\n```\nx = 2\n```\ndone", "x = 2\n"),
        ("```python\nx = 1\ny = 2", "x = 1\ny = 2"),
    ],
)
def test_a_program_is_the_last_block_in_fences_or_the_text(text: str, code: str) -> None:
    assert code_of(text) == code


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("exakt", {}, r"unknown scorer 'exakt'; did you mean 'exact'\?"),
        ("rouge", {}, r"unknown scorer 'rouge'; did you mean 'rouge-l'\?"),
        (3, {}, "unknown scorer '3'"),
        (
            "numeric",
            {"tolerence": 1},
            r"option of the scorer numeric 'tol.*; did you mean 'toleran",
        ),
        ("exact", {"tolerance": 1}, "unknown option of the scorer exact 'tolerance'"),
        ("numeric", {"tolerance": -1}, "tolerance: expected a number >= 0, got -1"),
        ("no_such_module:f", {}, "cannot import 'no_such_module'"),
        ("numeric", {"tolerance": float("nan")}, "tolerance: expected a number >= 0, got nan"),
        ("numeric", {"tolerance": float("inf")}, "tolerance: expected a number >= 0, got inf"),
        ("os:getcwd", {}, "scorer: expected a function of a text and a task, got 'os:getcwd': too"),
        (f"{__name__}:weighted", {"wieght": 1}, "unknown option of .*; did you mean 'weight'"),
        (f"{__name__}:weighted", {}, "missing a required argument: 'weight'"),
        (f"{__name__}:mistake", {}, "unknown scorer in"),
        (f"{__name__}:LENGTH", {}, "scorer: expected a function of a text and a task"),
    ],
)
def test_a_scorer_that_cannot_be_had_is_one_line(
    name: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises((UnknownName, InvalidConfig), match=said) as caught:
        make_scorer(name, options)
    assert "\n" not in str(caught.value)


LENGTH = 4


def weighted(text: str, task: dict[str, Any], weight: float) -> float:
    return weight


def by_length(text: str, given: dict[str, Any], most: int = 10) -> float:
    """A scorer of a user's own."""
    return min(1.0, len(text) / most) if given["prompt"] == "p" else 0.0


def gives(text: str, given: dict[str, Any]) -> Any:
    return {"nan": float("nan"), "none": None, "text": "1", "two": 2.0, "less": -0.1, "yes": True}[
        text
    ]


def raises(text: str, given: dict[str, Any]) -> float:
    raise ValueError(f"no\nidea of {text}")


def hangs(text: str, given: dict[str, Any]) -> float:
    for _ in itertools.count():
        try:
            time.sleep(0.001)
        except Exception:
            continue  # a scorer that takes everything for an error of its own
    return 1.0


def score(name: str, text: str, seconds: float = 60.0, **options: Any) -> float:
    spec = f"{__name__}:{name}"
    return checked_score(spec, FunctionScorer(spec, options), task(), text, seconds)


def test_a_function_scores_texts() -> None:
    assert score("by_length", "12345") == 0.5
    assert score("by_length", "12345", most=5) == 1.0
    assert score("gives", "yes") == 1.0


@pytest.mark.parametrize("text", ["nan", "none", "text", "two", "less"])
def test_anything_but_a_number_from_0_to_1_names_scorer_and_task(text: str) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        score("gives", text)
    said = str(caught.value)
    assert said.startswith(f"scorer '{__name__}:gives', task mine.jsonl, line 3: expected a number")
    assert "\n" not in said


def test_a_scorer_that_raises_or_hangs_is_one_line() -> None:
    with pytest.raises(LondiError, match=r"scorer '.*:raises', task mine.*: ValueError: no idea"):
        score("raises", "x")
    with pytest.raises(LondiError, match=r"'.*:hangs', task mine.*: no score within 0.05 seconds"):
        score("hangs", "x", 0.05)
