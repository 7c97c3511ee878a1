"""Tasks of the Berkeley Function Calling Leaderboard: conversations with stateful tools.

200 scenarios, each in four categories: as it is (`base`), with a function that is missing until a
later turn (`miss_func`), with a request that lacks something until a later turn (`miss_param`), and
with much more to read (`long_context`). This file knows how bfcl_eval keeps them. It does not know
how they are played.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from random import Random
from typing import Any

from londi.envs.seeds import Split
from londi.errors import InvalidConfig, MissingExtra

VERSION = "2026.3.23"
"""The release of bfcl_eval whose tasks these are."""
INSTALL = f"pip install --no-deps bfcl_eval=={VERSION}"
CATEGORIES = ("base", "miss_func", "miss_param", "long_context")

_PREFIX = "BFCL_v4_multi_turn"
_FOLD: dict[Split, tuple[int, ...]] = {"train": (0, 1, 2), "dev": (3,), "test": (4,)}
"""Scenarios of a split, by their number modulo 5: scenarios of one kind stand side by side."""


@dataclass(frozen=True, slots=True)
class Function:
    """The documentation of a function, as bfcl_eval has it.

    Attributes:
        name: its name.
        entry: the whole entry, with `description` and `parameters`.
    """

    name: str
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A conversation of T turns.

    Attributes:
        name: bfcl_eval's name, such as ``"multi_turn_base_0"``.
        requests: T messages of the user.
        solution: the calls of each turn, in Python's form; none where nothing can be done yet.
        apis: names of the classes whose methods are the functions.
        config: the first state of each class.
        functions: the functions at hand in each turn.
        long_context: whether the classes show more than is needed.
    """

    name: str
    requests: tuple[str, ...]
    solution: tuple[tuple[str, ...], ...]
    apis: tuple[str, ...]
    config: Mapping[str, Any]
    functions: tuple[tuple[Function, ...], ...]
    long_context: bool


@cache
def tasks(categories: tuple[str, ...], split: Split) -> tuple[Task, ...]:
    """The tasks of a split, in a mixed order that is always the same.

    A scenario is in one split, whatever the category: 120 are for training, 40 for validation and
    40 are held out.

    Raises:
        MissingExtra: if bfcl_eval is not installed.
        InvalidConfig: if it is another release.
    """
    chosen = [
        task
        for category in categories
        for number, task in enumerate(_category(category))
        if number % 5 in _FOLD[split]
    ]
    Random(0).shuffle(chosen)
    return tuple(chosen)


@cache
def _category(category: str) -> tuple[Task, ...]:
    check_installed()
    solutions = {
        row["id"]: row["ground_truth"] for row in _rows(f"possible_answer/{_file(category)}")
    }
    return tuple(_task(row, solutions[row["id"]]) for row in _rows(_file(category)))


def check_installed() -> None:
    """Check that bfcl_eval is there, in the release that the tasks are known from.

    Raises:
        MissingExtra: if it is not installed, or lacks mpmath.
        InvalidConfig: if it is another release.
    """
    try:
        import bfcl_eval  # noqa: F401
        import mpmath  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "tools", INSTALL) from error
    if (found := version("bfcl_eval")) != VERSION:
        raise InvalidConfig(f"bfcl_eval: expected release {VERSION}, got {found}; run: {INSTALL}")


def _file(category: str) -> str:
    return f"{_PREFIX}_{category}.json"


def _rows(name: str) -> Iterator[dict[str, Any]]:
    text = files("bfcl_eval").joinpath("data", name).read_text(encoding="utf-8")
    return map(json.loads, text.splitlines())


def _task(row: Mapping[str, Any], solution: Sequence[Sequence[str]]) -> Task:
    from bfcl_eval.constants.default_prompts import DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC

    given_later = {
        name: int(turn) for turn, names in row.get("missed_function", {}).items() for name in names
    }
    functions = [function for api in row["involved_classes"] for function in _functions(api)]
    requests = [
        "\n".join(message["content"] for message in turn)
        or DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC
        for turn in row["question"]
    ]
    return Task(
        name=row["id"],
        requests=tuple(requests),
        solution=tuple(map(tuple, solution)),
        apis=tuple(row["involved_classes"]),
        config=row["initial_config"],
        functions=tuple(
            tuple(one for one in functions if given_later.get(one.name, 0) <= turn)
            for turn in range(len(requests))
        ),
        long_context="long_context" in row["id"],
    )


@cache
def _functions(api: str) -> tuple[Function, ...]:
    from bfcl_eval.constants.executable_backend_config import MULTI_TURN_FUNC_DOC_FILE_MAPPING

    rows = _rows(f"multi_turn_func_doc/{MULTI_TURN_FUNC_DOC_FILE_MAPPING[api]}")
    return tuple(Function(row["name"], row) for row in rows)
