"""Answers in Redis, for all machines that know its address."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from londi.config.addresses import CACHE_PASSWORD
from londi.storage.answers.base import unusable

WAIT = 10.0
"""Seconds without a word of the server after which it is given up."""
TRIES = 3
"""Further tries where a connection breaks: reading twice and writing twice change nothing."""
PREFIX = b"londi:answers:"
"""Beginning of the key of each answer, so that a database may hold other things as well."""
MARK, FORMAT = b"londi:answers", b"1"
"""Key that says what the answers are, and its value."""


class RedisAnswers:
    """Answers in a database of Redis, one key an answer, so that Redis may evict old ones.

    The password is that of the environment variable `LONDI_CACHE_PASSWORD`.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.

    Raises:
        MissingExtra: if the package `redis` is not installed.
        LondiError: if there is no such server, it takes no answers, or something else lies under
            their keys.
    """

    def __init__(self, url: str) -> None:
        import redis
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry

        self._url = url
        self._failures = (redis.RedisError, OSError, ValueError)
        with self._errors():
            self._redis: Any = redis.Redis.from_url(
                url,
                password=os.environ.get(CACHE_PASSWORD) or None,
                socket_timeout=WAIT,
                socket_connect_timeout=WAIT,
                retry=Retry(ExponentialBackoff(cap=1, base=0.1), TRIES, (redis.ConnectionError,)),
            )
            try:
                # It also shows that the server takes what is written.
                self._redis.set(MARK, FORMAT, nx=True)
                if self._redis.get(MARK) != FORMAT:
                    raise ValueError("it holds answers of another kind")
            except BaseException:
                self._redis.close()
                raise

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        with self._errors():
            # MGET is silent where something else than a text lies under a key.
            asked = self._redis.pipeline(transaction=False)
            for key in keys:
                asked.get(PREFIX + key)
            found = dict(zip(keys, asked.execute(raise_on_error=False), strict=True))
            for value in found.values():
                if isinstance(value, Exception):
                    raise value
        return {key: value for key, value in found.items() if value is not None}

    def add(self, answers: Mapping[bytes, bytes]) -> None:
        with self._errors():
            written = self._redis.pipeline(transaction=True)
            for key, value in answers.items():
                written.set(PREFIX + key, value, nx=True)
            written.execute()

    def close(self) -> None:
        self._redis.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise unusable(self._url, error) from error
