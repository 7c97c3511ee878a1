"""Configurations of every verb, from YAML and from Python."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from londi.config import (
    EvaluateConfig,
    FinetuneConfig,
    FrontierConfig,
    LimitConfig,
    SweepConfig,
    TrainConfig,
    TuneConfig,
)
from londi.config.settings import make_config, read_config
from londi.errors import InvalidConfig, LondiError

NEEDED: dict[type, dict[str, Any]] = {
    EvaluateConfig: {},
    FinetuneConfig: {},
    FrontierConfig: {"runs": ["a"]},
    LimitConfig: {},
    SweepConfig: {"grid": [{"seed": [0, 1]}]},
    TrainConfig: {},
    TuneConfig: {"call_rate": 0.3},
}
"""What each configuration cannot do without."""

SETTINGS = [(kind, field.name) for kind in NEEDED for field in fields(kind)]


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(("kind", "name"), SETTINGS)
def test_a_setting_without_a_value_is_one_line(tmp_path: Path, kind: type, name: str) -> None:
    others = {key: value for key, value in NEEDED[kind].items() if key != name}
    text = yaml.safe_dump(others) if others else ""
    file = written(tmp_path / "c.yaml", f"{text}{name}:\n")
    with pytest.raises(InvalidConfig, match=rf"c\.yaml': line \d+: {name} has no value") as caught:
        read_config(file, kind)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("kind", "name"), SETTINGS)
@pytest.mark.parametrize("value", [None, object(), {1: 2}, [[]]])
def test_a_value_of_another_type_is_one_line(kind: type, name: str, value: object) -> None:
    (field,) = (field for field in fields(kind) if field.name == name)
    if value is None and field.default is None:
        return  # it may be left out
    with pytest.raises(LondiError, match=f"{name}") as caught:
        make_config(kind, NEEDED[kind] | {name: value})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", NEEDED)
def test_every_whole_number_has_a_bound(kind: type) -> None:
    """Numbers beyond all measure are refused, or do no harm: those of intervals and sizes."""
    harmless = {"steps_per_update", "warmup", "report_every", "checkpoint_every", "save_every"}
    harmless |= {"lm_batch_size", "batch_size", "max_tokens", "steps", "budget"}
    for field in fields(kind):
        if field.type == "int" and field.name not in harmless:
            with pytest.raises(InvalidConfig, match=f"{field.name}: expected a whole number from"):
                make_config(kind, NEEDED[kind] | {field.name: 10**18})


@pytest.mark.parametrize(("text", "got"), [("- 1\n", "[1]"), ("3", "3"), ("null", "nothing")])
def test_a_file_of_something_else_is_one_line(tmp_path: Path, text: str, got: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_config(written(tmp_path / "c.yaml", text), TrainConfig)
    assert str(caught.value).endswith(f"c.yaml': expected keys with values, got {got}")


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path / "c.yaml", "cost: 0.1\nseed: 1\ncost: 0.2\n")
    with pytest.raises(InvalidConfig, match="line 3: cost stands twice, first in line 1"):
        read_config(file, TrainConfig)


def test_a_wrong_value_names_the_file(tmp_path: Path) -> None:
    for text, message in (("cost: abc", "cost: expected a number"), ("cost: -1", "cost: expe")):
        with pytest.raises(InvalidConfig, match=rf"c\.yaml': {message}"):
            read_config(written(tmp_path / "c.yaml", text), TrainConfig)


@pytest.mark.parametrize("name", ["", "missing.yaml"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_config(tmp_path / name, TrainConfig)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_of_the_release_before_is_read(tmp_path: Path) -> None:
    names = "quick: builtin:babyai-quick\ndeepthink: builtin:babyai-deepthink\n"
    text = f"env: londi/ScienceWorld-v0\n{names}warmup: 4000\nsteps: 40000\nbudget: none\n"
    config = read_config(written(tmp_path / "c.yaml", text), TrainConfig)
    assert (config.quick, config.algorithm) == ("builtin:babyai-quick", "")


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (EvaluateConfig, {"cost": -1.0}, "cost: expected a number >= 0"),
        (EvaluateConfig, {"budget": -1}, "budget: expected a whole number >= 0"),
        (FinetuneConfig, {"heads": 3}, "heads: expected a number that divides d_model = 128"),
        (FinetuneConfig, {"phrases": ["["]}, "phrases: expected regular expressions, got '\\['"),
        (SweepConfig, {"grid": [{"seed": 3}]}, r"grid\[0\].seed: expected a list, got 3"),
        (SweepConfig, {"grid": [{"seed": []}]}, "grid: expected at least one value of 'seed'"),
    ],
)
def test_what_else_is_refused(kind: type, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        make_config(kind, NEEDED[kind] | values)


@pytest.mark.parametrize("kind", NEEDED)
def test_every_setting_has_a_default(kind: type) -> None:
    for field in fields(kind):
        assert (field.default, field.default_factory) != (MISSING, MISSING), field.name
