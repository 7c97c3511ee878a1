"""Options made of settings, and settings made of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonargparse import ArgumentParser, Namespace

from londi.cli.options import add_run, add_settings, config_of, metavar, run_of
from londi.config import TrainConfig
from londi.errors import InvalidConfig, LondiError
from londi.storage.runs import create_run


@dataclass(frozen=True)
class Base:
    """Some settings."""

    color: str = "red"
    """Colour of the door,
    in one word."""
    places: list[int] = field(default_factory=lambda: [1, 2])
    """Places of the door."""


@dataclass(frozen=True)
class Settings(Base):
    """Those and one more."""

    cost: float = 0.5
    """Price of the door."""


def parser(
    groups: Mapping[str, Sequence[str]] | None = None, skip: Sequence[str] = ()
) -> ArgumentParser:
    made = ArgumentParser(exit_on_error=False)
    add_run(made)
    add_settings(made, Settings, groups, skip)
    return made


def given(*arguments: str) -> Namespace:
    return parser().parse_args(list(arguments))


def test_each_setting_is_an_option_with_its_sentence_and_its_default() -> None:
    actions = {action.dest: action for action in parser()._actions}
    assert actions["color"].help == "Colour of the door, in one word."
    assert actions["cost"].help == "Price of the door."
    assert (actions["color"].default, actions["places"].default) == ("red", [1, 2])
    assert actions["cost"].metavar == "X"


def test_a_setting_that_no_group_names_comes_last() -> None:
    def titles(made: ArgumentParser) -> dict[str, list[str]]:
        groups = {str(g.title): [a.dest for a in g._group_actions] for g in made._action_groups}
        return {title: names for title, names in groups.items() if title in ("door", "more")}

    made = parser({"door": ["cost", "color"]})
    assert titles(made) == {"door": ["cost", "color"], "more": ["places"]}
    assert titles(parser({"door": ["cost"]}, skip=["places"]))["more"] == ["color"]


def test_the_options_make_the_settings() -> None:
    made = config_of(given("--cost", "2", "--places", "[4]"), Settings)
    assert made == Settings("red", [4], 2.0)


def test_a_file_gives_what_the_command_line_leaves_open(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("color: blue\ncost: 3\n")
    made = config_of(given("--config", str(file), "--cost", "2"), Settings)
    assert made == Settings("blue", [1, 2], 2.0)


def train(*arguments: str) -> tuple[TrainConfig, Path]:
    made = ArgumentParser(exit_on_error=False)
    add_run(made)
    add_settings(made, TrainConfig)
    return run_of(made.parse_args(list(arguments)), TrainConfig)


def test_a_new_run_has_the_settings_that_are_given(tmp_path: Path) -> None:
    config, folder = train("--out", str(tmp_path / "run"), "--cost", "0.2")
    assert (config, folder) == (TrainConfig(cost=0.2), tmp_path / "run")
    assert not folder.exists()


def test_a_resumed_run_has_its_own_settings(tmp_path: Path) -> None:
    create_run(tmp_path / "run", TrainConfig(cost=0.3))
    config, folder = train("--resume", str(tmp_path / "run"))
    assert (config, folder) == (TrainConfig(cost=0.3), tmp_path / "run")


def test_a_run_without_a_folder_is_refused() -> None:
    with pytest.raises(LondiError, match="expected --out DIR for a new run, or --resume DIR"):
        train("--cost", "0.2")


def test_a_setting_out_of_its_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cost: expected a number >= 0"):
        train("--out", str(tmp_path / "run"), "--cost=-1")


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        (int, "N"),
        (float | None, "X"),
        (int | Literal["none"], "N|none"),
        (Literal["a", "b"], "a|b"),
        (tuple[float, float], "[X,X]"),
        (tuple[str, ...], "[TEXT,...]"),
        (list[int], "[N,...]"),
        (dict[str, Any], "{KEY: VALUE}"),
        (list[dict[str, list[Any]]], "[{KEY: VALUE},...]"),
    ],
)
def test_a_type_is_shown_as_it_is_written(hint: Any, shown: str) -> None:
    assert metavar(hint) == shown
