"""The template of a world: it follows the contract, and is trained and evaluated by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

import londi
from londi.envs.checker import inspect_env
from londi.envs.registry import make_env
from londi.envs.seeds import HELD_OUT, VALIDATION

TEMPLATE = Path(__file__).parent.parent.parent / "examples" / "environment"
NAME = "shelves:mine/Shelves-v0"


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TEMPLATE)


def londi_command(*arguments: str, folder: Path) -> str:
    """What the command prints, run in a folder of its own as a user would."""
    paths = [str(Path(londi.__file__).parent.parent), str(TEMPLATE)]
    ran = subprocess.run(
        [sys.executable, "-m", "londi", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def made(**options: object) -> gym.Env[str, str]:
    return make_env(NAME, **options)


def seen(observation: str) -> tuple[list[str], int]:
    """The shelves from left to right, and the place of the player."""
    left, here, right = (part.partition(": ")[2].split() for part in observation.split(". "))
    left, right = (side if side != ["nothing"] else [] for side in (left, right))
    return [*left, *here, *right], len(left)


def test_it_follows_the_contract_and_lacks_nothing() -> None:
    for seed in (0, 1, HELD_OUT):
        report = inspect_env(made(expert=True), seed, made(expert=True))
        assert (report.faults, report.hints) == ((), ())


def test_its_splits_share_no_order_of_shelves() -> None:
    env = made()
    orders = [
        {tuple(seen(env.reset(seed=seed)[0])[0]) for seed in range(first, first + 600)}
        for first in (0, VALIDATION, HELD_OUT)
    ]
    assert list(map(len, orders)) == [60, 30, 30]
    assert len(set.union(*orders)) == 120


def test_the_expert_takes_the_shortest_way() -> None:
    env = made(expert=True)
    for seed in range(40):
        observation, info = env.reset(seed=seed)
        shelves, place = seen(observation)
        wanted = info["goal"].removeprefix("take the book from the ").removesuffix(" shelf")
        away = abs(shelves.index(wanted) - place)
        for t in range(away + 1):
            _, reward, terminated, _, info = env.step(info["expert"])
            assert terminated == (t == away)
        assert reward == 1 - 0.5 * (away + 1) / 12


def test_a_wrong_book_and_a_long_walk_are_worth_nothing() -> None:
    env = made(limit=3, expert=True)
    seed = next(s for s in range(99) if env.reset(seed=s)[1]["expert"] != "take the book")
    env.reset(seed=seed)
    assert env.step("take the book")[1:4] == (0.0, True, False)
    env.reset(seed=seed)
    told = [env.step("dance")[1:4] for _ in range(3)]
    assert told == [(0.0, False, False), (0.0, False, False), (0.0, False, True)]


def test_it_is_trained_and_evaluated_by_its_name(tmp_path: Path) -> None:
    pair = ["--quick", "random", "--deepthink", "expert", "--encoder", "text"]
    few = ["--steps", "64", "--warmup", "32", "--batch_size", "8", "--width", "16"]
    londi_command("train", "--env", NAME, *pair, *few, "--out", "run", folder=tmp_path)
    small = ["--episodes", "20", "--validation_episodes", "5"]
    londi_command("evaluate", "run", *small, folder=tmp_path)
    rows = json.loads((tmp_path / "run" / "results.json").read_text())
    by_method = {row["method"]: row for row in rows}
    assert by_method["deepthink"]["success_rate"] == 1.0
    assert by_method["quick"]["success_rate"] < 0.6
    assert {row["env"] for row in rows} == {NAME}


def test_the_command_checks_it(tmp_path: Path) -> None:
    printed = londi_command("envs", "--check", NAME, folder=tmp_path)
    assert printed.startswith("mine/Shelves-v0 follows the contract.")
    assert printed.rstrip(" \n").endswith("Action 0:")
