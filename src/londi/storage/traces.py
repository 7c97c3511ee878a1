"""Files of traces: every step of real traffic with its propensity, and the feedback that follows.

A row is first a line of a journal, which no death of the process loses, and which takes some
microseconds. A thread carries the lines into the file, each exactly once; a journal that a killed
process has left is carried on with by whoever opens the file next. The columns are in
`trace_tables.py`.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from londi.errors import DamagedFile, LondiError
from londi.storage.atomic import replacing
from londi.storage.journal import Journal
from londi.storage.sqlite import check_file, connected
from londi.storage.trace_tables import FORMAT, TABLES, Column, Row, schema

_log = logging.getLogger(__name__)

WAITING = 1 << 30
"""Most bytes of the journal that may wait for the file."""
LARGE = 1 << 24
"""Bytes of a journal that is no longer gone on with, once all of it is in the file."""
RETRY = 1.0
"""Seconds before the next try, where the file could not be written to."""
PAUSE = 0.05
"""Seconds for which rows gather before they are carried, so that many share a transaction."""
LOCKED = 2.0
"""Seconds to wait for another process that writes to the file."""

_JOURNALS = """
CREATE TABLE IF NOT EXISTS journals (name TEXT PRIMARY KEY, carried INTEGER) WITHOUT ROWID
"""
"""Bytes of each journal that are in the tables."""
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS steps_of ON steps (session, step)",
    "CREATE INDEX IF NOT EXISTS feedback_of ON feedback (session)",
)


class TraceStore:
    """A file of traces, open for writing; several processes may write to one file.

    Args:
        file: made if there is none.

    Attributes:
        dropped: rows that the disk had no room for, or that the file could not hold.

    Raises:
        DamagedFile: if the file is of another kind or version.
        LondiError: if it cannot be opened.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.dropped = 0
        self._db, self._reader = _open(file), _open(file)
        self._reading = threading.Lock()
        try:
            self._journal = Journal.beside(file)
        except OSError as error:
            self._db.close()
            self._reader.close()
            raise LondiError(f"cannot write beside {str(file)!r}: {error.strerror}") from error
        for connection in (self._db, self._reader):
            connection.execute(f"PRAGMA busy_timeout={LOCKED * 1000:.0f}")
        self._carried = 0  # bytes of the journal that are in the file
        self._open, self._lock, self._wake = True, threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, table: str, row: Row) -> None:
        """Write a row; from now on no death of the process loses it."""
        line = _line(table, row)
        try:
            with self._lock:
                if not self._open or self._journal.size - self._carried > WAITING:
                    raise OSError
                self._journal.append(line)
        except OSError:  # a full disk, say: answers go on
            self._drop(1)
        self._wake.set()

    def last_step(self, session: str) -> tuple[int, str | None] | None:
        """The last step of a session in the file, and the model that answered; None without one."""
        asked = "SELECT step, model FROM steps WHERE session = ? ORDER BY step DESC LIMIT 1"
        found = self.read(asked, _whole(session))
        return found[0] if found else None

    def valued(self, session: str) -> frozenset[int | None]:
        """Steps of a session that have feedback in the file; None for the whole session."""
        rows = self.read("SELECT step FROM feedback WHERE session = ?", _whole(session))
        return frozenset(step for (step,) in rows)

    def close(self) -> None:
        """Carry what waits into the file, and close it; what cannot be stays in the journal."""
        with self._lock:
            self._open = False
        self._wake.set()
        self._thread.join()
        self._reader.close()

    def read(self, asked: str, *values: str | float) -> list[Any]:
        """Rows of the file; none where it cannot be read, since answers go on.

        Args:
            asked: a query in SQL.
            values: of its parameters.
        """
        with self._reading, suppress(sqlite3.Error):
            return self._reader.execute(asked, values).fetchall()
        return []

    def _run(self) -> None:
        going, retry = True, None
        while going:
            self._wake.wait(retry)
            if self._open:
                time.sleep(PAUSE)  # or this thread would stop the others at every row
            self._wake.clear()
            going = self._open  # before the last look at the journal
            try:
                self._carry()
                retry = None
            except (sqlite3.Error, OSError) as error:
                if retry is None:
                    _log.warning("traces wait in %s: %s", self._journal.file, error)
                retry = RETRY
        if self._carried == self._journal.size:
            _forget(self._db, self._journal)
        self._journal.close()
        self._db.close()

    def _carry(self) -> None:
        """Carry the journal into the file, and begin another one where it has grown large."""
        for carried, refused in _carry(self._db, self._journal):
            self._carried = carried
            self._drop(refused)
        if self._carried < LARGE:
            return
        try:
            new = Journal.beside(self.file)
        except OSError:
            return  # no room for a new one
        with self._lock:
            done = self._carried == self._journal.size
            old = self._journal if done else new
            if done:
                self._journal, self._carried = new, 0
        _forget(self._db, old)

    def _drop(self, rows: int) -> None:
        if rows and not self.dropped:
            _log.warning("rows of the traces %s are dropped: no room for them", self.file)
        self.dropped += rows


