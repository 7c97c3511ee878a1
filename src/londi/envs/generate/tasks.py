"""Tasks of texts: lines of a JSONL file, a dataset of reasoning-gym, or a function of one's own.

Each seed of an episode names one task. The lines of a file are parted, so that the three splits of
`londi.envs.seeds` share none. This file knows what a task holds; not how a text is scored.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial
from itertools import chain
from math import isfinite
from os.path import exists
from pathlib import Path
from typing import Any, Protocol, cast, get_args

import numpy as np

from londi.envs.contract import shortened
from londi.envs.generate.worked import WORKED, next_line
from londi.envs.info import Options
from londi.envs.seeds import Split, split_of
from londi.errors import (
    FOREIGN_ERRORS,
    EnvironmentFailed,
    InvalidConfig,
    LondiError,
    UnknownName,
    extras_named,
    one_line,
)
from londi.storage.names import is_spec, resolve

Given = Mapping[str, Any]
"""What a task was made from: a line of a file, or the entry of a generator."""
Advice = Callable[[str], str | None]
"""The rest of a worked solution, from the text so far; None where there is none."""

REASONING = "reasoning-gym:"
"""Prefix of the tasks of one dataset of reasoning-gym."""

_HELD_OUT_SHARE = 0.1
"""Share of the lines of a file that each of the splits dev and test gets."""

_WANTED = "tasks: expected a file of JSON lines, reasoning-gym:NAME or module:function"


@dataclass(frozen=True, slots=True)
class Task:
    """A text to be written, and what its score is made of.

    Attributes:
        name: where it comes from, for messages.
        prompt: what is asked.
        given: all that the task was made from.
        answer: the right answer.
        reference: a text to be compared with.
        tests: programs, each of which raises an error where the text fails it.
        before: code that stands before the text, where that is a part of a program.
        advice: the rest of a worked solution, from the text so far.
    """

    name: str
    prompt: str
    given: Given = field(default_factory=dict)
    answer: str | None = None
    reference: str | None = None
    tests: tuple[str, ...] = ()
    before: str = ""
    advice: Advice = lambda text: None

    @classmethod
    def read(cls, given: object, name: str) -> Task:
        """The task of a line or of a function's result.

        Args:
            given: an object with the key `prompt` and any of `answer`, `reference`, `tests`,
                `before` and `solution`; others are kept in `given`.
            name: where it comes from.

        Raises:
            InvalidConfig: if there is no prompt, or a key has a value of the wrong type.
        """
        if not isinstance(given, Mapping):
            raise InvalidConfig(f"{name}: expected an object with 'prompt', got {shortened(given)}")
        tests = given.get("tests", ())
        if isinstance(tests, str):
            tests = [tests]
        if not (isinstance(tests, (list, tuple)) and all(isinstance(one, str) for one in tests)):
            raise InvalidConfig(
                f"{name}: tests: expected a text or a list of texts, got {shortened(tests)}"
            )
        for test in tests:
            _check_unicode(test, "tests", name)
        answer = given.get("answer")
        if isinstance(answer, (int, float)) and not isinstance(answer, bool):
            if isinstance(answer, float) and not isfinite(answer):
                raise InvalidConfig(f"{name}: answer: expected a finite number, got {answer}")
            answer = str(answer)
        solution = _text(given, "solution", name)
        prompt = _text(given, "prompt", name)
        if not (prompt and prompt.strip()):
            raise lacking("prompt", name, given)
        return cls(
            name,
            prompt,
            given,
            _text({"answer": answer}, "answer", name),
            _text(given, "reference", name),
            tuple(tests),
            _text(given, "before", name) or "",
            lambda text: solution[len(text) :] if solution and solution.startswith(text) else None,
        )


def lacking(key: str, name: str, given: Given) -> InvalidConfig:
    """The error of a task without a key that it must have, or with nothing in it."""
    if key in given:
        return InvalidConfig(f"{name}: {key}: expected some text, got {shortened(given[key])}")
    return InvalidConfig(f"{name}: expected the key {key!r}, got {sorted(map(str, given))}")


def _text(given: Given, key: str, name: str) -> str | None:
    value = given.get(key)
    if not (value is None or isinstance(value, str)):
        raise InvalidConfig(f"{name}: {key}: expected a text, got {shortened(value)}")
    _check_unicode(value or "", key, name)
    return value


def _check_unicode(text: str, key: str, name: str) -> None:
    """Check that a text can be written, which JSON does not see to."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        wrong = shortened(text[error.start])
        raise InvalidConfig(
            f"{name}: {key}: expected Unicode, got half of a surrogate pair, {wrong}"
        ) from error


