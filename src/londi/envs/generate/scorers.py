"""Scorers of finished texts, by name: a number from 0 to 1 for a task and a text.

    exact            the text's answer is the task's, word for word
    numeric          the text's last number is the task's, within a tolerance
    rouge-l          ROUGE-L of the text and the task's reference (F-measure)
    tests            share of the task's tests that the text passes as a program, in a sandbox
    reasoning-gym    the dataset's own `score_answer`, of the text's answer
    module:function  a function of one's own

The answer of a text is what stands in its last `<answer>...</answer>`, or else its last line, or as
many lines as the task's answer has. This file knows tasks and texts, and no environment.
"""

from __future__ import annotations

import ast
import inspect
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from math import inf, isclose, isfinite
from types import FrameType
from typing import Any, Protocol

from londi.envs.contract import shortened
from londi.envs.generate.sandbox import Limits, Sandbox
from londi.envs.generate.tasks import Task, lacking, own_function
from londi.envs.info import Options
from londi.errors import (
    FOREIGN_ERRORS,
    EnvironmentFailed,
    InvalidConfig,
    LondiError,
    UnknownName,
    extras_named,
    one_line,
)
from londi.storage.names import is_spec

EVALUATED = frozenset(
    """
    binary_matrix countdown intermediate_integration n_queens polynomial_multiplication puzzle24
    simple_integration spiral_matrix string_insertion
    """.split()  # noqa: SIM905
)
"""Datasets of reasoning-gym whose `score_answer` runs a text as Python, in this process."""

_BEGIN, _END = "<answer>", "</answer>"
_NUMBER = re.compile(
    r"""(?<![\d)]) [-+]?
        (?: (?: \d{1,3} (?:,\d{3})+ (?!\d) | \d+ ) (?:\.\d+)? | (?<![\w.]) \.\d+ )
        (?: [eE] [-+]? \d{1,4} )?
    """,
    re.ASCII | re.VERBOSE,
)
_WORD = re.compile("[a-zA-Z0-9]")
_FENCED = re.compile(r"^```[^\n]*\n(.*?)(?:^```|\Z)", re.DOTALL | re.MULTILINE)


class Scorer(Protocol):
    """What scores a text."""

    @property
    def waits(self) -> bool:
        """Whether scoring waits for another process, whose time it limits itself."""
        ...

    def check(self, task: Task) -> None:
        """Check that texts of this task can be scored.

        Raises:
            InvalidConfig: if not; names the task.
        """
        ...

    def score(self, task: Task, text: str) -> object:
        """The score of a finished text, from 0 to 1; checked by `checked_score`."""
        ...


def make_scorer(name: str, options: Options) -> Scorer:
    """The scorer of that name.

    Args:
        name: one of `SCORERS`, or ``module:function``: a function of a text and the task's keys.
        options: its own options.

    Raises:
        UnknownName: if there is no such scorer, or it has no such option; suggests the nearest.
        InvalidConfig: if an option has a wrong value, or the machine has no sandbox.
        MissingExtra: if a package is not installed.
    """
    if not isinstance(options, Mapping):
        raise InvalidConfig(f"scorer_options: expected options by name, got {shortened(options)}")
    if isinstance(name, str) and is_spec(name) and name not in SCORERS:
        return FunctionScorer(name, options)
    if not name:
        raise InvalidConfig(f"scorer: expected {', '.join(SCORERS)} or module:function, got none")
    if not isinstance(name, str) or name not in SCORERS:
        raise UnknownName("scorer", str(name), SCORERS)
    known = inspect.signature(SCORERS[name]).parameters
    for option in options:
        if option not in known:
            raise UnknownName(f"option of the scorer {name}", str(option), known)
    return SCORERS[name](**options)


