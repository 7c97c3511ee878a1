"""The protocol of an answer database, and the error of one that cannot be used.

This file knows no library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from londi.config.addresses import without_secrets
from londi.errors import LondiError


class AnswerDatabase(Protocol):
    """Answers by key, for all processes that open the same place.

    Keys and values are bytes. Every method raises LondiError, with a message of one line, where
    the place cannot be used.
    """

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The answers under those of `keys` that have one."""

    def add(self, answers: Mapping[bytes, bytes]) -> None:
        """Write all of `answers` in one transaction; an answer that is there already stays."""

    def close(self) -> None:
        """Let the place go; a later call opens it again."""


def unusable(place: str, error: Exception | str) -> LondiError:
    """The error of a place that cannot be used, in one line and without a password."""
    reason: object = error
    if isinstance(error, OSError):
        reason = error.strerror or error
    text = " ".join(str(reason).split()).rstrip(".") or type(error).__name__
    return LondiError(
        f"cannot use the answer cache {without_secrets(place)!r}: {text}; try --cache none"
    )
