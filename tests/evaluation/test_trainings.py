"""Runs that are summed up together."""

from __future__ import annotations

from pathlib import Path

import pytest

from londi.config import TrainConfig
from londi.errors import LondiError
from londi.evaluation.trainings import check_trained, read_trainings
from londi.storage.runs import create_run


def runs(tmp_path: Path, *configs: TrainConfig) -> list[Path]:
    folders = [tmp_path / str(number) for number in range(len(configs))]
    for folder, config in zip(folders, configs, strict=True):
        create_run(folder, config)
    return folders


def test_runs_of_one_training_are_read_in_order(tmp_path: Path) -> None:
    configs = [TrainConfig(seed=seed) for seed in (2, 0, 1)]
    assert read_trainings(runs(tmp_path, *configs)) == configs


def test_another_setting_is_refused_unless_it_is_replaced(tmp_path: Path) -> None:
    folders = runs(tmp_path, TrainConfig(cost=0.1), TrainConfig(cost=0.2, seed=1))
    with pytest.raises(LondiError, match=r"got cost = 0\.1 in .*0' and 0\.2 in .*1'"):
        read_trainings(folders)
    with pytest.raises(LondiError, match=r"got cost"):
        read_trainings(folders, ["budget"])
    assert [t.cost for t in read_trainings(folders, ["cost"])] == [0.1, 0.2]


def test_one_seed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LondiError, match=r"one run for each seed, got seeds \[0, 0\]"):
        read_trainings(runs(tmp_path, TrainConfig(), TrainConfig()))


def test_a_run_without_a_switcher_is_refused(tmp_path: Path) -> None:
    (folder,) = runs(tmp_path, TrainConfig())
    with pytest.raises(LondiError, match="no checkpoint in"):
        check_trained(folder)
