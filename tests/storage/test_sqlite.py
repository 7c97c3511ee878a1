"""Opening a file in SQLite's format: a lock is waited for, and what is refused is closed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from londi.storage.sqlite import connected


def test_a_file_that_is_locked_while_it_is_prepared_is_tried_again(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "f.db", timeout=0) as holder:
        holder.execute("CREATE TABLE mine (a)")
        holder.commit()
        holder.execute("BEGIN EXCLUSIVE")
        tries = []

        def prepare(db: sqlite3.Connection) -> None:
            tries.append(db)
            db.execute("PRAGMA busy_timeout=0")
            if len(tries) == 3:
                holder.rollback()
            db.execute("SELECT * FROM mine")

        connected(tmp_path / "f.db", prepare).close()
    holder.close()
    assert len(tries) == 3


def test_a_file_that_is_refused_is_closed(tmp_path: Path) -> None:
    opened = []

    def refuse(db: sqlite3.Connection) -> None:
        opened.append(db)
        raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        connected(tmp_path / "f.db", refuse)
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        opened[0].execute("SELECT 1")
