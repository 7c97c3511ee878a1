"""JSON objects of a file: one a line, or one document; packed with gzip or not.

This file knows JSON, and no format of conversations.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from londi.errors import DamagedFile, LondiError
from londi.serve.transcripts.conversation import Json

_GZIP = b"\x1f\x8b"


def read_records(file: Path) -> Iterator[tuple[str, Json]]:
    """The objects of a file, each with the place where it stands.

    Raises:
        LondiError: if the file cannot be read.
        DamagedFile: if it ends in the middle, or holds no JSON objects.
    """
    text = _text(file)
    try:
        whole = json.loads(text)
    except RecursionError as error:
        raise DamagedFile(f"{str(file)!r}: its JSON is nested too deep") from error
    except ValueError:
        yield from _lines(file, text)
        return
    for k, record in enumerate(whole if isinstance(whole, list) else [whole], 1):
        place = f"{str(file)!r}: {k}"
        if not isinstance(record, dict):
            raise DamagedFile(f"{place}: expected a JSON object, got {type(record).__name__}")
        yield place, record


def objects(place: str, name: str, value: object) -> list[Json]:
    """A list of JSON objects.

    Raises:
        DamagedFile: if the value is none.
    """
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise DamagedFile(f"{place}: {name}: expected a list of JSON objects")
    return value


def readable(place: str, name: str, value: Any) -> float:
    """A finite number.

    Raises:
        DamagedFile: if the value is none.
    """
    try:
        if not isinstance(value, bool) and isinstance(value, (int, float)) and isfinite(value):
            return float(value)
    except OverflowError:  # a whole number larger than any float
        pass
    raise DamagedFile(f"{place}: {name}: expected a number, got {value!r}")


def _lines(file: Path, text: str) -> Iterator[tuple[str, Json]]:
    for k, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{str(file)!r}: line {k}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DamagedFile(f"{place}: expected a JSON object: {error}") from error
        if not isinstance(record, dict):
            raise DamagedFile(f"{place}: expected a JSON object, got {type(record).__name__}")
        yield place, record


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise LondiError(f"there is no file {str(file)!r}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFile(f"{str(file)!r} ends in the middle, or is no gzip: {error}") from error
    except OSError as error:
        raise LondiError(f"cannot read {str(file)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DamagedFile(f"{str(file)!r} is no text") from error
