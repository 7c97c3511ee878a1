"""The answer database at a place: a file, an address of Redis, or one of Postgres."""

from __future__ import annotations

from pathlib import Path

from londi.config.addresses import POSTGRES, REDIS, check_cache
from londi.errors import extras_named
from londi.storage.answers.base import AnswerDatabase, unusable
from londi.storage.answers.sqlite import SqliteAnswers


def open_answers(place: str | Path) -> AnswerDatabase:
    """Open the answer database at `place`; it is made if there is none.

    Args:
        place: a file, whose leading `~` is the home folder, or ``redis://HOST:PORT/NUMBER`` or
            ``postgresql://USER@HOST:PORT/DATABASE``. A path is always a file.

    Raises:
        InvalidConfig: if it is another address, or holds a password.
        MissingExtra: if the package that speaks to the server is not installed.
        LondiError: if it cannot be opened, or holds something else.
    """
    if isinstance(place, str):
        check_cache(place)
        with extras_named():
            if place.startswith(REDIS):
                from londi.storage.answers.redis import RedisAnswers

                return RedisAnswers(place)
            if place.startswith(POSTGRES):
                from londi.storage.answers.postgres import PostgresAnswers

                return PostgresAnswers(place)
    try:
        file = Path(place).expanduser()
    except RuntimeError as error:  # `~name` of a user that this machine does not know
        raise unusable(str(place), "there is no such home folder") from error
    return SqliteAnswers(file)
