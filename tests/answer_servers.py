"""The servers that an answer cache may lie on, real and with a password, and what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import postgres_server
import redis_server

_KEYS = "londi:answers:*"


class RedisAnswersServer(redis_server.Server):
    """Redis; what it holds is lost when it stops."""

    password = "a-secret:of@Redis"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, self.password)

    def count(self) -> int:
        """Answers that somebody else finds there."""
        with self._client() as db:
            return sum(1 for _ in db.scan_iter(_KEYS))

    def spoil(self, value: bytes) -> None:
        """Put a value in the place of each answer."""
        with self._client() as db:
            for key in db.scan_iter(_KEYS):
                db.set(key, value)

    def empty(self) -> None:
        """Remove everything."""
        with self._client() as db:
            db.flushdb()

    def misuse(self) -> None:
        """Put something else where the answers would lie."""
        with self._client() as db:
            db.set("londi:answers", "of somebody else")

    def _client(self) -> Any:
        import redis

        return redis.Redis.from_url(self.url, password=self.password)


class PostgresAnswersServer(postgres_server.Server):
    """Postgres; what it holds outlasts a stop."""

    password = postgres_server.PASSWORD

    def count(self) -> int:
        """Answers that somebody else finds there."""
        with self.client() as db:
            row = db.execute("SELECT count(*) FROM londi_answers").fetchone()
        return int(row[0])

    def spoil(self, value: bytes) -> None:
        """Put a value in the place of each answer."""
        with self.client() as db:
            db.execute("UPDATE londi_answers SET value = %b", (value,))

    def empty(self) -> None:
        """Remove everything."""
        with self.client() as db:
            db.execute("DROP TABLE IF EXISTS londi_answers")

    def misuse(self) -> None:
        """Put something else where the answers would lie."""
        with self.client() as db:
            db.execute("CREATE TABLE londi_answers (question text, answer text)")

    def client(self) -> Any:
        """A connection, whose context commits and closes it."""
        import psycopg

        return psycopg.connect(self.url, password=self.password)


AnswerServer = RedisAnswersServer | PostgresAnswersServer