def checked_score(name: str, scorer: Scorer, task: Task, text: str, seconds: float) -> float:
    """The score of a text, which is checked.

    Args:
        name: of the scorer, for messages.
        scorer: gives the score.
        task: what was to be written.
        text: what was written.
        seconds: most seconds that scoring may take, where the scorer has no limit of its own; held
            in the main thread, on code of Python.

    Raises:
        EnvironmentFailed: if the scorer raises an error, takes longer, or gives anything else than
            a number from 0 to 1; names the scorer and the task.
    """
    where = f"scorer {name!r}, task {task.name}"
    try:
        with nullcontext() if scorer.waits else _limited(seconds):
            score = scorer.score(task, text)
    except _TooLong:
        raise EnvironmentFailed(f"{where}: no score within {seconds:g} seconds") from None
    except LondiError:
        raise
    except FOREIGN_ERRORS as error:  # whatever a user's scorer raises
        raise EnvironmentFailed(f"{where}: {one_line(error)}") from error
    try:
        number = float(score)  # type: ignore[arg-type]
    except FOREIGN_ERRORS:  # whatever a user's number raises
        number = float("nan")
    if isinstance(score, str) or not (isfinite(number) and 0.0 <= number <= 1.0):
        raise EnvironmentFailed(f"{where}: expected a number from 0 to 1, got {shortened(score)}")
    return number


class _TooLong(BaseException):
    """Time is up. No `Exception`, so that no scorer takes it for an error of its own."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise `_TooLong` after so many seconds; only the main thread can be interrupted so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answer_of(text: str, answer: str | None = None) -> str:
    """The answer that a text gives.

    Args:
        text: the text.
        answer: the right answer, whose number of lines counts where nothing is marked.
    """
    end = text.rfind(_END)
    begin = text.rfind(_BEGIN, 0, max(end, 0))
    if begin >= 0:
        begin += len(_BEGIN)
        return text[begin : text.find(_END, begin)].strip()
    lines = max(1, len((answer or "").strip().splitlines()))
    return "\n".join(text.rstrip().splitlines()[-lines:]).strip()


def last_number(text: str) -> float | None:
    """The last number of a text; commas may part its thousands. None where there is none."""
    found = _NUMBER.findall(text.replace("\N{MINUS SIGN}", "-"))
    return float(found[-1].replace(",", "")) if found else None


def code_of(text: str) -> str:
    """The program that a text gives: its last block in fences, or else all of it."""
    blocks = _FENCED.findall(text)
    return str(blocks[-1]) if blocks else text


class ExactScorer:
    """1 where the answer of a text is that of the task."""

    waits = False

    def check(self, task: Task) -> None:
        if not (task.answer and task.answer.strip()):
            raise lacking("answer", task.name, task.given)

    def score(self, task: Task, text: str) -> float:
        return float(answer_of(text, task.answer) == (task.answer or "").strip())


class NumericScorer:
    """1 where the last number of a text is the last of the task's answer.

    Args:
        tolerance: largest difference, absolute or relative to the larger of the two.
    """

    waits = False

    def __init__(self, tolerance: float = 1e-6) -> None:
        kind = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
        if not (kind and 0 <= tolerance < inf):
            raise InvalidConfig(f"tolerance: expected a number >= 0, got {tolerance!r}")
        self._tolerance = tolerance

    def check(self, task: Task) -> None:
        if not task.answer:
            raise lacking("answer", task.name, task.given)
        number = last_number(task.answer)
        if number is None or not isfinite(number):
            raise InvalidConfig(
                f"{task.name}: answer: expected a number, got {shortened(task.answer)}"
            )

    def score(self, task: Task, text: str) -> float:
        right, found, near = last_number(task.answer or ""), last_number(text), self._tolerance
        if right is None or found is None:
            return 0.0
        return float(isclose(found, right, rel_tol=near, abs_tol=near))


class RougeScorer:
    """ROUGE-L's F-measure, by the package `rouge-score`: words of a-z and digits, unstemmed."""

    waits = False

    def __init__(self) -> None:
        with extras_named():
            from rouge_score.rouge_scorer import RougeScorer as Rouge
        self._rouge = Rouge(["rougeL"])

    def check(self, task: Task) -> None:
        if not task.reference:
            raise lacking("reference", task.name, task.given)
        if not _WORD.search(task.reference):
            raise InvalidConfig(
                f"{task.name}: reference: expected words of a-z and digits, which are all that"
                f" ROUGE compares, got {shortened(task.reference)}"
            )

    def score(self, task: Task, text: str) -> float:
        return float(self._rouge.score(task.reference or "", text)["rougeL"].fmeasure)


