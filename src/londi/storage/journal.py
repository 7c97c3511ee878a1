"""Journals: lines on their way into a file, which outlive the process that wrote them.

A line is with the operating system once `append` returns: no death of the process loses it, and the
disk is not waited for. The process that writes a journal locks it. The kernel lets go of the lock
when that process ends, however it ends, and then somebody else can take in what is left. This file
knows lines and locks, and not what the lines say.
"""

from __future__ import annotations

import fcntl
import glob
import os
import threading
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from typing import Self
from uuid import uuid4

PART = 1 << 20
"""Bytes that are read at once, unless a line is longer."""


class Journal:
    """Lines in their order; threads may share it.

    Attributes:
        file: its file.
        size: its bytes.
    """

    def __init__(self, file: Path, handle: int) -> None:
        self.file, self._handle = file, handle
        self.size = os.fstat(handle).st_size
        self._lock = threading.Lock()

    @classmethod
    def beside(cls, target: Path) -> Self:
        """A new journal for lines that are to go into the file `target`.

        Raises:
            OSError: if it cannot be made.
        """
        while True:
            file = target.with_name(f"{target.name}-journal-{uuid4().hex}")
            handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                return cls(file, handle)
            os.close(handle)  # taken for an orphan before it was locked

    @classmethod
    def orphans(cls, target: Path) -> Iterator[Self]:
        """The journals of `target` whose processes have ended, each locked while it is in use."""
        for file in _files(target):
            try:
                handle = os.open(file, os.O_RDWR | os.O_APPEND)
            except FileNotFoundError:
                continue  # taken in meanwhile
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)  # its process lives
                continue
            orphan = cls(file, handle)
            try:
                if os.fstat(handle).st_nlink:
                    yield orphan
            finally:
                orphan.close()

    @staticmethod
    def used(target: Path) -> bool:
        """Whether a living process writes a journal of `target`."""
        files = set(_files(target))
        for orphan in Journal.orphans(target):
            files.discard(orphan.file)
        return any(file.exists() for file in files)

    def append(self, line: bytes) -> None:
        """Write a line.

        Raises:
            OSError: if there is no room for it; nothing of it stays.
        """
        with self._lock:
            written = os.write(self._handle, line + b"\n")
            if written <= len(line):
                os.ftruncate(self._handle, self.size)
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(self.file))
            self.size += written

    def read(self, start: int) -> bytes:
        """Whole lines from the byte `start` on, as many as are read at once; empty at the end."""
        part = PART
        while True:
            found = os.pread(self._handle, part, start)
            # A process that was killed may have left half a line at the end.
            if (lines := found[: found.rfind(b"\n") + 1]) or len(found) < part:
                return lines
            part *= 2

    def remove(self) -> None:
        """Delete the file, whose lines are no longer needed."""
        self.file.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file; whoever comes next may take in what is left."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1


def _files(target: Path) -> list[Path]:
    """The files of all journals of `target`."""
    name = glob.escape(f"{target.name}-journal-")
    return sorted(target.parent.glob(f"{name}*"))
