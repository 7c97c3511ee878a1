"""Ledgers that outlive a process: a file in SQLite's format, or Redis for several gateways.

Each reservation is one transaction over all its budgets. What a killed gateway had reserved stays
counted: nobody knows whether its models have answered. A ledger that cannot be reached gives
nothing (it fails closed). Accounts that have not changed for long are forgotten. This file knows
amounts, and no sessions.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import inf, isfinite
from pathlib import Path
from typing import Any, TypeVar

from londi.config.addresses import REDIS, without_secrets
from londi.errors import DamagedFile, InvalidConfig, LondiError
from londi.serve.core.budget import (
    KEPT,
    NO_CAP,
    UNITS,
    ZERO,
    Amount,
    Forgetting,
    Ledger,
    MemoryLedger,
    Scope,
)
from londi.storage.sqlite import check_file, connected

T = TypeVar("T")

_log = logging.getLogger(__name__)

WAIT = 1.0
"""Most seconds that a request waits for a ledger."""
PAUSE = 5.0
"""Seconds for which a ledger that failed is not asked again."""


def open_ledger(place: str, kept: float = KEPT) -> Ledger:
    """The ledger at `place`: a file, an address of Redis, or memory where it is empty.

    Args:
        place: where it is.
        kept: seconds after its last change that an account is kept.

    Raises:
        LondiError: if it cannot be opened.
    """
    if not place:
        return MemoryLedger(kept)
    if place.startswith(REDIS):
        remote = RedisLedger(place, kept)
        return FailClosed(remote, remote.failure)
    if "://" in place:
        shown = without_secrets(place)
        raise InvalidConfig(f"ledger: expected a file or redis://HOST:PORT, got {shown!r}")
    return FailClosed(SqliteLedger(Path(place).expanduser(), kept), sqlite3.Error)


def check_ledger(place: str) -> None:
    """Look whether the ledger at `place` could be opened, and create or change nothing.

    Raises:
        LondiError: if it could not.
    """
    if not place or "://" in place:
        open_ledger(place).close()  # nothing is made in memory, nor in Redis
        return

    def check(db: sqlite3.Connection) -> None:
        db.execute("SELECT scope, calls, tokens, money FROM ledger LIMIT 1")

    file = Path(place).expanduser()
    try:
        check_file(file, check)
    except sqlite3.Error as error:
        raise DamagedFile(f"{str(file)!r} holds no ledger: {error}") from error


class FailClosed:
    """A ledger that gives nothing while another one cannot be reached.

    What was held then stays counted. Nothing is tried twice: a settlement whose answer was lost may
    have been made, and made again it would give back more than was held.

    Args:
        inner: the other one.
        failure: what it raises when it cannot be reached.
        clock: seconds that only go forward.

    Attributes:
        failures: how often it was needed and could not be reached.
    """

    def __init__(
        self,
        inner: Ledger,
        failure: type[Exception],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._failure, self._clock = inner, failure, clock
        self._until = -inf
        self.failures = 0

    def taken(self, scope: Scope) -> Amount:
        caps = (getattr(scope.most, unit) for unit in UNITS)
        spent = Amount(*(cap if isfinite(cap) else 0 for cap in caps))
        return self._asked(lambda: self._inner.taken(scope), spent)

    def reserve(self, scopes: Sequence[Scope], bound: Amount) -> bool:
        return not scopes or self._asked(lambda: self._inner.reserve(scopes, bound), False)

    def settle(self, scopes: Sequence[Scope], bound: Amount, taken: Amount) -> None:
        if scopes:
            self._asked(lambda: self._inner.settle(scopes, bound, taken), None)

    def close(self) -> None:
        self._inner.close()

    def _asked(self, ask: Callable[[], T], otherwise: T) -> T:
        """The answer of the other ledger; `otherwise` where it fails, or has just failed."""
        # Whoever waited for it at each request would hold up all others.
        if self._clock() >= self._until:
            try:
                return ask()
            except self._failure as error:
                self._until = self._clock() + PAUSE
                _log.warning("the ledger cannot be reached; no budget is given: %s", error)
        self.failures += 1
        return otherwise


class SqliteLedger:
    """A ledger in a file, for all processes of one machine.

    Args:
        file: made if there is none.
        kept: seconds after its last change that an account is kept.
        clock: seconds since 1970.

    Raises:
        DamagedFile: if the file is of another kind or version.
        LondiError: if it cannot be opened.
    """

    def __init__(
        self, file: Path, kept: float = KEPT, clock: Callable[[], float] = time.time
    ) -> None:
        self._lock, self._forgetting = threading.Lock(), Forgetting(kept, clock)
        prepare = partial(_prepare, clock(), self._forgetting.due())
        try:
            self._db = connected(file, prepare, check_same_thread=False, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise LondiError(f"cannot open the ledger {str(file)!r}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DamagedFile(f"{str(file)!r} holds no ledger: {error}") from error
        self._db.execute(f"PRAGMA busy_timeout={WAIT * 1000:.0f}")

    def taken(self, scope: Scope) -> Amount:
        with self._lock:
            self._forget()
            row = self._db.execute(
                "SELECT calls, tokens, money FROM ledger WHERE scope = ?", (scope.name,)
            ).fetchone()
        return Amount(*row) if row else ZERO

    def reserve(self, scopes: Sequence[Scope], bound: Amount) -> bool:
        return self._together(lambda: all(self._add(one, bound, one.most, 1) for one in scopes))

    def settle(self, scopes: Sequence[Scope], bound: Amount, taken: Amount) -> None:
        change = taken - bound
        self._together(lambda: all(self._add(one, change, NO_CAP, -1) for one in scopes))

    def _together(self, change: Callable[[], bool]) -> bool:
        """Do all of a change, or nothing of one that is refused."""
        with self._lock:
            self._forget()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                done = change()
                self._db.execute("COMMIT" if done else "ROLLBACK")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends one by itself
                    self._db.execute("ROLLBACK")
                raise
        return done

    def close(self) -> None:
        self._db.close()

    def _forget(self) -> None:
        """Forget old accounts, if an hour has passed."""
        if (before := self._forgetting.due()) is not None:
            self._db.execute(_FORGET, (before,))

    def _add(self, scope: Scope, amount: Amount, most: Amount, holds: int) -> bool:
        """Add to what is taken; False where it would be more than `most`."""
        added = [int(getattr(amount, unit)) for unit in UNITS]
        caps = [_whole(getattr(most, unit)) for unit in UNITS]
        row = self._db.execute(
            "INSERT INTO ledger (scope, calls, tokens, money, holds, changed)"
            " VALUES (?1, ?2, ?3, ?4, max(0, ?8), ?9) ON CONFLICT (scope) DO UPDATE SET"
            " calls = calls + ?2, tokens = tokens + ?3, money = money + ?4,"
            " holds = max(0, holds + ?8), changed = ?9 RETURNING"
            " (?5 IS NULL OR calls <= ?5) AND (?6 IS NULL OR tokens <= ?6)"
            " AND (?7 IS NULL OR money <= ?7)",
            (scope.name, *added, *caps, holds, self._forgetting.changed(scope)),
        ).fetchone()
        return bool(row[0])


class RedisLedger:
    """A ledger in Redis, for all gateways that know its address.

    Args:
        url: of the server.
        kept: seconds after its last change that an account is kept.

    Attributes:
        failure: what is raised when the server cannot be reached.

    Raises:
        LondiError: if there is no server at the address.
    """

    # ARGV: calls, tokens and money to add, then the three caps of each key, empty for none.
    _RESERVE = """
    local units = {'calls', 'tokens', 'money'}
    for k, key in ipairs(KEYS) do
        for u, unit in ipairs(units) do
            local cap = ARGV[3 * k + u]
            local taken = tonumber(redis.call('HGET', key, unit) or '0')
            if cap ~= '' and taken + tonumber(ARGV[u]) > tonumber(cap) then return 0 end
        end
    end
    for _, key in ipairs(KEYS) do
        for u, unit in ipairs(units) do redis.call('HINCRBY', key, unit, ARGV[u]) end
        redis.call('HINCRBY', key, 'holds', 1)
        redis.call('PERSIST', key)
    end
    return 1
    """
    # ARGV: calls, tokens and money to add, then the seconds for which each key is kept, empty for
    # ever.
    _SETTLE = """
    for k, key in ipairs(KEYS) do
        for u, unit in ipairs({'calls', 'tokens', 'money'}) do
            redis.call('HINCRBY', key, unit, ARGV[u])
        end
        if redis.call('HINCRBY', key, 'holds', -1) <= 0 then
            redis.call('HSET', key, 'holds', 0)
            if ARGV[3 + k] ~= '' then redis.call('EXPIRE', key, ARGV[3 + k]) end
        end
    end
    """
    PREFIX = "londi:ledger:"

    def __init__(self, url: str, kept: float = KEPT) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._redis: Any = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=WAIT,
            socket_connect_timeout=WAIT,
            # By default a settlement is sent again where its answer is late, and counts twice.
            retry=Retry(NoBackoff(), 0),
        )
        self.failure: type[Exception] = redis.RedisError
        try:
            self._redis.ping()
        except redis.RedisError as error:
            raise LondiError(f"ledger: no Redis at {without_secrets(url)!r}: {error}") from error
        self._kept = int(kept)
        self._reserve = self._redis.register_script(self._RESERVE)
        self._settle = self._redis.register_script(self._SETTLE)

    def taken(self, scope: Scope) -> Amount:
        found = self._redis.hmget(self.PREFIX + scope.name, UNITS)
        return Amount(*(int(value or 0) for value in found))

    def reserve(self, scopes: Sequence[Scope], bound: Amount) -> bool:
        keys = [self.PREFIX + scope.name for scope in scopes]
        added = [int(getattr(bound, unit)) for unit in UNITS]
        caps = [_whole(getattr(scope.most, unit)) for scope in scopes for unit in UNITS]
        given = [*added, *("" if cap is None else cap for cap in caps)]
        return bool(self._reserve(keys, given))

    def settle(self, scopes: Sequence[Scope], bound: Amount, taken: Amount) -> None:
        keys, change = [self.PREFIX + scope.name for scope in scopes], taken - bound
        added = [int(getattr(change, unit)) for unit in UNITS]
        self._settle(keys, [*added, *("" if scope.for_ever else self._kept for scope in scopes)])

    def close(self) -> None:
        self._redis.close()


_FORGET = "DELETE FROM ledger WHERE changed < ? AND holds = 0"


def _prepare(now: float, before: float | None, db: sqlite3.Connection) -> None:
    """Make the table of a new file, mend one of an older form, and fail on another.

    Accounts whose last change was before `before` are forgotten.
    """
    db.execute("PRAGMA journal_mode=WAL")
    # A commit survives the death of the process; only a loss of power can undo the last.
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "CREATE TABLE IF NOT EXISTS ledger"
        " (scope TEXT PRIMARY KEY, calls INTEGER, tokens INTEGER, money INTEGER,"
        " holds INTEGER NOT NULL DEFAULT 0, changed REAL NOT NULL DEFAULT 0) WITHOUT ROWID"
    )
    columns = {name for _, name, *_ in db.execute("PRAGMA table_info(ledger)")}
    if columns == {"scope", *UNITS}:  # until 0.2 nothing was forgotten
        for name in ("holds INTEGER", "changed REAL"):
            db.execute(f"ALTER TABLE ledger ADD COLUMN {name} NOT NULL DEFAULT 0")
        kept = "CASE WHEN scope LIKE 'client:%' THEN ? ELSE ? END"
        db.execute(f"UPDATE ledger SET changed = {kept}", (inf, now))
    db.execute("SELECT scope, calls, tokens, money, holds, changed FROM ledger LIMIT 1")
    db.execute(_FORGET, (before,))
    db.execute("COMMIT")


def _whole(cap: float) -> int | None:
    """A cap as a whole number; None where there is none."""
    return int(cap) if isfinite(cap) else None
