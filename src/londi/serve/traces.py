"""Traces of real traffic: every step with its propensity, and the feedback that comes later.

The columns are declared once, here; the tables of the file, the pages and every export are made of
them. Steps are written beside the answers by a thread of its own and never hold one up: what comes
faster than it can be written is dropped and counted. This file knows rows, and no HTTP.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from londi.errors import DamagedFile, LondiError
from londi.storage.atomic import replacing
from londi.storage.sqlite import connected

FORMAT = 2
"""Version of the tables."""
WAITING = 10_000
"""Rows that may wait to be written."""
TOGETHER = 500
"""Most rows of one transaction."""

Kind = Literal["text", "integer", "real", "blob"]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its name.
        kind: type of its values, as SQLite has it; any may be null unless `needed`.
        meaning: one sentence.
        needed: whether each row has a value.
    """

    name: str
    kind: Kind
    meaning: str
    needed: bool = False


STEPS = (
    Column("session", "text", "Name of the conversation.", True),
    Column("begun", "real", "When the session began in its process; a restart begins it anew."),
    Column("step", "integer", "Decisions before this one in its session, since it began.", True),
    Column("time", "real", "When it was decided, in seconds since 1970."),
    Column("candidates", "text", "Names of QUICK and DEEPTHINK, a JSON list."),
    Column("choice", "integer", "g at the draw: 0 for QUICK, 1 for DEEPTHINK; null for neither."),
    Column("propensity", "real", "Probability of the choice at the draw; null where unknown."),
    Column("probability", "real", "P(g = 1) under the policy, among what was allowed."),
    Column("exploration", "real", "Share of the draw that was uniform over it."),
    Column("reason", "text", "What settled it: policy, budget or tool loop."),
    Column("policy", "text", "Version of the policy."),
    Column("cost", "real", "c at which it was decided, in units of the return."),
    Column("price", "real", "Money that DEEPTHINK was expected to cost more than QUICK."),
    Column("expected_gain", "real", "Return that a call was expected to add."),
    Column("expected_calls", "real", "DEEPTHINK calls that a call was expected to add."),
    Column("calls_left", "real", "DEEPTHINK calls left before the step; null without a cap."),
    Column("money_left", "real", "Money left before the step; null without a cap."),
    Column("observation", "blob", "What the policy saw: float32 numbers, little-endian."),
    Column("api", "text", "Address of the API that was asked."),
    Column("model", "text", "Name of the model that answered, or was asked last."),
    Column("status", "integer", "HTTP status of the answer; null where none came."),
    Column("prompt_tokens", "integer", "Tokens of the prompt; null where nobody counted them."),
    Column("cached_tokens", "integer", "Tokens of it that the provider had in its cache."),
    Column("cache_write_tokens", "integer", "Tokens of it that were put into the cache."),
    Column("output_tokens", "integer", "Tokens of the answer."),
    Column("first_byte", "real", "Seconds from the request to the first byte of the answer."),
    Column("seconds", "real", "Seconds from the request to the end of the answer."),
    Column("follows", "integer", "Step whose messages this one goes on; null for the first."),
    Column("kept", "integer", "Messages of that step that stand, from the first on."),
    Column("messages", "text", "The messages behind them, JSON; null unless texts are kept."),
    Column("answer", "text", "The message of the answer, JSON; null unless texts are kept."),
)
"""Columns of the table `steps`, a row a decision."""

STEP_NAMES = frozenset(column.name for column in STEPS)

FEEDBACK = (
    Column("session", "text", "Name of the conversation.", True),
    Column("step", "integer", "The step that it is about; null for the whole session."),
    Column("time", "real", "When it came, in seconds since 1970.", True),
    Column("value", "real", "What it was worth.", True),
)
"""Columns of the table `feedback`."""

SESSIONS = (
    Column("session", "text", "Name of the conversation.", True),
    Column("source", "text", "Format that it was read from.", True),
    Column("rest", "text", "Messages behind the last answer, JSON."),
    Column("metadata", "text", "What else stood there about it, a JSON object."),
)
"""Columns of the table `sessions`, a row an imported conversation."""

