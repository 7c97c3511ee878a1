"""The cache of games: made by processes of their own, several at once, and whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from cli.calling import call
from londi.envs.registry import make_env
from londi.envs.seeds import held_out_seeds
from londi.envs.textworld.ahead import generate_games
from londi.envs.textworld.games import GameId, game_file, load_game, make_games
from londi.errors import EnvironmentFailed, InvalidConfig, LondiError

GAME = GameId("coin-easy", 5)
MAKE = f"""
import sys
from londi.envs.textworld.games import GameId, make_games
make_games([GameId{tuple(GAME)}], sys.argv[1])
"""


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file())


def test_processes_that_make_one_game_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    """Under other hash seeds than this process, on which TextWorld's generator depends."""
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(tmp_path / "shared")],
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    make_games([GAME], str(tmp_path / "own"))
    assert [maker.wait() for maker in makers] == [0, 0]
    assert files(tmp_path) == ["5.zip", "5.zip"]
    assert load_game(GAME, str(tmp_path / "own")) == load_game(GAME, str(tmp_path / "shared"))


def test_a_cooking_game_is_the_same_whenever_it_is_made(
    textworld_cache: str, tmp_path: Path
) -> None:
    game = GameId("cooking-medium", 900_000_000)
    again = load_game(game, str(tmp_path))
    assert again.world == load_game(game, textworld_cache).world


@pytest.mark.parametrize("content", [b"", b"no zip", b"cut"])
def test_a_damaged_file_is_made_anew(content: bytes, textworld_cache: str, tmp_path: Path) -> None:
    made = game_file(Path(textworld_cache), GameId("coin-easy", 900_000_000))
    file = game_file(tmp_path, GAME)
    file.parent.mkdir(parents=True)
    file.write_bytes(made.read_bytes()[:-3000] if content == b"cut" else content)
    assert load_game(GAME, str(tmp_path)).story[0] == 8, "a story of the z-machine's version 8"
    assert files(tmp_path) == ["5.zip"]


@pytest.mark.parametrize(("place", "value"), [(8, 1), (10, 99)])
def test_a_file_in_a_form_that_is_not_read_is_made_anew(
    place: int, value: int, textworld_cache: str, tmp_path: Path
) -> None:
    made = game_file(Path(textworld_cache), GameId("coin-easy", 900_000_000))
    content = bytearray(made.read_bytes())
    # In the entry of the last part: the flag of a password, or another compression.
    content[content.rindex(b"PK\x01\x02") + place] = value
    file = game_file(tmp_path, GAME)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert load_game(GAME, str(tmp_path)).story[0] == 8


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    game_file(tmp_path, GAME).mkdir(parents=True)
    with pytest.raises(LondiError, match=r"5.zip': Is a directory"):
        load_game(GAME, str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(LondiError, match=r"5.zip': Not a directory"):
        load_game(GAME, str(tmp_path / "file"))


@pytest.mark.parametrize("processes", [0, -1, 1.5, "2", True])
def test_games_are_made_by_one_process_at_least(processes: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"processes: expected a whole number >= 1, got"):
        make_games([GAME], str(tmp_path), processes)
    with pytest.raises(InvalidConfig, match=r"seed: expected a whole number >= 0, got -1"):
        generate_games("londi/TextWorld-coin-easy-v0", [-1], cache=str(tmp_path))


def test_a_game_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFORM_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(EnvironmentFailed, match=r"^TextWorld cannot make game 5 of 'coin-easy': "):
        make_games([GAME], str(tmp_path))
    assert files(tmp_path) == []
    world = ["--env", "londi/TextWorld-coin-easy-v0", "--env_options.cache", str(tmp_path)]
    pair = ["--quick", "random", "--deepthink", "expert", "--encoder", "text"]
    assert call("train", *world, *pair, "--out", str(tmp_path / "run")) == 2
    printed = capsys.readouterr().err
    assert "TextWorld cannot make game 500000000 of 'coin-easy'" in printed
    assert "Traceback" not in printed


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for cache in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(LondiError, match=r"cannot write to .*Not a directory") as caught:
            make_games([GAME], str(cache))
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidConfig, match="expected a name without null bytes"):
        make_games([GAME], "a\0b")


def test_games_are_made_ahead_for_the_episodes_that_will_be_played(tmp_path: Path) -> None:
    name = "londi/TextWorld-coin-easy-v0"
    options = {"games": 2, "cache": str(tmp_path)}
    generate_games(name, held_out_seeds(5), processes=2, **options)
    assert files(tmp_path) == ["900000000.zip", "900000001.zip"]
    before = [file.stat().st_mtime_ns for file in tmp_path.rglob("*.zip")]
    generate_games(name, held_out_seeds(5), **options)
    env = make_env(name, **options)
    for seed in held_out_seeds(3):
        env.reset(seed=seed)
    assert [file.stat().st_mtime_ns for file in tmp_path.rglob("*.zip")] == before
    with pytest.raises(InvalidConfig, match="expected an environment of TextWorld games, got"):
        generate_games("londi/BabyAIText-GoToObjS4-v0", held_out_seeds(1))


def test_a_games_file_names_the_version_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = game_file(tmp_path, GAME)
    assert file.parts[-3:] == ("1.7.0-1", "coin-easy", "5.zip")


def test_a_file_holds_no_time_of_day(textworld_cache: str) -> None:
    with ZipFile(game_file(Path(textworld_cache), GameId("coin-easy", 900_000_000))) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
