"""Records in JSON files, held against their dataclass when they are read.

This file does not know what a record means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from londi.config.kinds import Misfit, fitted
from londi.errors import DamagedFile, InvalidConfig, UnknownName

T = TypeVar("T")

Renaming = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def read_record(file: Path, kind: type[T], renamed: Renaming | None = None) -> T:
    """The value of type `kind` that a JSON file holds.

    Args:
        file: where it is.
        kind: a dataclass, or a list or dict of one (`list[Result]`).
        renamed: gives the keys of earlier releases their present names, in each object.

    Raises:
        DamagedFile: if there is no such file, it is no JSON, or a value has the wrong type or
            range; names the file and the key.
    """
    where = repr(str(file))
    return _checked(_parsed(_text(file), where, renamed), kind, where)


def read_lines(file: Path, kind: type[T], renamed: Renaming | None = None) -> list[T]:
    """The records of a file with one JSON object per line; a last line cut by a kill is left out.

    Raises:
        DamagedFile: as `read_record`; names the line.
    """
    lines = _text(file).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    found = []
    for number, line in enumerate(lines, 1):
        where = f"{str(file)!r}, line {number}"
        found.append(_checked(_parsed(line, where, renamed), kind, where))
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(f"{str(file)!r} is no text") from error
    except OSError as error:
        raise DamagedFile(f"cannot read {str(file)!r}: {error.strerror or error}") from error


def _parsed(text: str, where: str, renamed: Renaming | None) -> object:
    try:
        return json.loads(text, object_hook=renamed)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{where} is no JSON: it is damaged") from error


def _checked(value: object, kind: type[T], where: str) -> T:
    try:
        checked: T = fitted(value, kind)
    except (Misfit, InvalidConfig, UnknownName) as error:
        raise DamagedFile(f"{where}: {error}") from error
    return checked
