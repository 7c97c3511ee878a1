"""Tasks of files, of reasoning-gym and of functions: what they hold, their splits, bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from londi import make_env
from londi.envs.generate.tasks import FileTasks, Task, load_tasks
from londi.envs.seeds import HELD_OUT, SWITCHING, VALIDATION
from londi.errors import EnvironmentFailed, InvalidConfig, LondiError, UnknownName
from writers import FILES


def lines(count: int, **more: Any) -> list[str]:
    return [json.dumps({"prompt": f"p{k}", "answer": k} | more) for k in range(count)]


def seen(tasks: FileTasks, first: int, count: int) -> set[str]:
    return {tasks.task(first + k).prompt for k in range(count)}


def test_the_lines_of_a_file_are_parted_the_same_way_every_time() -> None:
    tasks, again = (FileTasks("f", lines(30)) for _ in range(2))
    train, dev, test = (seen(tasks, first, 60) for first in (0, VALIDATION, HELD_OUT))
    assert (len(train), len(dev), len(test)) == (24, 3, 3)
    assert len(train | dev | test) == 30
    assert seen(tasks, SWITCHING, 60) == train
    assert seen(again, HELD_OUT, 60) == test
    # As many held-out episodes as there are lines play each of them once.
    assert len(seen(tasks, HELD_OUT + 7, 3)) == 3


def test_a_key_says_where_a_line_belongs() -> None:
    given = [*lines(2, split="train"), *lines(1, split="test"), ""]
    tasks = FileTasks("f", given)
    assert seen(tasks, 0, 9) == {"p0", "p1"} and seen(tasks, HELD_OUT, 9) == {"p0"}
    with pytest.raises(InvalidConfig, match="tasks: 'f' has no line of the split 'dev'"):
        tasks.task(VALIDATION)
    with pytest.raises(UnknownName, match=r"unknown split in 'f', line 2: 'tset'; did you mean 't"):
        FileTasks("f", [*lines(1, split="test"), *lines(1, split="tset")])
    with pytest.raises(InvalidConfig, match="'f', line 2: expected the key 'split', got"):
        FileTasks("f", [*lines(1, split="test"), *lines(1)])


@pytest.mark.parametrize(
    ("line", "scorer", "said"),
    [
        ('{"prompt": "x"', "exact", "line 2: expected JSON: Expecting ',' delimiter, column 15"),
        ("[" * 100_000, "exact", "line 2: expected JSON: RecursionError"),
        ('["x"]', "exact", "line 2: expected an object with 'prompt', got ['x']"),
        ('{"promt": "x"}', "exact", "line 2: expected the key 'prompt', got ['promt']"),
        (
            '{"prompt": "x", "prompt": "y"}',
            "exact",
            "line 2: expected JSON: ValueError: the key 'prompt' is there twice",
        ),
        ('{"prompt": " \\n"}', "exact", "line 2: prompt: expected some text, got "),
        (
            '{"prompt": "\\ud83d"}',
            "exact",
            "line 2: prompt: expected Unicode, got half of a surrogate pair, '\\ud83d'",
        ),
        ('{"prompt": "x", "tests": ["\\ud83d"]}', "exact", "line 2: tests: expected Unicode"),
        ('{"prompt": "x", "answer": " "}', "exact", "line 2: answer: expected some text, got ' '"),
        ('{"prompt": "x", "answer": NaN}', "exact", "line 2: answer: expected a finite number"),
        ('{"prompt": "x", "answer": 1e999}', "numeric", "line 2: answer: expected a finite number"),
        (
            '{"prompt": "x", "answer": "1e999"}',
            "numeric",
            "line 2: answer: expected a number, got '1e999'",
        ),
        (
            f'{{"prompt": "x", "answer": {10**400}}}',
            "numeric",
            "line 2: answer: expected a number, got '1000",
        ),
        (
            '{"prompt": "x", "reference": "..."}',
            "rouge-l",
            "line 2: reference: expected words of a-z and digits",
        ),
        ('{"prompt": ""}', "exact", "line 2: prompt: expected some text, got "),
        ('{"prompt": 3}', "exact", "line 2: prompt: expected a text, got 3"),
        ('{"prompt": "x"}', "exact", "line 2: expected the key 'answer', got ['prompt']"),
        ('{"prompt": "x"}', "numeric", "line 2: expected the key 'answer', got ['prompt']"),
        ('{"prompt": "x"}', "rouge-l", "line 2: expected the key 'reference', got ['prompt']"),
        ('{"prompt": "x", "answer": "y"}', "numeric", "line 2: answer: expected a number, got 'y'"),
        ('{"prompt": "x", "answer": [1]}', "exact", "line 2: answer: expected a text, got [1]"),
        ('{"prompt": "x", "answer": true}', "exact", "line 2: answer: expected a text, got True"),
        ('{"prompt": "x", "tests": [1]}', "exact", "line 2: tests: expected a text or a list of"),
        ('{"prompt": "x", "reference": 1}', "exact", "line 2: reference: expected a text, got 1"),
        ('{"prompt": "x", "solution": {}}', "exact", "line 2: solution: expected a text, got {}"),
        ('{"prompt": "x", "before": []}', "exact", "line 2: before: expected a text, got []"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, scorer: str, said: str) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join([*lines(1, reference="r"), line, *lines(3)]))
    with pytest.raises(LondiError) as caught:
        make_env("londi/Generate-v0", tasks=str(file), scorer=scorer)
    assert f"tasks.jsonl', {said}" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    wanted = r"tasks: expected a file of JSON lines, reasoning-gym:NAME or module:function, got '.*"
    with pytest.raises(InvalidConfig, match=wanted + "gone.jsonl': No such file or directory"):
        load_tasks(str(tmp_path / "gone.jsonl"), {})
    with pytest.raises(InvalidConfig, match=wanted + "': Is a directory"):
        load_tasks(str(tmp_path), {})
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "\xe9"}')
    with pytest.raises(InvalidConfig, match=wanted + "latin.jsonl': it is no UTF-8"):
        load_tasks(str(tmp_path / "latin.jsonl"), {})
    for text in ("", "\n \n"):
        (tmp_path / "empty.jsonl").write_text(text)
        with pytest.raises(InvalidConfig, match=r"tasks: '.*empty.jsonl' has no lines"):
            load_tasks(str(tmp_path / "empty.jsonl"), {})
    (tmp_path / "few.jsonl").write_text("\n".join(lines(2)))
    with pytest.raises(
        InvalidConfig, match=r"expected 3 different prompts.* got 2 in '.*few.jsonl'"
    ):
        load_tasks(str(tmp_path / "few.jsonl"), {})


def test_a_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(lines(3)))
    first = load_tasks(str(file), {})
    assert load_tasks(str(file), {}) is first, "copies of an environment share it"
    file.write_text("\n".join(lines(30)))
    assert load_tasks(str(file), {}) is not first


def test_a_line_holds_what_scorers_need() -> None:
    given = {"prompt": "p", "answer": 1.5, "tests": "assert f()", "before": "b", "more": [1]}
    task = Task.read(given, "x")
    assert (task.answer, task.tests, task.before) == ("1.5", ("assert f()",), "b")
    assert task.given["more"] == [1] and task.advice("") is None


@pytest.mark.parametrize("name", FILES)
def test_the_fixtures_can_be_read(name: str) -> None:
    tasks = load_tasks(str(FILES[name]), {})
    assert tasks.task(0).advice("")


def test_reasoning_gym_makes_a_task_of_every_seed() -> None:
    tasks = load_tasks("reasoning-gym:chain_sum", {"min_terms": 3})
    first, again, other = tasks.task(7), tasks.task(7), tasks.task(HELD_OUT + 7)
    assert first.prompt == again.prompt != other.prompt
    assert first.name == "reasoning-gym:chain_sum, seed 7"
    assert first.answer == str(eval(first.given["metadata"]["expression"]))
    # One of those that make no more tasks than they were asked for.
    few = load_tasks("reasoning-gym:gsm_symbolic", {})
    assert few.task(HELD_OUT).prompt == few.task(HELD_OUT).prompt != few.task(0).prompt


@pytest.mark.parametrize(
    ("spec", "options", "said"),
    [
        ("reasoning-gym:chain_sun", {}, r"unknown dataset of reasoning-gym 'chain_sun'; did you m"),
        (
            "reasoning-gym:chain_sum",
            {"min_term": 3},
            r"unknown option of .*; did you mean 'min_ter",
        ),
        ("reasoning-gym:chain_sum", {"size": 3}, r"unknown option of reasoning-gym:chain_sum 'siz"),
        ("reasoning-gym:chain_sum", {"min_terms": 0}, r"task_options of .*: min_terms must be pos"),
        (
            "reasoning-gym:chain_sum",
            {"min_terms": "a"},
            r"task_options.min_terms: expected a value such as 2, got 'a'",
        ),
        ("no_such_module:make", {}, "cannot import 'no_such_module'"),
        ("writers:mistake", {}, "unknown tasks in 'writers'"),
        (f"{__name__}:count_up", {"mots": 3}, r"unknown option of .*; did you mean 'most'\?"),
        (f"{__name__}:count_up", {"seed": 3}, r"unknown option of .* 'seed'"),
        ("writers:tasks", {"x": 3}, "unknown option of writers:tasks 'x'"),
        ("os:getcwd", {}, "tasks: expected a function of a seed, got 'os:getcwd': too many posit"),
        ("writers:FILES", {}, "tasks: expected a function of a seed, got 'writers:FILES'"),
    ],
)
def test_a_generator_that_cannot_be_had_is_one_line(
    spec: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(LondiError, match=said) as caught:
        load_tasks(spec, options)
    assert "\n" not in str(caught.value)


def count_up(seed: int, most: int = 3) -> dict[str, str]:
    """A task of a user's own."""
    last = seed % most
    return {"prompt": f"Count from 0 to {last}", "answer": str(last)}


