"""Episodes of TextWorld games."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import londi
from cli.calling import call
from hidden import without
from londi.envs.registry import environment_names, make_env
from londi.envs.seeds import (
    demonstration_seeds,
    held_out_seeds,
    switching_seeds,
    validation_seeds,
)
from londi.envs.textworld.challenges import CHALLENGES, KINDS, SIZES
from londi.envs.textworld.env import READ, TextWorld
from londi.errors import InvalidConfig, UnknownName
from textgames import COUNTS, FIRST


@pytest.fixture(scope="module")
def env(textworld_cache: str) -> Iterator[TextWorld]:
    env = TextWorld("cooking-easy", expert=True, cache=textworld_cache)
    yield env
    env.close()


def advised(env: TextWorld, seed: int) -> list[tuple[str, Any]]:
    """An episode of the expert: its commands, each with what came of it."""
    _, info = env.reset(seed=seed)
    played: list[tuple[str, Any]] = []
    while not (played and any(played[-1][1][2:4])):
        command = info["expert"]
        assert command in info["actions"]
        told = env.step(command)
        played.append((command, told))
        info = told[4]
    return played


@pytest.mark.parametrize("challenge", COUNTS)
def test_the_expert_wins_and_the_return_is_one(challenge: str, textworld_cache: str) -> None:
    env = TextWorld(challenge, expert=True, cache=textworld_cache)
    for seed in range(FIRST, FIRST + COUNTS[challenge]):
        played = advised(env, seed)
        assert sum(told[1] for _, told in played) == pytest.approx(1.0)
        assert all(told[1] >= 0 for _, told in played)
        *_, (_, (_, _, terminated, truncated, info)) = played
        assert (terminated, truncated, info["success"]) == (True, False, True)
        assert (info["challenge"], info["game"]) == (challenge, seed)


def test_a_recipe_is_told_once_the_cookbook_was_read(env: TextWorld) -> None:
    played = advised(env, FIRST)
    assert played[0][0] == READ
    recipe = played[0][1][4]["recipe"]
    assert recipe.startswith("Ingredients:\n") and recipe.endswith("\nprepare meal")
    assert all(told[4]["recipe"] == recipe for _, told in played)
    observation, info = env.reset(seed=FIRST + 1)
    assert info["recipe"] == ""
    assert observation == info["look"]
    assert observation.startswith("-= Kitchen =-\n") and "$$$" not in observation


def test_the_wrong_way_of_cooking_loses_and_ends_the_game(env: TextWorld) -> None:
    commands = [command for command, _ in advised(env, FIRST)]
    cook = next(c for c in commands if c.startswith("cook"))
    other = "stove" if cook.endswith("oven") else "oven"
    env.reset(seed=FIRST)
    for command in commands[: commands.index(cook)]:
        env.step(command)
    before = env.step("look")[4]["score"]
    wrong = f"{cook.rpartition(' ')[0]} {other}"
    if wrong not in env.step("look")[4]["actions"]:
        env.step(f"open {other}")
    text, reward, terminated, truncated, info = env.step(wrong)
    assert text.endswith("*** You lost! ***")
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert (info["success"], info["score"]) == (False, before)


def test_the_step_limit_truncates(textworld_cache: str) -> None:
    env = TextWorld("cooking-easy", limit=3, cache=textworld_cache)
    assert env.metadata["horizon"] == 3
    env.reset(seed=FIRST)
    ends = [env.step("look")[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_commands_that_only_tell_are_listed_on_demand(env: TextWorld, textworld_cache: str) -> None:
    few = env.reset(seed=FIRST)[1]["actions"]
    every = TextWorld("cooking-easy", list_all=True, cache=textworld_cache)
    all_of_them = every.reset(seed=FIRST)[1]["actions"]
    assert list(all_of_them) == sorted(all_of_them)
    told = ("examine", "look", "inventory")
    assert few == tuple(c for c in all_of_them if c == READ or not c.startswith(told))
    assert {"look", "inventory", "examine stove"} <= set(all_of_them)
    assert env.step("examine stove")[4].get("substituted_action") is None, "it can be done"


@settings(max_examples=40)
@given(
    text=st.one_of(
        st.text(max_size=300),
        st.sampled_from(
            ["quit", "restart", "save", "restore", "undo", "y", "tw-trace-actions", "take all", "g"]
        ),
        st.sampled_from(["open fridge\nquit", "open fridge. quit", "OPEN FRIDGE", " open fridge"]),
    )
)
def test_any_other_text_is_replaced_by_a_command_that_is_listed(env: TextWorld, text: str) -> None:
    _, info = env.reset(seed=FIRST)
    _, _, terminated, truncated, after = env.step(text)
    assert (terminated, truncated) == (False, False)
    assert after["substituted_action"] in info["actions"]
    done = after["substituted_action"]
    env.reset(seed=FIRST)
    assert env.step(done)[4]["look"] == after["look"]


def test_the_contract_holds(textworld_cache: str, tmp_path: Path) -> None:
    env = make_env("londi/TextWorld-cooking-easy-v0", cache=textworld_cache)
    londi.check_env(env, FIRST)
    check_env(TextWorld("coin-easy", games=1, cache=str(tmp_path)), skip_render_check=True)


# Names and seeds.


def test_each_kind_and_size_has_a_name() -> None:
    names = [name for name in environment_names() if "TextWorld" in name]
    sizes = {f"londi/TextWorld-{kind}-{size}-v0" for kind in KINDS for size in SIZES}
    kinds = {f"londi/TextWorld-{kind}-v0" for kind in KINDS}
    assert set(names) == sizes | kinds | {"londi/TextWorld-v0"}
    assert len(names) == 13
    assert {f"{kind}-{size}" for kind in KINDS for size in SIZES} == set(CHALLENGES)


def game_of(name: str, seed: int, **options: Any) -> tuple[str, int]:
    world = make_env(name, **options).unwrapped
    assert isinstance(world, TextWorld)
    return world.game_of(seed)


def test_a_mix_takes_its_challenges_in_turns() -> None:
    found = [game_of("londi/TextWorld-coin-v0", FIRST + k)[0] for k in range(6)]
    assert sorted(found) == sorted(2 * ["coin-easy", "coin-medium", "coin-hard"])
    whole = {game_of("londi/TextWorld-v0", FIRST + k)[0] for k in range(9)}
    assert whole == set(CHALLENGES)
    assert game_of("londi/TextWorld-cooking-hard-v0", 5) == ("cooking-hard", 5)


def test_the_ranges_of_seeds_have_no_game_in_common_and_a_bounded_number() -> None:
    env = TextWorld(games=7)
    switching = iter(switching_seeds(3))
    ranges = (
        demonstration_seeds(2, 1, 30),
        [next(switching) for _ in range(30)],
        validation_seeds(30),
        held_out_seeds(30),
    )
    games = [{env.game_of(seed) for seed in seeds} for seeds in ranges]
    assert [len(each) for each in games] == [7, 7, 7, 7]
    assert len(set().union(*games)) == 28


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"challenges": "cooking-eazy"},
            UnknownName,
            "unknown TextWorld challenge 'cooking-eazy'; did you mean 'cooking-easy'?",
        ),
        ({"challenges": []}, InvalidConfig, "challenges: expected the name of at least one"),
        ({"challenges": [3]}, UnknownName, "unknown TextWorld challenge '3'"),
        ({"challenges": [["x"]]}, UnknownName, r"unknown TextWorld challenge \"\['x'\]\""),
        ({"list_all": "no"}, InvalidConfig, "list_all: expected True or False, got 'no'"),
        ({"expert": 1}, InvalidConfig, "expert: expected True or False, got 1"),
        ({"cache": ""}, InvalidConfig, "cache: expected the name of a folder, got ''"),
        ({"cache": 3}, InvalidConfig, "cache: expected the name of a folder, got 3"),
        (
            {"cache": __file__},
            InvalidConfig,
            "cache: expected a folder that can be written to, got",
        ),
        (
            {"cache": f"{__file__}/inside"},
            InvalidConfig,
            "cache: expected a folder that can be written to, got",
        ),
        ({"challenges": 3}, InvalidConfig, "challenges: expected the name of at least one, got 3"),
        ({"games": 0}, InvalidConfig, "games: expected a whole number >= 1, got 0"),
        ({"games": 2.5}, InvalidConfig, r"games: expected a whole number >= 1, got 2\.5"),
        ({"limit": True}, InvalidConfig, "limit: expected a whole number >= 1, got True"),
        ({"size": "easy"}, UnknownName, "unknown option of londi/TextWorld-v0 'size'"),
    ],
)
def test_a_wrong_option_is_one_line(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{message}") as caught:
        make_env("londi/TextWorld-v0", **options)
    assert "\n" not in str(caught.value)


def test_a_wrong_name_says_which_is_near() -> None:
    with pytest.raises(UnknownName, match="did you mean 'londi/TextWorld-cooking-easy-v0'"):
        make_env("londi/TextWorld-cooking-eazy-v0")


def test_without_the_extra_it_says_which() -> None:
    for package in ("textworld", "jericho"):
        ran = without(
            {package},
            "import londi\ntry: londi.make_env('londi/TextWorld-v0')\n"
            "except londi.LondiError as error: print(error)",
        )
        expected = f"{package} is not installed; run: pip install 'londi[textworld]'\n"
        assert ran.stdout == expected, ran.stderr


# What it leaves alone, and what leaves it alone.

PLAY = """
import json, sys
from londi.envs.textworld.env import TextWorld
env = TextWorld("cooking-medium", expert=True, cache=sys.argv[1])
told = [env.reset(seed=900_000_000)[0]]
info = env._info()
for k in range(12):
    listed = info["actions"]
    command = info["expert"] if k % 3 else listed[(7 * k) % len(listed)]
    *seen, info = env.step(command)
    told.append([command, *seen, listed, info["inventory"]])
    if any(seen[2:4]):
        break
