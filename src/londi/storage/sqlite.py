"""The one way a file in SQLite's format is opened.

This file knows locks, and no tables.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from londi.errors import LondiError

WAIT = 60.0
"""Seconds to wait for another process that holds the file."""


def connected(
    file: Path, prepare: Callable[[sqlite3.Connection], None], **options: Any
) -> sqlite3.Connection:
    """A connection to a file, which is created if it is not there.

    Args:
        file: the file.
        prepare: makes its tables, or refuses the file; it may be called again.
        options: of `sqlite3.connect`.
    """
    deadline = time.monotonic() + WAIT
    while True:
        db: sqlite3.Connection = sqlite3.connect(file, timeout=WAIT, **options)
        try:
            prepare(db)
            return db
        except sqlite3.OperationalError as error:
            db.close()
            # SQLite does not wait where several processes change the journal of a new file at once.
            locked = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not locked or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        except BaseException:
            db.close()
            raise


def check_file(file: Path, check: Callable[[sqlite3.Connection], None]) -> None:
    """Look whether a file could be opened for writing, and create or change nothing.

    Args:
        file: the file; where there is none, its folder is looked at alone.
        check: refuses the file; it is not called for one without any table, which is as a new one.

    Raises:
        LondiError: if it could not be written to.
        sqlite3.Error: if it is no file of SQLite.
    """
    folder = file.parent
    if not folder.is_dir():
        raise LondiError(f"{str(file)!r}: there is no folder {str(folder)!r}")
    for place in (folder, file):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            raise LondiError(f"{str(file)!r}: {str(place)!r} cannot be written to")
    if not file.exists():
        return
    # Reading makes files beside a file in WAL mode, where nobody has made them already.
    alone = not file.with_name(f"{file.name}-wal").exists()
    mode = "immutable=1" if alone else "mode=ro"
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?{mode}", uri=True)) as db:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
            check(db)