def own_function(
    spec: str, key: str, arguments: tuple[str, ...], options: Options
) -> Callable[..., object]:
    """A function of one's own, which takes these arguments and options.

    Args:
        spec: ``module:function``.
        key: what it is given as, for messages, such as ``"tasks"``.
        arguments: what it is called with, in words.
        options: further arguments by name.

    Raises:
        UnknownName: if there is no such function or option; suggests the nearest.
        InvalidConfig: if its module cannot be imported, or it takes other arguments.
    """
    found = resolve(spec, key)
    wanted = f"{key}: expected a function of {' and '.join(arguments)}, got {spec!r}"
    if not callable(found):
        raise InvalidConfig(wanted)
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # some of Python's own functions do not tell
        return found
    parameters = list(signature.parameters.values())
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        known = [one.name for one in parameters[len(arguments) :]]
        for option in options:
            if option not in known:
                raise UnknownName(f"option of {spec}", str(option), known)
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        raise InvalidConfig(f"{wanted}: {error}") from error
    return found


class Tasks(Protocol):
    """A source of tasks."""

    def task(self, seed: int) -> Task:
        """The task of that episode.

        Raises:
            InvalidConfig: if there is none.
        """
        ...

    def known(self) -> Sequence[Task]:
        """Tasks that can be looked at beforehand, for what is wrong with them."""
        ...


def load_tasks(spec: str, options: Options) -> Tasks:
    """The tasks that `spec` names.

    Args:
        spec: a JSONL file, ``reasoning-gym:NAME``, or ``module:function``, which is called with a
            seed and `options`.
        options: options of a dataset or a function.

    Raises:
        InvalidConfig: if a file cannot be read, or a line of it is no task; names the line.
        UnknownName: if there is no such dataset or option; suggests the nearest.
        MissingExtra: if reasoning-gym is not installed.
    """
    if not (isinstance(spec, str) and spec):
        raise InvalidConfig(f"{_WANTED}, got {spec!r}")
    if not isinstance(options, Mapping):
        raise InvalidConfig(f"task_options: expected options by name, got {shortened(options)}")
    if spec.startswith(REASONING):
        return ReasoningTasks(spec, options)
    if is_spec(spec) and not exists(spec):
        return FunctionTasks(spec, options)
    if options:
        raise InvalidConfig(f"task_options: a file takes none, got {shortened(dict(options))}")
    try:
        written = Path(spec).expanduser().stat()
        return _file_tasks(spec, written.st_mtime_ns, written.st_size)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InvalidConfig(f"{_WANTED}, got {spec!r}: {reason}") from error


@lru_cache(8)
def _file_tasks(spec: str, *_version: int) -> FileTasks:
    """The tasks of a file, read once for all copies of an environment."""
    text = Path(spec).expanduser().read_text(encoding="utf-8-sig")
    return FileTasks(spec, text.split("\n"))


class FileTasks:
    """The lines of a JSONL file.

    A key `split` (train, dev or test) says where a line belongs. Where no line has it, a tenth of
    the prompts is held out for each of dev and test, the same ones every time.

    Args:
        spec: the file's name.
        lines: its lines; those that are blank are passed over.
    """

    def __init__(self, spec: str, lines: Sequence[str]) -> None:
        self._spec = spec
        self._tasks = tasks = [
            Task.read(_json(line, name), name)
            for number, line in enumerate(lines, 1)
            if line.strip() and (name := f"{spec!r}, line {number}")
        ]
        if not tasks:
            raise InvalidConfig(f"tasks: {spec!r} has no lines")
        self._splits = _by_key(tasks) or _drawn(spec, tasks)

    def task(self, seed: int) -> Task:
        split = split_of(seed)
        own = self._splits.get(split)
        if not own:
            raise InvalidConfig(f"tasks: {self._spec!r} has no line of the split {split!r}")
        return own[seed % len(own)]

    def known(self) -> Sequence[Task]:
        return self._tasks


def _json(line: str, name: str) -> object:
    try:
        return json.loads(line, object_pairs_hook=_object)
    except json.JSONDecodeError as error:  # it would name a line of its own
        raise InvalidConfig(f"{name}: expected JSON: {error.msg}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidConfig(f"{name}: expected JSON: {one_line(error)}") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object of these keys and values; json would take the last value of a key."""
    made: dict[str, object] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key!r} is there twice")
        made[key] = value
    return made


