"""An R-learner that plays coin tosses first: what it asks, what it learns, its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from logged_corridor import ENCODER, hard_and_easy
from londi.cli.main import main
from londi.config import TrainConfig
from londi.errors import InvalidConfig
from londi.learning.logs import cached_dataset
from londi.learning.statistics import read_progress
from londi.learning.tosses import TOGETHER, TOSSES, train_on_tosses
from londi.learning.trainer import train
from londi.models.pair import ModelPair
from londi.storage.checkpoint import load_state
from londi.storage.runs import read_run
from londi.switching.observation import COST
from londi.switching.switcher import CHECKPOINT, Switcher
from playthings import Corridor, deepthink, quick

CONFIG = TrainConfig(
    algorithm="r-learner", steps=2500, cost=0.1, cost_range=(0.01, 0.4), width=32, num_envs=8
)


def pair() -> ModelPair:
    return ModelPair(quick(), deepthink(), Corridor)


def no_dataset() -> None:
    raise AssertionError("it is there")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tosses") / "run"
    assert train_on_tosses(CONFIG, folder, pair=pair())
    return folder


def test_it_calls_where_quick_is_lost(run: Path) -> None:
    who = Switcher.load(run, quick(), deepthink())
    seen = hard_and_easy()
    seen[:, ENCODER.size + COST] = 0.1
    hard, easy = who.call_probability(seen, np.ones((2, 2), bool))
    assert hard > 0.5 > easy


def test_deepthink_is_asked_only_where_it_acts(tmp_path: Path) -> None:
    large = deepthink()
    models = ModelPair(quick(), large, Corridor)
    assert train_on_tosses(CONFIG, tmp_path / "run", pair=models)
    part = cached_dataset(tmp_path / "run" / TOSSES / "0", no_dataset)
    assert part.propensity == pytest.approx(0.5)
    # QUICK is asked at every step for what the Switcher sees, so calls tell whether both agree.
    assert (np.isfinite(part.agreement) == (part.choice == 1)).all()
    assert len(np.unique(part.episode)) == TOGETHER
    logs = [cached_dataset(f, no_dataset) for f in sorted((tmp_path / "run" / TOSSES).iterdir())]
    assert sum(large.asked) == sum(int(log.choice.sum()) for log in logs)


def test_an_interrupted_run_goes_on_and_ends_the_same(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    for looks in (iter([False, True]), iter([False] * 6 + [True])):
        begun = (folder / TOSSES).exists()
        config = read_run(folder, TrainConfig) if begun else CONFIG
        assert not train_on_tosses(
            config,
            folder,
            pair=pair(),
            resume=begun,
            should_stop=lambda looks=looks: next(looks, True),
        )
    config = read_run(folder, TrainConfig)
    assert train_on_tosses(config, folder, pair=pair(), resume=True)
    found = [load_state(f / CHECKPOINT)["switcher"]["value_head"] for f in (run, folder)]
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    steps = [report.step for report in read_progress(folder)]
    assert steps == sorted(set(steps))


def test_two_seeds_play_other_episodes(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    assert train_on_tosses(replace(CONFIG, seed=1), other, pair=pair())
    first, second = (cached_dataset(f / TOSSES / "0", no_dataset) for f in (run, other))
    assert not set(first.episode) & set(second.episode)


def test_a_training_that_learns_while_it_plays_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="r-learner learns once all is played; use londi"):
        train(CONFIG, tmp_path / "run", pair=pair())
    assert not (tmp_path / "run").exists()


def test_from_the_command_line_to_figures(tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = ["--algorithm", "r-learner", "--steps", "600", "--cache", "none"]
    for asked in (
        ["train", "--out", str(run), "--env", "londi/BabyAIText-GoToObjS4-v0", *given],
        ["evaluate", str(run), "--episodes", "4"],
    ):
        with pytest.raises(SystemExit, match="0"):
            main([*asked, "--quiet"])
    assert (run / "results.json").is_file()