SHADOWS = (
    Column("session", "text", "Name of the conversation.", True),
    Column("begun", "real", "As in the steps; with session and step it names the step."),
    Column("step", "integer", "The step whose request it is.", True),
    Column("time", "real", "When the other model was asked, in seconds since 1970."),
    Column("choice", "integer", "The other model: 0 for QUICK, 1 for DEEPTHINK."),
    Column("model", "text", "Its name."),
    Column("share", "real", "Probability with which it was asked, whatever the step's choice."),
    Column("status", "integer", "HTTP status of its answer; null where none came."),
    Column("prompt_tokens", "integer", "Tokens of the prompt; null where nobody counted them."),
    Column("cached_tokens", "integer", "Tokens of it that the provider had in its cache."),
    Column("cache_write_tokens", "integer", "Tokens of it that were put into the cache."),
    Column("output_tokens", "integer", "Tokens of the answer."),
    Column("seconds", "real", "Seconds from the request to the end of the answer."),
    Column("answer", "text", "Its message, JSON; null unless texts are kept."),
    Column("embedding", "blob", "Embedding of its words: float32 numbers, little-endian."),
    Column("answer_embedding", "blob", "The same of the answer that the agent got."),
)
"""Columns of the table `shadows`, a row a shadow answer."""

TABLES: Mapping[str, Sequence[Column]] = {
    "steps": STEPS,
    "feedback": FEEDBACK,
    "sessions": SESSIONS,
    "shadows": SHADOWS,
}


def schema() -> str:
    """The tables in SQL."""
    made = []
    for name, columns in TABLES.items():
        lines = [
            f"  {column.name} {column.kind.upper()}{' NOT NULL' if column.needed else ''}"
            for column in columns
        ]
        made.append(f"CREATE TABLE {name} (\n" + ",\n".join(lines) + "\n)")
    return ";\n".join(made) + ";"


class TraceStore:
    """A file of traces, open for writing; several processes may write to one file.

    Args:
        file: made if there is none.

    Attributes:
        dropped: rows that came faster than they could be written, or that the disk had no room for.

    Raises:
        DamagedFile: if the file is of another kind or version.
        LondiError: if it cannot be opened.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.dropped = 0
        self._rows: queue.Queue[tuple[str, Row] | None] = queue.Queue(WAITING)
        connection = _open(file)
        self._thread = threading.Thread(target=self._write, args=(connection,), daemon=True)
        self._thread.start()

    def add(self, table: str, row: Row) -> None:
        """Write a row soon; it is dropped where too many wait."""
        try:
            self._rows.put_nowait((table, row))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._rows.put(None)
        self._thread.join()

    def _write(self, connection: sqlite3.Connection) -> None:
        going = True
        while going:
            rows = [self._rows.get()]
            while len(rows) < TOGETHER and not self._rows.empty():
                rows.append(self._rows.get())
            going = None not in rows
            self._insert(connection, [row for row in rows if row is not None])
        connection.close()

    def _insert(self, connection: sqlite3.Connection, rows: list[tuple[str, Row]]) -> None:
        try:
            _insert(connection, rows)
        except sqlite3.Error:  # a full disk, say: answers go on
            self.dropped += len(rows)


def write_traces(file: Path, rows: Iterable[tuple[str, Row]]) -> None:
    """Write a new file of traces, all or nothing.

    Args:
        file: replaced if it is there.
        rows: each with the name of its table.

    Raises:
        LondiError: if it cannot be written; `file` is as it was.
    """
    with replacing(file) as part:
        part.unlink(missing_ok=True)
        connection = _open(part)
        try:
            _insert(connection, rows)
            # Without a journal beside it the file can be renamed.
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise LondiError(f"cannot write to {str(file)!r}: {error}") from error
        finally:
            connection.close()


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


def _insert(connection: sqlite3.Connection, rows: Iterable[tuple[str, Row]]) -> None:
    """Write rows in one transaction."""
    with connection:
        for table, row in rows:
            names = [column.name for column in TABLES[table]]
            marks = ", ".join("?" * len(names))
            values = [row.get(name) for name in names]
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def as_json(value: object) -> str:
    """A value of a text column that holds JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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
    if version != FORMAT:
        raise DamagedFile(
            f"{str(file)!r}: expected traces of format {FORMAT}, got format {version}"
        )