def _by_key(tasks: Sequence[Task]) -> dict[Split, list[Task]] | None:
    """The tasks by their key `split`; None where no task has one."""
    if not any("split" in task.given for task in tasks):
        return None
    splits: dict[Split, list[Task]] = {}
    for task in tasks:
        if "split" not in task.given:
            raise lacking("split", task.name, task.given)
        split = task.given["split"]
        if split not in get_args(Split):
            raise UnknownName(f"split in {task.name}:", str(split), get_args(Split))
        splits.setdefault(cast(Split, split), []).append(task)
    return splits


def _drawn(spec: str, tasks: Sequence[Task]) -> dict[Split, list[Task]]:
    """The tasks in parts that are drawn, the same ones every time; a prompt is in one part."""
    alike: dict[str, list[Task]] = {}
    for task in tasks:
        alike.setdefault(task.prompt, []).append(task)
    if len(alike) < 3:
        raise InvalidConfig(
            f"tasks: expected 3 different prompts or more, so that train, dev and test have one"
            f" each, got {len(alike)} in {spec!r}"
        )
    part = max(1, round(_HELD_OUT_SHARE * len(alike)))
    groups = list(alike.values())
    drawn = [groups[i] for i in np.random.default_rng(0).permutation(len(groups))]
    parts = {"test": drawn[:part], "dev": drawn[part : 2 * part], "train": drawn[2 * part :]}
    return {cast(Split, split): list(chain.from_iterable(own)) for split, own in parts.items()}


class ReasoningTasks:
    """A dataset of reasoning-gym, which makes a task from every seed.

    Args:
        spec: ``reasoning-gym:NAME``.
        options: the dataset's own, such as `max_terms`.
    """

    def __init__(self, spec: str, options: Options) -> None:
        with extras_named():
            from reasoning_gym.factory import DATASETS, create_dataset
        self._spec, self._options = spec, options
        self._name = spec.removeprefix(REASONING)
        if self._name not in DATASETS:
            raise UnknownName("dataset of reasoning-gym", self._name, DATASETS)
        self._defaults = {one.name: one.default for one in fields(DATASETS[self._name][1])}
        known = self._defaults.keys() - {"seed", "size"}
        for option in options:
            if option not in known:
                raise UnknownName(f"option of {spec}", str(option), known)
        self._create = create_dataset
        self._dataset = self._made(0)
        self._step = WORKED.get(self._name)

    def task(self, seed: int) -> Task:
        try:
            entry = self._dataset[seed]
        except IndexError:  # some datasets make as many tasks as they were asked for
            entry = self._made(seed)[0]
        given = {"prompt": entry["question"], **entry}
        task = Task.read(given, f"{self._spec}, seed {seed}")
        if self._step is None:
            return task
        return replace(task, advice=partial(next_line, self._step, entry["metadata"]))

    def known(self) -> Sequence[Task]:
        return [self.task(0)]

    def _made(self, seed: int) -> Any:
        try:
            return self._create(self._name, seed=seed, size=1, **self._options)
        except Exception as error:  # whatever a dataset raises for its options
            for option, value in self._options.items():
                usual = self._defaults[option]
                if isinstance(usual, (int, str)) and not isinstance(value, (type(usual), float)):
                    raise InvalidConfig(
                        f"task_options.{option}: expected a value such as {usual!r},"
                        f" got {shortened(value)}"
                    ) from error
            raise InvalidConfig(
                f"task_options of {self._spec}: {dict(self._options)}: {one_line(error)}"
            ) from error


class FunctionTasks:
    """A function of one's own, which makes a task from a seed.

    Args:
        spec: ``module:function``.
        options: further arguments of the function.
    """

    def __init__(self, spec: str, options: Options) -> None:
        self._function = own_function(spec, "tasks", ("a seed",), options)
        self._spec, self._options = spec, options

    def task(self, seed: int) -> Task:
        name = f"{self._spec}, seed {seed}"
        try:
            given = self._function(seed, **self._options)
        except LondiError:
            raise
        except FOREIGN_ERRORS as error:  # whatever a user's function raises
            raise EnvironmentFailed(f"{name}: {one_line(error)}") from error
        return Task.read(given, name)

    def known(self) -> Sequence[Task]:
        return [self.task(0)]