print(json.dumps(told))
"""


def test_an_episode_is_the_same_in_every_process(textworld_cache: str) -> None:
    ran = [
        subprocess.run(
            [sys.executable, "-c", PLAY, textworld_cache],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(londi.__file__).parent.parent)},
            text=True,
            capture_output=True,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert ran[0].stdout == ran[1].stdout
    assert len(json.loads(ran[0].stdout)) > 3


def test_nothing_is_printed_and_no_other_randomness_drawn(textworld_cache: str) -> None:
    code = (
        "import random, sys, warnings, numpy as np\n"
        "from londi.envs.textworld.env import TextWorld\n"
        "np.random.seed(5); random.seed(5)\n"
        "filters = list(warnings.filters)\n"
        "env = TextWorld('cooking-easy', expert=True, cache=sys.argv[1])\n"
        "env.reset(seed=900_000_000); env.step('open fridge')\n"
        "assert warnings.filters == filters\n"
        "print(np.random.rand(), random.random())"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, textworld_cache],
        text=True,
        capture_output=True,
    )
    expected = np.random.RandomState(5).rand(), random.Random(5).random()
    assert ran.stdout.split() == [str(number) for number in expected], ran.stderr
    assert not ran.stderr


def test_it_is_trained_on_and_evaluated_by_name(
    textworld_cache: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    world = ["--env", "londi/TextWorld-cooking-easy-v0", "--env_options.cache", textworld_cache]
    pair = ["--env_options.games", "1", "--quick", "random", "--deepthink", "expert"]
    pair += ["--encoder", "text"]
    short = ["--steps", "48", "--warmup", "16", "--num_envs", "2", "--batch_size", "8"]
    assert call("train", *world, *pair, *short, "--width", "16", "--out", str(run)) == 0
    assert call("evaluate", str(run), "--episodes", "2", "--validation_episodes", "1") == 0
    rows = {row["method"]: row for row in json.loads((run / "results.json").read_text())}
    assert rows["deepthink"]["return_mean"] == pytest.approx(1.0)
    assert rows["quick"]["return_mean"] < 1.0


def test_copies_play_side_by_side(textworld_cache: str) -> None:
    """Each has a z-machine of its own."""
    envs: list[gym.Env[str, str]] = [
        TextWorld(name, cache=textworld_cache) for name in ("coin-easy", "treasure-easy")
    ]
    alone = [[env.reset(seed=FIRST)[0], *(env.step("look")[0] for _ in range(2))] for env in envs]
    mixed = [[env.reset(seed=FIRST)[0]] for env in envs]
    for _ in range(2):
        for env, told in zip(envs, mixed, strict=True):
            told.append(env.step("look")[0])
    assert mixed == alone
