"""The one way a file in SQLite's format is opened.

This file knows locks, and no tables.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
