"""Files of a training that are written whole or not at all.

This file knows paths, and nothing of what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from londi.errors import LondiError


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A temporary path beside `file` to write to; it replaces `file` once all is written.

    Raises:
        LondiError: if it cannot be written, such as on a full disk. Nothing is left behind.
    """
    part = file.with_name(file.name + ".part")
    try:
        yield part
        part.replace(file)
    except OSError as error:
        raise LondiError(
            f"cannot write {str(file)!r}: {error.strerror or error};"
            " once that is mended, go on with --resume"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all.

    Raises:
        LondiError: if the file cannot be written.
    """
    with whole_file(file) as part:
        part.write_text(text, encoding="utf-8")
