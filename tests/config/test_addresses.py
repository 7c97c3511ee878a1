"""Addresses of servers: what is refused, and what a message shows of them."""

from __future__ import annotations

import pytest

from londi.config import TrainConfig
from londi.config.addresses import CACHE_PASSWORD, check_cache, without_secrets
from londi.errors import InvalidConfig


@pytest.mark.parametrize(
    "place",
    [
        "answers.sqlite",
        "~/a:b@c/answers.sqlite",
        "memory",
        "redis://localhost:6379/0",
        "rediss://user@host",
        "unix:///run/redis.sock?db=1",
        "postgresql://user@host:5432/db?sslmode=require",
        "postgres:///db",
    ],
)
def test_what_is_a_cache(place: str) -> None:
    check_cache(place)
    assert TrainConfig(cache=place).cache == place


@pytest.mark.parametrize(
    "place",
    [
        "redis://:hunter2@host/0",
        "redis://user:hunter2@host",
        "redis://host/0?password=hunter2",
        "redis://host/0?db=1&PASSWORD=hunter2",
        "unix://user:hunter2@/run/redis.sock",
        "postgresql://user:hunter2@host/db",
        "postgresql://user:a@hunter2@host/db",
        "postgresql://user:a/hunter2@host/db",
        "postgresql://user:a?hunter2@host/db",
        "postgresql://user@host/db?sslmode=require&password=hunter2",
        "postgresql://user@host/db?%70assword=hunter2",
        "postgresql://host/db?sslpassword=hunter2",
    ],
)
def test_a_password_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(InvalidConfig, match=CACHE_PASSWORD) as caught:
        TrainConfig(cache=place)
    assert "hunter2" not in str(caught.value)


def test_another_address_and_a_wrong_port_are_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"expected a file, redis://.* got 'mysql://me:\*\*\*@"):
        check_cache("mysql://me:hunter2@host/db")
    with pytest.raises(InvalidConfig, match="expected a port from 0 to 65535"):
        check_cache("redis://host:65536/0")
    with pytest.raises(InvalidConfig, match="expected a port from 0 to 65535"):
        check_cache("postgresql://host:port/db")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("a file", "a file"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("redis://:x@host:1/0", "redis://:***@host:1/0"),
        ("redis://me:x:y@z@host/0?password=x", "redis://me:***@host/0"),
        ("postgresql://me@host/db?password=x", "postgresql://me@host/db"),
    ],
)
def test_what_a_message_shows(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
