"""The engine against TextWorld's own, and its saved states."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from londi.envs.textworld.engine import Engine
from londi.envs.textworld.games import STORY, WORLD, GameId, game_file
from textgames import FIRST

EASY, MEDIUM = GameId("cooking-easy", FIRST), GameId("cooking-medium", FIRST)
TREASURE, COIN = GameId("treasure-easy", FIRST), GameId("coin-easy", FIRST)
"""One game of a kind and size."""


@pytest.fixture
def engine(textworld_cache: str) -> Engine:
    return Engine(textworld_cache)


@pytest.fixture
def reference(textworld_cache: str, tmp_path: Path) -> Callable[[GameId], Any]:
    """Starts TextWorld's own environment of a game."""
    from zipfile import ZipFile

    import textworld
    from jericho import UnsupportedGameWarning

    wanted = ("admissible_commands", "description", "inventory", "objective", "max_score")

    def start(name: GameId) -> Any:
        with ZipFile(game_file(Path(textworld_cache), name)) as packed:
            packed.extractall(tmp_path)
        assert {WORLD, STORY} <= {file.name for file in tmp_path.iterdir()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnsupportedGameWarning)
            infos = textworld.EnvInfos(**dict.fromkeys(wanted, True))
            return textworld.start(str(tmp_path / STORY), infos)

    return start


@pytest.mark.parametrize("name", [EASY, MEDIUM, TREASURE, COIN], ids=lambda name: name.challenge)
def test_it_plays_as_textworld_does(
    engine: Engine, reference: Callable[[GameId], Any], name: GameId
) -> None:
    theirs, rng, ends = reference(name), Random(0), set()
    for _ in range(6):
        state = theirs.reset()
        engine.start(name)
        assert engine.objective == state.objective
        assert engine.max_score == state.max_score
        for _ in range(25):
            assert list(engine.commands) == state.admissible_commands
            assert engine.description.split() == state.description.split()
            assert engine.inventory == state.inventory
            moving = [c for c in engine.commands if not c.startswith(("examine", "look", "inv"))]
            command = rng.choice(moving)
            text = engine.do(command)
            state, _, _ = theirs.step(command)
            assert " ".join(text.split()) in " ".join(state.feedback.split())
            assert (engine.won, engine.lost) == (state.won, state.lost)
            if state.won or state.lost:
                assert f"You scored {engine.score} out of" in state.feedback
                break
            assert engine.score == state.score
        ends.add((engine.won, engine.lost))
    assert len(ends) > 1 or name == COIN
