"""Paths that a person typed: the home folder for `~`, and what no file system takes refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from londi.errors import InvalidConfig


def as_path(text: str | os.PathLike[str]) -> Path:
    """The path that `text` names; a leading `~` is the home folder.

    Raises:
        InvalidConfig: if no file can have that name: it is too long, or holds a null byte.
    """
    path = Path(text)
    if str(path).startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError as error:  # `~name` of a user that this machine does not know
            raise InvalidConfig(f"path {_short(path)}: there is no such home folder") from error
    try:
        os.lstat(path)
    except ValueError as error:
        raise InvalidConfig(
            f"path {_short(path)}: expected a name without null bytes or lone surrogates"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise InvalidConfig(f"path {_short(path)}: {error.strerror}") from error
    return path


def _short(path: Path) -> str:
    text = repr(str(path))
    return text if len(text) <= 80 else f"{text[:60]}... ({len(str(path)):,} characters)"
