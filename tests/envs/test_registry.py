"""Environments by name: their options, and what londi says of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec

from londi.envs.registry import (
    make_env,
)
from londi.errors import InvalidConfig, UnknownName
from playthings import Corridor

OWN = "test/Own-v0"


class Own(Corridor):
    """Options with names that londi and Gymnasium use for things of theirs."""

    def __init__(self, level: int = 0, mix: str = "", id: int = 0, vectorization_mode: str = ""):
        super().__init__()
        self.asked = level, mix, id, vectorization_mode


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gym.registry, OWN, EnvSpec(OWN, Own, kwargs={"level": 1}))


def test_an_environments_options_are_its_own() -> None:
    made = make_env(OWN, level=3, mix="paint", id=7, vectorization_mode="none").unwrapped
    assert isinstance(made, Own)
    assert made.asked == (3, "paint", 7, "none")
    again = make_env(OWN).unwrapped
    assert isinstance(again, Own) and again.asked == (1, "", 0, ""), "an option holds once"
    with pytest.raises(UnknownName, match=r"unknown option of test/Own-v0 'levle'.*'level'"):
        make_env(OWN, levle=3)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("londi/BabyAIText-GoToObj-v0", "level"),
        ("londi/BabyAIText-MixedTrainLocal-v0", "mix"),
        ("londi/BabyAIText-GoToObj-v0", "max_episode_steps"),
    ],
)
def test_what_a_name_fixes_is_no_option(name: str, option: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown option of {name} '{option}'"):
        make_env(name, **{option: "other"})


def test_an_environment_that_cannot_be_had_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "londi_broken_module.py").write_text("def broken(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    specs: dict[str, Any] = {
        "test/Gone-v0": "londi_no_such_module:Env",
        "test/Less-v0": "londi.envs.registry:NoSuchEnv",
        "test/Broken-v0": "londi_broken_module:Env",
    }
    for name, entry in specs.items():
        monkeypatch.setitem(gym.registry, name, EnvSpec(name, entry))
    for name in (*specs, "londi_broken_module:x", "londi_no_such_module:x", ".relative:x"):
        with pytest.raises(InvalidConfig, match="env: cannot import") as error:
            make_env(name)
        assert "\n" not in str(error.value)


def test_a_module_without_an_environment_says_so() -> None:
    with pytest.raises(InvalidConfig, match="'json' registers no environment, and so no 'my/X-v0'"):
        make_env("json:my/X-v0")


def test_a_module_that_names_another_environment_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "londi_hall.py").write_text(
        "import gymnasium\n"
        "class Hall(gymnasium.Env):\n"
        "    def __init__(self, size=3):\n"
        "        self.rooms = [0][size]\n"
        "gymnasium.register('test/Hall-v0', entry_point='londi_hall:Hall')\n"
    )
    (tmp_path / "londi_unready.py").write_text("undefined\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(UnknownName, match=r"'Hall'; did you mean 'test/Hall-v0'\?"):
            make_env("londi_hall:Hall")
        with pytest.raises(InvalidConfig, match=r"test/Hall-v0 with \{'size': 5\}: IndexError"):
            make_env("londi_hall:test/Hall-v0", size=5)
    finally:
        del gym.registry["test/Hall-v0"]
    with pytest.raises(InvalidConfig, match="cannot import 'londi_unready': NameError"):
        make_env("londi_unready:x")
