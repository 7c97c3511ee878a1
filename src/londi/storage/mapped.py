"""Arrays of records, in memory or in a file that is mapped into memory.

This file does not know what a record means.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from londi.storage.atomic import write_errors
from londi.types import Array

TOUCHED = 2_048
"""Records of a file that are read or written before its memory is given back. The system maps up to
64 KB around each of them, so at most 128 MB are resident."""


class MemoryRecords:
    """Records in memory.

    Attributes:
        array: the records, zeros at first.
    """

    def __init__(self, count: int, kind: np.dtype[Any]) -> None:
        self.array: Array = np.zeros(count, kind)

    def touched(self, records: int) -> None:
        """Told how many records were read or written."""


class FileRecords:
    """Records in a file without a name, which is gone when the process ends, however it ends.

    Its space is taken at once: a full disk is an error here, and none in the middle of a run.

    Attributes:
        array: the records, zeros at first.

    Raises:
        LondiError: if there is no such folder, or no space.
    """

    def __init__(self, count: int, kind: np.dtype[Any], folder: Path) -> None:
        size = count * kind.itemsize
        with write_errors(folder), TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
            self._map = mmap.mmap(file.fileno(), size)
        # Records are read at random: what lies behind one is not wanted.
        self._map.madvise(mmap.MADV_RANDOM)
        self.array: Array = np.frombuffer(self._map, kind)
        self._touched = 0

    def touched(self, records: int) -> None:
        """Told how many records were read or written; gives memory back from time to time."""
        self._touched += records
        if self._touched >= TOUCHED:
            # The file keeps what was written; only its pages leave this process.
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0
