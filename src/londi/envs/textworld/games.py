"""The cache of generated games: one file a game, made by a process of its own where it is missing.

Making a game takes a second or more, so it is made once and kept. This file knows files; not how a
game is made (`generator.py`), nor how it is played (`engine.py`).
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

from londi.envs.options import check_counts
from londi.errors import EnvironmentFailed, InvalidConfig, MissingExtra
from londi.storage.atomic import write_errors
from londi.storage.paths import as_path

CACHE = "~/.cache/londi/textworld"
"""Folder of generated games."""
STORY, WORLD = "game.z8", "game.json"
"""Parts of a game's file: the compiled program that tells the story, and the world's logic."""
_FORMAT = 1
"""Version of such a file and of the challenges' settings; those of another are made anew."""
_DAMAGED = (
    *(BadZipFile, KeyError, ValueError, EOFError, zlib.error),
    *(NotImplementedError, RuntimeError),  # another compression, a password
)
"""Errors of reading a file whose bytes are not as they were written."""
_GENERATOR = "londi.envs.textworld.generator"


class GameId(NamedTuple):
    """Identity of a game: the name of its challenge, and its seed."""

    challenge: str
    seed: int


class GameContent(NamedTuple):
    """Content of a game's file: the compiled story, and the world as TextWorld writes it."""

    story: bytes
    world: Mapping[str, Any]


def check_cache(cache: object) -> None:
    """Check that this is the name of a folder, which is there or can be made.

    Raises:
        InvalidConfig: if it is not.
    """
    if not (cache and isinstance(cache, str)):
        raise InvalidConfig(f"cache: expected the name of a folder, got {cache!r}")
    folder = as_path(cache).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or (there != folder and not os.access(there, os.W_OK)):
        raise InvalidConfig(f"cache: expected a folder that can be written to, got {cache!r}")


def game_file(folder: Path, game: GameId) -> Path:
    """The file of a game in the cache `folder`.

    Raises:
        MissingExtra: if TextWorld is not installed.
    """
    try:
        made_by = version("textworld")
    except PackageNotFoundError as error:
        raise MissingExtra("textworld", "textworld") from error
    return folder / f"{made_by}-{_FORMAT}" / game.challenge / f"{game.seed}.zip"


def make_games(games: Sequence[GameId], cache: str = CACHE, processes: int = 1) -> None:
    """Make those of `games` that the cache does not have.

    Args:
        games: the games.
        cache: folder of generated games.
        processes: number of games that are made at once.

    Raises:
        InvalidConfig: if `processes` is no whole number >= 1.
        EnvironmentFailed: if a game cannot be made; the others stay.
        LondiError: if the cache cannot be written.
        MissingExtra: if TextWorld is not installed.
    """
    check_counts(processes=processes)
    folder = as_path(cache)
    missing = [game for game in dict.fromkeys(games) if not game_file(folder, game).exists()]
    for game in missing:
        with write_errors(folder):
            game_file(folder, game).parent.mkdir(parents=True, exist_ok=True)
    parts = [missing[k::processes] for k in range(min(processes, len(missing)))]
    with ThreadPoolExecutor(max(1, len(parts))) as threads:
        for complaint in threads.map(lambda part: _made(folder, part), parts):
            if complaint:
                raise EnvironmentFailed(complaint)


def _made(folder: Path, games: Sequence[GameId]) -> str:
    """Make games in a process of its own; the complaint of the first that fails, or nothing."""
    names = [f"{game.challenge}/{game.seed}" for game in games]
    ran = subprocess.run(
        [sys.executable, "-m", _GENERATOR, str(folder), *names],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # TextWorld may print
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not ran.returncode:
        return ""
    last = ran.stderr.strip().rpartition("\n")[2]
    return last or f"TextWorld's generator ended with exit code {ran.returncode}"


def load_game(game: GameId, cache: str = CACHE) -> GameContent:
    """The content of a game's file, which is made if it is missing or damaged.

    Raises:
        EnvironmentFailed: if the game cannot be made.
        LondiError: if the cache cannot be written or read.
    """
    file = game_file(as_path(cache), game)
    with write_errors(file):
        try:
            return _read(file)
        except FileNotFoundError:
            pass
        except _DAMAGED:
            file.unlink(missing_ok=True)
    make_games([game], cache)
    with write_errors(file):
        return _read(file)


def _read(file: Path) -> GameContent:
    with ZipFile(io.BytesIO(file.read_bytes())) as packed:
        return GameContent(packed.read(STORY), json.loads(packed.read(WORLD)))
