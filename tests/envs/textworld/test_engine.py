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


def walk(engine: Engine, rng: Random, steps: int) -> list[tuple[object, ...]]:
    """What random commands give, up to an end."""
    told: list[tuple[object, ...]] = []
    for _ in range(steps):
        command = rng.choice(engine.commands)
        text = engine.do(command)
        seen = engine.description, engine.inventory, engine.commands
        told.append((command, text, *seen, engine.score, engine.won, engine.lost))
        if engine.won or engine.lost:
            break
    return told


def test_a_state_is_restored_whatever_was_played_since(engine: Engine) -> None:
    rng = Random(1)
    kept = []
    for name in (EASY, COIN):
        engine.start(name)
        for _ in range(3):
            kept.append((engine.state_key(), engine.snapshot(), walk(engine, Random(2), 4)))
    rng.shuffle(kept)
    for key, snapshot, after in kept:
        engine.restore(snapshot)
        assert engine.state_key() == key
        assert walk(engine, Random(2), 4) == after


@pytest.mark.parametrize("name", [EASY, MEDIUM], ids=lambda name: name.challenge)
def test_states_with_one_key_behave_alike(engine: Engine, name: GameId) -> None:
    """Also where things were taken and put back, which changes the order they are listed in."""
    rng = Random(3)
    engine.start(name)
    start = engine.snapshot()
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for _ in range(12):
        engine.restore(start)
        for _ in range(8):
            few = [c for c in engine.commands if c.startswith(("take", "put", "drop", "go"))]
            engine.do(rng.choice(few[:4] or list(engine.commands)))
            if engine.won or engine.lost:
                break
            found[engine.state_key()].append(engine.snapshot())
    met = [snapshots for snapshots in found.values() if len(snapshots) > 1]
    assert len(met) > 3
    for first, *others in met:
        engine.restore(first)
        expected = walk(engine, Random(4), 5)
        for other in others[:2]:
            engine.restore(other)
            assert walk(engine, Random(4), 5) == expected


def test_the_order_in_which_things_are_listed_makes_another_state(engine: Engine) -> None:
    engine.start(EASY)
    both = [c for c in engine.commands if c.startswith("take")][:2]
    keys, inventories = set(), set()
    for order in (both, both[::-1]):
        engine.start(EASY)
        for command in order:
            engine.do(command)
        keys.add(engine.state_key())
        inventories.add(engine.inventory)
    assert len(keys) == len(inventories) == 2
