"""The exceptions that londi raises for what a user can get wrong.

    LondiError
    ├── UnknownName        a name that nothing answers to; carries the nearest valid one
    ├── InvalidConfig      a value of the wrong type or outside its range; names the key
    │   └── InvalidEnvironment  an environment that breaks the contract; one line a fault
    ├── ModelError         a language model that cannot be loaded or used
    ├── EnvironmentFailed  an environment that raised an error of its own
    ├── MissingExtra       an optional dependency that is not installed; names the extra
    ├── BudgetSpent        a budget of served sessions that is spent
    ├── OutputExists       a folder that would have been overwritten
    ├── RunInUse           a folder that another command is writing to
    └── DamagedFile        a file of a run that is broken, or of another kind

Each message is one line: what was expected, what came, and the nearest valid name; that of
`InvalidEnvironment` is a line for each fault. The command line prints it and exits with code 2.
This file knows nothing of the rest.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

FOREIGN_ERRORS = (Exception, SystemExit)
"""Errors of a user\'s code or a library; `sys.exit` would end a command as if all were well."""


class LondiError(Exception):
    """Base of all errors that londi raises on purpose."""


class UnknownName(LondiError, LookupError):
    """A name that is not among the known ones.

    Args:
        kind: what was to be named, such as ``"environment"``.
        name: what came.
        known: the valid names. The nearest is suggested; where none is near, a few are listed.
        where: put in front, such as the name of a file.
    """

    _FEW = 12

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        lowered = {candidate.lower(): candidate for candidate in known}
        begin = [candidate for candidate in lowered if candidate.startswith(name.lower())]
        near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.3)
        if name and len(begin) == 1:
            near = begin
        hint = ""
        if near:
            hint = f"; did you mean {lowered[near[0]]!r}?"
        elif not lowered:
            hint = "; there are none"
        elif len(lowered) <= self._FEW:
            hint = f"; expected one of {', '.join(lowered.values())}"
        super().__init__(f"{where}unknown {kind} {name!r}{hint}")


class InvalidConfig(LondiError, ValueError):
    """A setting of the wrong type or outside its range."""


class InvalidEnvironment(InvalidConfig):
    """An environment that breaks the contract of text environments; its message has all faults."""


class UnknownSession(InvalidConfig):
    """A session that was never begun, or is forgotten."""

    def __init__(self, name: str) -> None:
        super().__init__(f"session: expected one that was begun, got {name!r}")


class ModelError(LondiError):
    """A language model that is missing, is not a model, or cannot be used safely."""


class MissingExtra(LondiError, ImportError):
    """An optional dependency that is not installed.

    Args:
        package: its name.
        extra: the extra of londi that brings it, or what it needs.
        also: a command that has to follow, for a package that no extra can bring.
    """

    def __init__(self, package: str, extra: str, also: str = "") -> None:
        more = f" && {also}" if also else ""
        super().__init__(f"{package} is not installed; run: pip install 'londi[{extra}]'{more}")


EXTRAS = {
    **dict.fromkeys(
        ("torch", "transformers", "tokenizers", "safetensors", "onnx", "minigrid", "matplotlib"),
        "train",
    ),
    **dict.fromkeys(("httpx2", "anyio"), "client"),
    "redis": "redis",
    "psycopg": "postgres",
    "huggingface_hub": "hub",
    "ray": "ray",
    "reasoning_gym": "reasoning",
    "rouge_score": "rouge",
    "duckdb": "traces",
    **dict.fromkeys(("textworld", "jericho"), "textworld"),
    **dict.fromkeys(("minari", "h5py", "PIL"), "minari"),
    **dict.fromkeys(("starlette", "uvicorn", "aiohttp", "prometheus_client"), "serve"),
    **dict.fromkeys(("langchain", "langchain_core", "langgraph"), "langchain"),
    "agents": "openai-agents",
    "pydantic_ai": "pydantic-ai",
    **{name: name for name in ("smolagents", "litellm")},
}
"""The extra that brings a package, for those that are imported wherever they are needed."""


@contextmanager
def extras_named() -> Iterator[None]:
    """Name the extra that brings a package, where code inside imports one that is not installed.

    Raises:
        MissingExtra: in place of ModuleNotFoundError for such a package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtra(package, EXTRAS[package]) from error


class OutputExists(LondiError, FileExistsError):
    """An output folder that exists and was not to be overwritten."""


class BudgetSpent(LondiError):
    """A budget that is spent, where sessions are told to stop then."""


class RunInUse(LondiError):
    """The folder of a run that another command is writing to."""


class DamagedFile(LondiError):
    """A file of a run that is broken, or holds something else than it should."""


class EnvironmentFailed(LondiError):
    """An environment that raised an error while it was reset or stepped."""


def one_line(error: BaseException) -> str:
    """An exception of somebody else's code, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