def check_traces(file: Path) -> None:
    """Look whether traces could be written to a file, and create or change nothing.

    Raises:
        DamagedFile: if the file is of another kind or version.
        LondiError: if it could not be opened for writing.
    """

    def check(db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != FORMAT:
            raise _other(file, version)

    try:
        check_file(file, check)
    except sqlite3.Error as error:
        raise DamagedFile(f"{str(file)!r} holds no traces: {error}") from error


def write_traces(file: Path, rows: Iterable[tuple[str, Row]]) -> None:
    """Write a new file of traces, all or nothing.

    Args:
        file: replaced if it is there.
        rows: each with the name of its table.

    Raises:
        LondiError: if it cannot be written, or somebody writes to it; `file` is as it was.
    """
    with replacing(file) as part:
        part.unlink(missing_ok=True)
        connection = _open(part)
        try:
            with connection:
                for table, row in rows:
                    given = (row.get(column.name) for column in TABLES[table])
                    # No file holds half a character as it is; JSON has an escape for it.
                    values = [
                        value.encode(errors="backslashreplace").decode()
                        if isinstance(value, str)
                        else value
                        for value in given
                    ]
                    connection.execute(_insertion(table), values)
            # Without a journal beside it the file can be renamed.
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise LondiError(f"cannot write to {str(file)!r}: {error}") from error
        finally:
            connection.close()
        _leave(file)


def _leave(file: Path) -> None:
    """Let a file that is about to be replaced leave nothing that its successor would read.

    Raises:
        LondiError: if somebody writes to it.
    """
    if Journal.used(file):
        raise LondiError(f"{str(file)!r} is being written to by another process")
    if file.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as old:
            old.execute("PRAGMA journal_mode=DELETE")  # its write-ahead log goes into the file
    for journal in Journal.orphans(file):
        journal.remove()


def read_traces(file: Path, table: str) -> Iterator[Row]:
    """The rows of a table, in the order in which they were written.

    Raises:
        DamagedFile: if the file is of another kind or version.
        LondiError: if there is no such file.
    """
    if not file.is_file():
        raise LondiError(f"there is no file {str(file)!r}")
    connection = _open(file)
    names = [column.name for column in TABLES[table]]
    try:
        for values in connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY rowid"):
            yield dict(zip(names, values, strict=True))
    except sqlite3.DatabaseError as error:
        raise DamagedFile(f"{str(file)!r} is damaged: {error}") from error
    finally:
        connection.close()


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def _whole(text: str) -> str:
    """A text as the file holds it: half a character is written as its escape."""
    return text.encode(errors="backslashreplace").decode()


def as_json(value: object) -> str:
    """A value of a text column that holds JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _line(table: str, row: Row) -> bytes:
    """A row as a line of a journal."""
    plain = {
        name: b2a_base64(value, newline=False).decode() if isinstance(value, bytes) else value
        for name, value in row.items()
    }
    return json.dumps([table, plain], separators=(",", ":")).encode()


def _values(columns: Sequence[Column], row: Row) -> list[Any]:
    """The values of a row from a journal, as SQLite takes them."""
    values = [row.get(column.name) for column in columns]
    for k, (column, value) in enumerate(zip(columns, values, strict=True)):
        if isinstance(value, str):
            # No file holds half a character as it is; in a text that is JSON this is its escape.
            blob = column.kind == "blob"
            values[k] = (
                a2b_base64(value) if blob else value.encode(errors="backslashreplace").decode()
            )
    return values


def _carry(db: sqlite3.Connection, journal: Journal) -> Iterator[tuple[int, int]]:
    """Carry the lines of a journal into the tables, from where an earlier try has left off.

    How far they are is written in the same transaction, so that each is carried exactly once,
    whenever the process dies or the file cannot be written to.

    Yields:
        After each transaction the byte behind its last line, and the number of rows that the tables
        did not take.

    Raises:
        sqlite3.Error: if the file cannot be written to; then the rest waits.
    """
    name = journal.file.name
    found = db.execute("SELECT carried FROM journals WHERE name = ?", (name,)).fetchone()
    start = found[0] if found else 0
    while lines := journal.read(start):
        with db:  # one transaction
            refused = sum(not _insert(db, line) for line in lines.splitlines())
            db.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", (name, start + len(lines)))
        start += len(lines)
        yield start, refused


_MISFITS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""Errors that are of one row, and not of the file."""


def _insert(db: sqlite3.Connection, line: bytes) -> bool:
    """Insert the row of a line; False where it is none that the table takes."""
    try:
        table, row = json.loads(line)
        db.execute(_insertion(table), _values(TABLES[table], row))
    except (*_MISFITS, ValueError, OverflowError, LookupError, TypeError):
        return False
    return True


def _insertion(table: str) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(TABLES[table]))})"


def _forget(db: sqlite3.Connection, journal: Journal) -> None:
    """Delete a journal that was carried to its end."""
    journal.remove()
    with suppress(sqlite3.Error), db:  # what stays in the table names a file that is gone
        db.execute("DELETE FROM journals WHERE name = ?", (journal.file.name,))


def _adopt(db: sqlite3.Connection, file: Path) -> None:
    """Carry on with the journals that killed processes have left."""
    for journal in Journal.orphans(file):
        for _ in _carry(db, journal):
            pass
        _forget(db, journal)


def _open(file: Path) -> sqlite3.Connection:
    """The file, with its tables."""
    try:
        return connected(file, partial(_prepare, file), check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise LondiError(f"cannot open the traces {str(file)!r}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DamagedFile(f"{str(file)!r} holds no traces: {error}") from error


def _prepare(file: Path, db: sqlite3.Connection) -> None:
    """Make the tables of a new file, and refuse one of another version."""
    db.execute("PRAGMA journal_mode=WAL")
    # What was committed survives the death of the process; no write waits for the disk.
    db.execute("PRAGMA synchronous=NORMAL")
    with db:
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and not tables:
            for statement in schema().split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={FORMAT}")
            version = FORMAT
        if version == FORMAT:
            for statement in (_JOURNALS, *_INDEXES):
                db.execute(statement)
    if version != FORMAT:
        raise _other(file, version)
    _adopt(db, file)


def _other(file: Path, version: int) -> DamagedFile:
    return DamagedFile(f"{str(file)!r}: expected traces of format {FORMAT}, got format {version}")
