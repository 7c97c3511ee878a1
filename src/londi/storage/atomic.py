"""The one way a file or folder is written: aside, to the disk, and then renamed into place.

A reader sees the old content or the new, never a part. A failed write leaves the old content
and no temporary file. This file does not know what is written.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from londi.errors import LondiError, OutputExists

PART = ".part"
"""Ending of a temporary name."""
OLD = ".old"
"""Ending of the name of a folder that is being replaced."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def write_errors(place: Path) -> Iterator[None]:
    """Turn an error of the operating system into one line that names `place`.

    Raises:
        LondiError: if a write inside fails; for a full disk it says how to go on.
    """
    try:
        yield
    except LondiError:
        raise
    except OSError as error:
        hint = ""
        if error.errno in _FULL:
            hint = (
                "; earlier files are untouched: free some space, then run the command again"
                " (a run goes on with --resume)"
            )
        # mkdir says "File exists" where a file stands in the way of a folder.
        not_a_folder = isinstance(error, FileExistsError)
        reason = os.strerror(errno.ENOTDIR) if not_a_folder else error.strerror or error
        raise LondiError(f"cannot write to {str(place)!r}: {reason}{hint}") from error


def check_free(place: Path, overwrite: bool) -> None:
    """Refuse to replace what is there, unless it may be.

    Raises:
        OutputExists: if it may not.
    """
    if place.exists() and not overwrite:
        raise OutputExists(f"{str(place)!r} exists; give --overwrite to replace it")


def write_whole(file: Path, texts: Iterable[str]) -> None:
    """Write `texts` one after the other into `file`, all or nothing.

    Raises:
        LondiError: if they cannot be written.
    """
    with replacing(file) as part, open(part, "w", encoding="utf-8") as out:
        out.writelines(texts)


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A temporary name beside `file`; what was written there takes the place of `file`.

    Raises:
        LondiError: if it cannot be written; `file` is as it was, and nothing else is left.
    """
    part = file.with_name(file.name + PART)
    with write_errors(file):
        try:
            yield part
            _sync(part)
            part.replace(file)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        _sync_entries(file.parent)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`; what was written into it takes the place of `folder`.

    Between two renames a kill can leave the old content under another name only:
    `present_folder` finds it there.

    Raises:
        LondiError: if it cannot be written; `folder` is as it was, and nothing else is left.
    """
    part, old = folder.with_name(folder.name + PART), folder.with_name(folder.name + OLD)
    with write_errors(folder):
        shutil.rmtree(part, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        elif old.exists():  # a kill came between the renames: the old content is the only one
            old.rename(folder)
        try:
            part.mkdir(parents=True)
            yield part
            sync_folder(part)
            swap(part, folder, old)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def sync_folder(folder: Path) -> None:
    """Have the disk hold the files in `folder`, and their names."""
    for file in folder.rglob("*"):
        if file.is_file():
            # One that has another name was here before, and is on the disk.
            if file.stat().st_nlink == 1:
                _sync(file)
        elif file.is_dir():
            _sync_entries(file)
    _sync_entries(folder)


def swap(new: Path, folder: Path, old: Path) -> None:
    """Rename `new` to `folder`; what was there is moved to `old` first and then removed."""
    replaced = folder.exists()
    if replaced:
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if replaced:
            old.rename(folder)
        raise
    _sync_entries(folder.parent)
    if replaced:
        shutil.rmtree(old, ignore_errors=True)


def present_folder(folder: Path) -> Path:
    """Where the content of `folder` is, also after a kill between the renames of a write."""
    return folder if folder.is_dir() else folder.with_name(folder.name + OLD)


def append(file: Path, text: str) -> None:
    """Add `text` at the end of `file`, all or nothing.

    Raises:
        LondiError: if it cannot be written; `file` is as it was.
    """
    with write_errors(file):
        before = file.stat().st_size if file.exists() else 0
        try:
            with open(file, "a", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
        except OSError:
            with suppress(OSError):
                os.truncate(file, before)
            raise


def _sync(file: Path) -> None:
    """Have the disk hold the content of `file`."""
    with open(file, "rb") as written:
        os.fsync(written.fileno())


def _sync_entries(folder: Path) -> None:
    """Have the disk hold the names in `folder`, where its file system can be asked for that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