class TestsScorer:
    """The share of a task's tests that a text passes, each in a sandbox of its own.

    A test passes where it ends without an error behind the task's `before` and the text.

    Args:
        seconds: most seconds of one test.
        memory: most megabytes of each of its processes.

    Raises:
        InvalidConfig: if this machine has no sandbox: model-written code is not run then.
    """

    waits = True

    def __init__(self, seconds: float = 10.0, memory: int = 512) -> None:
        self._sandbox = Sandbox(Limits(seconds, memory))

    def check(self, task: Task) -> None:
        if not task.tests:
            raise lacking("tests", task.name, task.given)
        for test in task.tests:
            if fault := _fault_of(test):
                raise InvalidConfig(f"{task.name}: tests: {fault}")

    def score(self, task: Task, text: str) -> float:
        program = task.before + code_of(text)
        return sum(self._sandbox.passes(program, test) for test in task.tests) / len(task.tests)


@lru_cache(1 << 14)  # each copy of an environment asks, and at each reset
def _fault_of(test: str) -> str:
    """Why a test is none, since every text would fail or pass it; empty where it is one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strings such as 'a\d'
            tree = ast.parse(test)
            compile(tree, "test.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"expected Python: {one_line(error)}"
    return "" if tree.body else f"expected code that fails, got {shortened(test)}"


class ReasoningScorer:
    """`score_answer` of the dataset of reasoning-gym that a task is from.

    An answer that it cannot read, and raises an error at, scores 0.
    """

    waits = False

    def check(self, task: Task) -> None:
        metadata = task.given.get("metadata")
        if not (isinstance(metadata, Mapping) and metadata.get("source_dataset")):
            raise InvalidConfig(
                f"{task.name}: the scorer reasoning-gym scores tasks of reasoning-gym, and this is"
                " none"
            )
        if metadata["source_dataset"] in EVALUATED:
            raise InvalidConfig(
                f"{task.name}: the scorer of this dataset evaluates an answer as Python, outside of"
                " a sandbox; expected exact, or a function of your own"
            )

    def score(self, task: Task, text: str) -> object:
        score = _score_answer(task.given["metadata"]["source_dataset"])
        try:
            return score(answer_of(text, task.answer), task.given)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return 0.0


@lru_cache
def _score_answer(dataset: str) -> Callable[[str, Mapping[str, Any]], float]:
    with extras_named():
        from reasoning_gym.factory import get_score_answer_fn
    found: Callable[[str, Mapping[str, Any]], float] = get_score_answer_fn(dataset)
    return found


class FunctionScorer:
    """A function of one's own: `function(text, task, **options)`, a number from 0 to 1.

    Args:
        spec: ``module:function``.
        options: further arguments of the function.
    """

    waits = False

    def __init__(self, spec: str, options: Options) -> None:
        self._function = own_function(spec, "scorer", ("a text", "a task"), options)
        self._options = options

    def check(self, task: Task) -> None:
        """Any task will do: the function says what it lacks."""

    def score(self, task: Task, text: str) -> object:
        return self._function(text, task.given, **self._options)


SCORERS: dict[str, Callable[..., Scorer]] = {
    "exact": ExactScorer,
    "numeric": NumericScorer,
    "rouge-l": RougeScorer,
    "tests": TestsScorer,
    "reasoning-gym": ReasoningScorer,
}
"""Scorers by name."""