def test_a_function_makes_a_task_of_a_seed() -> None:
    spec = f"{__name__}:count_up"
    task = load_tasks(spec, {"most": 5}).task(4)
    assert (task.prompt, task.answer) == ("Count from 0 to 4", "4")
    with pytest.raises(InvalidConfig, match=rf"{spec}, seed 0: expected the key 'reference', got"):
        make_env("londi/Generate-v0", tasks=spec, scorer="rouge-l")


def failing(seed: int) -> dict[str, str]:
    """A task of a user's own that fails."""
    if seed:
        sys.exit(0)
    raise ValueError("no\nluck")


def test_a_function_that_fails_is_one_line() -> None:
    spec = f"{__name__}:failing"
    with pytest.raises(EnvironmentFailed, match=rf"{spec}, seed 0: ValueError: no luck$"):
        make_env("londi/Generate-v0", tasks=spec, scorer="exact")
    with pytest.raises(EnvironmentFailed, match=rf"{spec}, seed 1: SystemExit: 0$"):
        load_tasks(spec, {}).task(1)


def test_the_lines_of_a_prompt_are_in_one_split() -> None:
    twice = [line.replace('"answer": ', f'"answer": {k}') for k in (1, 2) for line in lines(20)]
    tasks = FileTasks("f", twice)
    parts = [seen(tasks, first, 60) for first in (0, VALIDATION, HELD_OUT)]
    assert [len(part) for part in parts] == [16, 2, 2] and len(set.union(*parts)) == 20
    with pytest.raises(InvalidConfig, match=r"expected 3 different prompts or more, .* got 1 in"):
        FileTasks("f", lines(1) * 9)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(lines(3)), encoding="utf-8-sig")
    assert load_tasks(str(file), {}).task(0).prompt.startswith("p")
