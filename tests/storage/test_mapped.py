"""Records in a file: nothing else is on the disk, and memory is given back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from londi.errors import LondiError
from londi.storage.mapped import FileRecords, MemoryRecords

KIND = np.dtype([("vector", np.float32, (1022,)), ("number", np.int64)])
"""One page of 4 KiB."""


def resident() -> int:
    """MB of files that are mapped into this process and resident."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssFile:")[2].split()[0]) // 1024


def test_records_in_a_file_are_as_in_memory(tmp_path: Path) -> None:
    memory, file = MemoryRecords(3_000, KIND), FileRecords(3_000, KIND, tmp_path)
    for records in (memory, file):
        assert not records.array["number"].any()
        for first in range(0, 3_000, 100):
            records.array["number"][first : first + 100] = np.arange(first, first + 100)
            records.touched(100)
    np.testing.assert_array_equal(memory.array["number"], file.array["number"])


def test_the_file_has_no_name(tmp_path: Path) -> None:
    records = FileRecords(3, KIND, tmp_path)
    assert records.array.shape == (3,)
    assert not list(tmp_path.iterdir()), "a kill would leave it there"


def test_memory_is_given_back(tmp_path: Path) -> None:
    records = FileRecords(16_384, KIND, tmp_path)
    before = resident()
    for first in range(0, 16_384, 1_024):
        records.array[first : first + 1_024] = np.ones((), KIND)
        records.touched(1_024)
    assert resident() - before < 16  # of 64
    assert (records.array["number"] == 1).all()


def test_a_folder_that_cannot_hold_the_file_is_one_line(tmp_path: Path, full_disk: Path) -> None:
    with pytest.raises(LondiError, match=r"cannot write to .*: No such file or directory$"):
        FileRecords(8, KIND, tmp_path / "none")
    with pytest.raises(LondiError, match=r"cannot write to .*: No space left on device"):
        FileRecords(80, KIND, full_disk)
    assert not list(full_disk.iterdir())
