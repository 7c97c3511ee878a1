"""Answers in Postgres, for all machines that know its address."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from londi.config.addresses import CACHE_PASSWORD
from londi.storage.answers.base import unusable

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")

WAIT = 60
"""Seconds that a statement waits for a lock of another process."""
_SETTINGS = {
    "connect_timeout": 10,
    "tcp_user_timeout": 10_000,  # milliseconds until a machine that is gone is given up
    "keepalives_idle": 10,
    "options": f"-c statement_timeout={WAIT}s",
    "application_name": "londi",
}
"""Settings of a connection; those in the address come first."""
TABLE = "londi_answers"
_SCHEMA = [("key", "bytea"), ("value", "bytea")]
_LOCK = 0x6C6F6E6469  # the number that stands for the making of the table


class PostgresAnswers:
    """Answers in the table `londi_answers` of a database.

    The password is that of the environment variable `LONDI_CACHE_PASSWORD`; without it, libpq's own
    ways hold (`PGPASSWORD`, `~/.pgpass`).

    Args:
        url: ``postgresql://USER@HOST:PORT/DATABASE``.

    Raises:
        MissingExtra: if the package `psycopg` is not installed.
        LondiError: if there is no such database, it takes no answers, or the table is another one.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._db: psycopg.Connection[Any] | None = None
        try:
            self._asked(_prepare)
        except BaseException:
            self.close()
            raise

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        look = f"SELECT key, value FROM {TABLE} WHERE key = ANY(%s)"

        def find(db: psycopg.Connection[Any]) -> dict[bytes, bytes]:
            with db.cursor(binary=True) as cursor:
                return dict(cursor.execute(look, (list(keys),)).fetchall())

        return self._asked(find)

    def add(self, answers: Mapping[bytes, bytes]) -> None:
        write = f"INSERT INTO {TABLE} VALUES (%b, %b) ON CONFLICT DO NOTHING"
        # In one order: two processes that write the same answers never wait for each other.
        rows = sorted(answers.items())

        def add(db: psycopg.Connection[Any]) -> None:
            with db.transaction(), db.cursor() as cursor:
                cursor.executemany(write, rows)

        self._asked(add)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _asked(self, ask: Callable[[psycopg.Connection[Any]], T]) -> T:
        """The answer of the database; on a new connection where the old one has been lost."""
        import psycopg

        try:
            old = self._db
            if old is not None:
                try:
                    return ask(old)
                except psycopg.OperationalError:
                    if not old.broken:
                        raise
                    self.close()
            self._db = self._connected()
            return ask(self._db)
        except (psycopg.Error, ValueError) as error:
            raise unusable(self._url, error) from error

    def _connected(self) -> psycopg.Connection[Any]:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        own = {"password": os.environ.get(CACHE_PASSWORD) or None}
        settings: dict[str, Any] = {**_SETTINGS, **own, **conninfo_to_dict(self._url)}
        return psycopg.connect(autocommit=True, **settings)


def _prepare(db: psycopg.Connection[Any]) -> None:
    """Make the table of answers, unless there is another one of its name."""
    with db.transaction():
        # Two processes that make one table at once would fail.
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if (columns := _columns(db)) is None:
            db.execute(f"CREATE TABLE {TABLE} (key bytea PRIMARY KEY, value bytea NOT NULL)")
        elif columns != _SCHEMA:
            raise ValueError(f"its table {TABLE} is of something else")
        (writable,) = db.execute(
            "SELECT has_table_privilege(%s, 'SELECT') AND has_table_privilege(%s, 'INSERT')"
            " AND NOT pg_is_in_recovery()",
            (TABLE, TABLE),
        ).fetchone() or (False,)
        if not writable:
            raise ValueError(f"its table {TABLE} cannot be written to")


def _columns(db: psycopg.Connection[Any]) -> list[tuple[str, str]] | None:
    """The columns of the table, by name and type; None if there is no table."""
    (table,) = db.execute("SELECT to_regclass(%s)::oid", (TABLE,)).fetchone() or (None,)
    if table is None:
        return None
    return db.execute(
        "SELECT attname::text, atttypid::regtype::text FROM pg_attribute"
        " WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table,),
    ).fetchall()
