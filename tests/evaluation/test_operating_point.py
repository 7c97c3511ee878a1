"""Where a tuned Switcher is operated: the file beside its weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from londi import TrainConfig
from londi.errors import DamagedFile
from londi.evaluation.operating_point import (
    OPERATING,
    TunedPoint,
    load_operating_point,
    save_operating_point,
)
from playthings import TOY, UNIVERSAL

POINT = TunedPoint(
    cost=0.3,
    cost_interval=(0.25, 0.35),
    budget=2,
    wanted="call_rate = 0.2",
    episodes=80,
    return_mean=0.9,
    call_rate=0.21,
    calls=0.8,
    money=None,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that has left a checkpoint."""
    (tmp_path / "checkpoint").mkdir()
    return tmp_path


def test_a_run_that_was_not_tuned_is_operated_as_it_was_trained(run: Path, tmp_path: Path) -> None:
    for config in (UNIVERSAL, TOY, TrainConfig()):
        assert load_operating_point(config, run) is config
        assert load_operating_point(config, tmp_path / "nowhere") is config


@pytest.mark.parametrize("budget", [0, 2, "none"])
def test_cost_and_budget_are_those_of_the_point(run: Path, budget: int | str) -> None:
    save_operating_point(run, replace(POINT, budget=budget))  # type: ignore[arg-type]
    there = load_operating_point(UNIVERSAL, run)
    assert there == replace(UNIVERSAL, cost=0.3, budget=budget)  # type: ignore[arg-type]
    assert (UNIVERSAL.cost, UNIVERSAL.budget) == (0.1, "none")


def test_the_point_lies_beside_the_weights_with_all_that_was_found(run: Path) -> None:
    save_operating_point(run, replace(POINT, money=1.5))
    assert [file.name for file in (run / "checkpoint").iterdir()] == [OPERATING]
    assert json.loads((run / "checkpoint" / OPERATING).read_text()) == {
        "cost": 0.3,
        "cost_interval": [0.25, 0.35],
        "budget": 2,
        "wanted": "call_rate = 0.2",
        "episodes": 80,
        "return_mean": 0.9,
        "call_rate": 0.21,
        "calls": 0.8,
        "money": 1.5,
        "quick": None,
        "deepthink": None,
        "londi": None,
    }


def test_the_last_tuning_counts(run: Path) -> None:
    save_operating_point(run, POINT)
    save_operating_point(run, replace(POINT, cost=0.5, budget="none"))
    assert load_operating_point(UNIVERSAL, run) == replace(UNIVERSAL, cost=0.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cost": 0.9}, r"does not fit its Switcher: cost: .* from 0\.02 to 0\.8, got 0\.9"),
        ({"cost": 0.01}, r"does not fit its Switcher: cost: .* got 0\.01"),
        ({"cost": -0.1}, r"does not fit its Switcher: cost: .* got -0\.1"),
        ({"budget": -1}, r"does not fit its Switcher: budget: .* got -1"),
        ({"budget": 4}, r"does not fit its Switcher: .*budget.* 4"),
        ({"budget": "some"}, "budget"),
        ({"cost": "cheap"}, "cost"),
        ({"cost": None}, "cost"),
        ({"cost_interval": [0.1]}, "cost_interval"),
    ],
)
def test_a_point_that_its_switcher_cannot_be_operated_at_is_damage(
    run: Path, changes: dict[str, object], said: str
) -> None:
    save_operating_point(run, POINT)
    file = run / "checkpoint" / OPERATING
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(DamagedFile, match=said) as caught:
        load_operating_point(UNIVERSAL, run)
    assert repr(str(file)) in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"cost": 0.3}'])
def test_a_torn_file_is_not_taken_for_none(run: Path, text: str) -> None:
    (run / "checkpoint" / OPERATING).write_text(text)
    with pytest.raises(DamagedFile, match=OPERATING):
        load_operating_point(UNIVERSAL, run)
