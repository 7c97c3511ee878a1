"""Sums over a file of traces that goes on growing; each row is read once.

Rows are read from the last one backwards, for a bounded time at each look, so that the latest
figures are there at once and no look is long. The sums are tables of a temporary file, made by SQL
alone: SQLite does not hold Python's lock meanwhile, and answers go on. The traces are opened for
reading only. This file knows tables of traces. It does not know what is shown of them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHUNK = 10_000
"""Rows that are read by one statement."""
MINUTE, DAY = 60.0, 86_400.0
KEPT = 2 * DAY
"""Seconds for which sums by the minute are kept."""

_TABLES = """
CREATE TABLE minutes (
  minute INTEGER, model TEXT, steps INTEGER, calls INTEGER, errors INTEGER, fallbacks INTEGER,
  tokens INTEGER, money REAL, unpriced INTEGER, PRIMARY KEY (minute, model)
) WITHOUT ROWID;
CREATE TABLE sessions (
  session TEXT PRIMARY KEY, first INTEGER, arm TEXT, policy TEXT, rollout TEXT,
  calls INTEGER DEFAULT 0, money REAL DEFAULT 0, unpriced INTEGER DEFAULT 0,
  reward REAL, returned REAL
) WITHOUT ROWID;
"""
_CALL = "coalesce(model = json_extract(candidates, '$[1]'), 0)"
_UNPRICED = "(status IS NOT NULL AND money IS NULL)"

_MINUTES = f"""
INSERT INTO minutes
SELECT CAST(time / 60 AS INTEGER), coalesce(model, ''), count(*), sum({_CALL}),
  sum(status IS NULL OR status >= 400),
  sum(coalesce(model <> json_extract(candidates, '$[' || choice || ']'), 0)),
  sum(coalesce(prompt_tokens, 0) + coalesce(output_tokens, 0)),
  sum(coalesce(money, 0)), sum({_UNPRICED})
FROM traces.steps WHERE rowid BETWEEN ? AND ? AND time >= ? GROUP BY 1, 2
ON CONFLICT DO UPDATE SET
  steps = steps + excluded.steps, calls = calls + excluded.calls,
  errors = errors + excluded.errors, fallbacks = fallbacks + excluded.fallbacks,
  tokens = tokens + excluded.tokens, money = money + excluded.money,
  unpriced = unpriced + excluded.unpriced
"""
# With min() alone the other columns are those of the row that has it (SQLite's "bare columns").
_SESSIONS = f"""
INSERT INTO sessions (session, first, arm, policy, rollout, calls, money, unpriced)
SELECT session, min(rowid), arm, coalesce(policy, ''), coalesce(rollout, ''), sum({_CALL}),
  sum(coalesce(money, 0)), sum({_UNPRICED})
FROM traces.steps WHERE rowid BETWEEN ? AND ? GROUP BY session
ON CONFLICT DO UPDATE SET
  arm = iif(first IS NULL OR excluded.first < first, excluded.arm, arm),
  policy = iif(first IS NULL OR excluded.first < first, excluded.policy, policy),
  rollout = iif(first IS NULL OR excluded.first < first, excluded.rollout, rollout),
  first = min(coalesce(first, excluded.first), excluded.first),
  calls = calls + excluded.calls, money = money + excluded.money,
  unpriced = unpriced + excluded.unpriced
"""
_FEEDBACK = """
INSERT INTO sessions (session, reward, returned)
SELECT session, sum(iif(step IS NULL, value, NULL)), sum(value)
FROM traces.feedback WHERE rowid BETWEEN ? AND ? GROUP BY session
ON CONFLICT DO UPDATE SET reward = coalesce(excluded.reward, reward),
  returned = coalesce(returned, 0) + excluded.returned
"""
Unread = list[tuple[int, int]]
"""First and last number of the rows that are not yet read; the latest ones stand last."""


class Digest:
    """Sums over a file of traces.

    Args:
        file: the traces; they stay as they are.
        clock: seconds since 1970.

    Raises:
        sqlite3.Error: if the file cannot be read.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # An empty name is a temporary file, which ends with the connection.
        self._db = sqlite3.connect("", uri=True, isolation_level=None, check_same_thread=False)
        try:
            for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32000"):
                self._db.execute(f"PRAGMA {setting}")
            self._db.execute("ATTACH ? AS traces", (f"{file.absolute().as_uri()}?mode=ro",))
            self._db.execute("PRAGMA busy_timeout=1000")
            self._db.executescript(_TABLES)
        except BaseException:
            self._db.close()
            raise
        self._top = {"steps": 0, "feedback": 0}
        self._unread: dict[str, Unread] = {"steps": [], "feedback": []}

    def read(self, seconds: float) -> None:
        """Read what is new, and then what is old, until the time is over; one chunk at least."""
        ends, now = time.monotonic() + seconds, self._clock()
        self._db.execute("DELETE FROM minutes WHERE minute < ?", ((now - KEPT) / MINUTE,))
        for table in self._top:
            self._find(table)
        while self.unread:
            if chunk := _last(self._unread["feedback"]):
                self._db.execute(_FEEDBACK, chunk)
            if chunk := _last(self._unread["steps"]):
                self._db.execute(_MINUTES, (*chunk, now - KEPT))
                self._db.execute(_SESSIONS, chunk)
            if time.monotonic() > ends:
                return

    @property
    def unread(self) -> int:
        """Rows that are not yet read."""
        return sum(last - first + 1 for rows in self._unread.values() for first, last in rows)

    def rows(self, asked: str, *values: float | str) -> list[Any]:
        """Rows of a query over the sums, and over the traces as `traces`."""
        return self._db.execute(asked, values).fetchall()

    def close(self) -> None:
        """Let go of the files."""
        self._db.close()

    def _find(self, table: str) -> None:
        """Note which rows are new."""
        ((top,),) = self.rows(f"SELECT coalesce(max(rowid), 0) FROM traces.{table}")
        if top > self._top[table]:
            self._unread[table].append((self._top[table] + 1, top))
            self._top[table] = top


def _last(unread: Unread) -> tuple[int, int] | None:
    """The latest chunk of unread rows, which counts as read now; None without any."""
    if not unread:
        return None
    first, last = unread.pop()
    begin = max(first, last - CHUNK + 1)
    if begin > first:
        unread.append((first, begin - 1))
    return begin, last
