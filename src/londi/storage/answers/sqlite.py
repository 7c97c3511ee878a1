"""Answers in one SQLite file, for all processes of one machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from londi.storage.answers.base import unusable
from londi.storage.sqlite import connected

_SCHEMA = [("key", "BLOB"), ("value", "BLOB")]


class SqliteAnswers:
    """Answers in a file.

    If the file's folder does not exist, it is only tried whether it could be made; it is made when
    it is first needed, since it may be the folder of a run that is yet to be created.

    Args:
        file: made if there is none.

    Raises:
        LondiError: if the file cannot be made or opened, or holds something else.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._db: sqlite3.Connection | None = None
        with self._errors():
            if file.parent.is_dir():
                self._open()
            else:
                _try_to_make(file)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        look = "SELECT key, value FROM answers WHERE key = ?"
        with self._errors():
            db = self._open()
            rows = (db.execute(look, (key,)).fetchone() for key in keys)
            return dict(row for row in rows if row is not None)

    def add(self, answers: Mapping[bytes, bytes]) -> None:
        with self._errors(), self._open() as db:
            db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", answers.items())

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._db = connected(self._file, _prepare)
        return self._db

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, sqlite3.Error) as error:
            raise unusable(str(self._file), error) from error


def _prepare(db: sqlite3.Connection) -> None:
    """Make the table of answers, unless the file holds something else."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = [(name, kind) for _, name, kind, *_ in db.execute("PRAGMA table_info(answers)")]
    if tables and columns != _SCHEMA:
        raise sqlite3.DatabaseError("it is a database of something else")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(
        "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
    )


def _try_to_make(file: Path) -> None:
    """Make a file of that name, below the nearest folder there is, and remove it again."""
    nearest = next(folder for folder in file.parents if folder.exists())
    with TemporaryDirectory(dir=nearest, prefix=".") as folder:
        trial = Path(folder) / file.relative_to(nearest)
        trial.parent.mkdir(parents=True)
        connected(trial, _prepare).close()
