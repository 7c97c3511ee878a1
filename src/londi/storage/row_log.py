"""Rows that are numbered as they are added, and their files, which checkpoints share.

A row never changes. So a file of rows that one checkpoint has written is linked into the next one,
and a checkpoint writes what is new, however many rows are kept. This file does not know what a row
means.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from londi.storage.tensors import check_arrays, load_arrays, save_arrays
from londi.types import Array

PART = 4_096
"""Rows of a file. A checkpoint writes fewer than two files of rows that are not new."""


@dataclass(frozen=True, slots=True)
class RowLog:
    """The newest rows of a log, part by part.

    Attributes:
        name: name of the log, unlike that of any other: a name and a number are one row.
        first: number of the oldest row that is kept.
        end: number of the row that will be added next.
        read: the rows [first, end) of a part, as arrays by field.
    """

    name: str
    first: int
    end: int
    read: Callable[[int, int], dict[str, Array]]

    def parts(self) -> Iterator[tuple[int, int]]:
        """First row and end of each part."""
        for begin in range(self.first - self.first % PART, self.end, PART):
            yield max(begin, self.first), min(begin + PART, self.end)


def save_rows(log: RowLog, folder: Path, earlier: Path) -> None:
    """Put the files of all parts into `folder`.

    Args:
        log: the rows.
        folder: a new folder.
        earlier: a folder that may hold files of some parts, which are linked.

    Raises:
        OSError: if a file cannot be written.
    """
    for first, end in log.parts():
        file = _file(log.name, first, end)
        try:
            os.link(earlier / file, folder / file)
        except OSError:  # these rows are new, or this file system has no links
            save_arrays(folder / file, log.read(first, end))


def stored_rows(folder: Path, name: str, first: int, end: int) -> RowLog:
    """The rows that `save_rows` put into `folder`; a part is read when it is asked for.

    Raises:
        OSError: if a file cannot be read.
        SafetensorError: if a file is cut short.
    """
    log = RowLog(name, first, end, lambda a, b: load_arrays(folder / _file(name, a, b)))
    for part in log.parts():
        check_arrays(folder / _file(name, *part))
    return log


def _file(name: str, first: int, end: int) -> str:
    return f"{name}-{first}-{end}.safetensors"
