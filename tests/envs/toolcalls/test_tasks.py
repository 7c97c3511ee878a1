"""Tasks: what bfcl_eval's files become, and who plays which of them."""

from __future__ import annotations

import pytest

from londi.envs.toolcalls.calls import read_call
from londi.envs.toolcalls.tasks import CATEGORIES, Task, tasks

SPLITS = ("train", "dev", "test")


def named(name: str) -> Task:
    category = name.removeprefix("multi_turn_").rpartition("_")[0]
    return next(task for split in SPLITS for task in tasks((category,), split) if task.name == name)


def scenario(task: Task) -> int:
    return int(task.name.rpartition("_")[2])


def test_a_scenario_is_in_one_split_whatever_the_category() -> None:
    by_split = [
        [{scenario(task) for task in tasks((category,), split)} for category in CATEGORIES]
        for split in SPLITS
    ]
    for one in by_split:
        assert one[0] == one[1] == one[2] == one[3]
    assert [len(one[0]) for one in by_split] == [120, 40, 40]
    assert len(set.union(*(one[0] for one in by_split))) == 200


def test_the_order_is_mixed_and_always_the_same() -> None:
    first = [task.name for task in tasks(("base",), "test")]
    assert first == [task.name for task in tasks(("base",), "test")]
    assert first != sorted(first, key=lambda name: int(name.rpartition("_")[2]))
    both = tasks(("base", "miss_func"), "test")
    assert len({task.name for task in both}) == 80


def test_a_task_is_what_the_file_says() -> None:
    task = named("multi_turn_base_0")
    assert task.requests[0] == (
        "Move 'final_report.pdf' within document directory to 'temp' directory in document. Make"
        " sure to create the directory"
    )
    assert task.solution[0] == (
        "cd(folder='document')",
        "mkdir(dir_name='temp')",
        "mv(source='final_report.pdf', destination='temp')",
    )
    assert task.apis == ("TwitterAPI", "GorillaFileSystem")
    assert len(task.requests) == len(task.solution) == len(task.functions) == 4
    names = {function.name for function in task.functions[0]}
    assert {"cd", "cp", "post_tweet"} <= names and "place_order" not in names
    assert task.functions[0] == task.functions[3] and not task.long_context
    assert named("multi_turn_long_context_0").long_context


def test_a_missing_function_comes_with_a_later_turn() -> None:
    task = named("multi_turn_miss_func_0")
    at_hand = [{function.name for function in functions} for functions in task.functions]
    assert ["sort" in names for names in at_hand] == [False, False, False, True, True]
    assert task.solution[2] == () and task.solution[3] == ("sort('final_report.pdf')",)
    assert task.requests[3] == (
        "I have updated some more functions you can choose from. What about now?"
    )


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_solution_is_calls_that_can_be_read_of_functions_at_hand(category: str) -> None:
    # One solution of bfcl_eval calls a function before it is given; it can be called all the same.
    early = {("multi_turn_miss_func_49", "tail")}
    for split in SPLITS:
        for task in tasks((category,), split):
            for turn, calls in enumerate(task.solution):
                names = {function.name for function in task.functions[turn]}
                for text in calls:
                    call = read_call(text, ())
                    assert call is not None
                    assert call.name in names or (task.name, call.name) in early, (task.name, text)
