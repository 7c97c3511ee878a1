"""The program that makes games: run by `londi.envs.textworld.games` in a process of its own.

TextWorld's games follow the order of Python's sets, so that a seed gives the same game only under
the same hash seed, which is fixed when a process starts. This file knows how a game is made, and
not which are wanted.

    python -m londi.envs.textworld.generator FOLDER CHALLENGE/SEED...
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from textworld import GameOptions
from textworld.generator import (
    Game,
    QuestGenerationError,
    compile_inform7_game,
    generate_inform7_source,
)

from londi.envs.textworld.challenges import CHALLENGES
from londi.envs.textworld.games import STORY, WORLD, GameId, game_file
from londi.errors import LondiError, one_line
from londi.storage.atomic import replacing

_TRIES = 4
"""Maps that are drawn for a game, since a map may have no room for the quest."""
_APART = 1_000_000_000
"""Distance of the seeds of two tries; no episode's seed is as large."""


def make(game: GameId) -> Game:
    """The game with that identity; the same for each call in a process with the same hash seed.

    Raises:
        QuestGenerationError: if no map that was tried has room for the quest.
    """
    how = CHALLENGES[game.challenge]
    maker = import_module(f"textworld.challenges.{how.maker}")
    for trial in range(_TRIES):
        options = GameOptions()
        options.seeds = game.seed + trial * _APART
        try:
            return maker.make(dict(how.settings), options)
        except QuestGenerationError as error:
            reason = error
    raise reason


def write(game: Game, file: Path) -> None:
    """Write the game's world and its compiled story into one file, all or nothing.

    Several processes may write one file at once: each writes it whole.

    Raises:
        LondiError: if it cannot be written.
    """
    own = file.with_name(f"{file.name}.{os.getpid()}")
    with TemporaryDirectory() as folder, replacing(own) as aside:
        story = Path(folder, STORY)
        compile_inform7_game(generate_inform7_source(game), str(story))
        with ZipFile(aside, "w", ZIP_DEFLATED) as packed:
            for name, content in (
                (WORLD, json.dumps(game.serialize()).encode()),
                (STORY, story.read_bytes()),
            ):
                # Without the time of day, so that a game is the same file whenever it is made.
                packed.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    own.replace(file)


def main(folder: str, *names: str) -> None:
    """Make the games that are not there yet; exits with 1 and one line at one that fails."""
    for name in names:
        challenge, _, seed = name.partition("/")
        game = GameId(challenge, int(seed))
        file = game_file(Path(folder), game)
        if file.exists():
            continue
        try:
            write(make(game), file)
        except LondiError as error:
            sys.exit(str(error))
        except Exception as error:  # whatever TextWorld or its compiler raises
            sys.exit(f"TextWorld cannot make game {seed} of {challenge!r}: {one_line(error)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
