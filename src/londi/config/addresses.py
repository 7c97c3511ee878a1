"""Addresses of Redis and Postgres, and how they stand in messages.

A password in an address would stand in config.yaml, in messages and in the list of processes, so
the answer cache takes it from the environment. This file opens no connection.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from londi.errors import InvalidConfig

REDIS = ("redis://", "rediss://", "unix://")
"""Beginnings of an address of Redis."""
POSTGRES = ("postgresql://", "postgres://")
"""Beginnings of an address of Postgres."""
CACHE_PASSWORD = "LONDI_CACHE_PASSWORD"
"""Environment variable with the password of the answer cache's server."""

_SECRET = ("password", "secret")
"""Words in the names of query parameters that hold a secret."""


def without_secrets(address: str) -> str:
    """An address for messages: without its password and its query; other texts as they are."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    # A password may hold any sign, and "@" and "?" too: all before the last "@" is the login.
    login, at, place = rest.rpartition("@")
    user = login.partition(":")[0] + ":***" if ":" in login else login
    return f"{scheme}{separator}{user}{at}{place.partition('?')[0]}"


def check_cache(cache: str) -> None:
    """Refuse an answer cache that is an address of something else, or holds a password.

    Raises:
        InvalidConfig: for such an address; the message does not repeat the password.
    """
    scheme, separator, rest = cache.partition("://")
    if not separator:
        return
    shown = without_secrets(cache)
    if f"{scheme}://" not in REDIS + POSTGRES:
        raise InvalidConfig(
            "cache: expected a file, redis://HOST:PORT/NUMBER or postgresql://HOST:PORT/DATABASE,"
            f" got {shown!r}"
        )
    keys = [key.lower() for key, _ in parse_qsl(rest.partition("?")[2], keep_blank_values=True)]
    if ":" in rest.rpartition("@")[0] or any(word in key for key in keys for word in _SECRET):
        raise InvalidConfig(
            f"cache: expected an address without a password, got {shown!r}; put it into the"
            f" environment variable {CACHE_PASSWORD}"
        )
    try:
        _ = urlsplit(cache).port
    except ValueError as error:
        raise InvalidConfig(f"cache: expected a port from 0 to 65535, got {shown!r}") from error
