"""Runs that are summed up together: one training, repeated with several seeds.

This file knows configurations, and nobody who plays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from londi.config import TrainConfig
from londi.errors import LondiError
from londi.storage.checkpoint import has_state
from londi.storage.runs import read_run
from londi.switching.switcher import CHECKPOINT


def check_trained(folder: Path) -> None:
    """Refuse a folder that holds no trained Switcher.

    Raises:
        LondiError: for such a folder.
    """
    if not has_state(folder / CHECKPOINT):
        raise LondiError(f"no checkpoint in {str(folder)!r}; train it first")


def read_trainings(folders: Sequence[Path], replaced: Collection[str] = ()) -> list[TrainConfig]:
    """The configuration of each run; they differ in their seeds only.

    Args:
        folders: the runs.
        replaced: settings that may differ too, because the caller plays others.

    Raises:
        LondiError: if another setting differs, or two runs have one seed.
    """
    trainings = [read_run(folder, TrainConfig) for folder in folders]
    first = asdict(trainings[0])
    for folder, training in zip(folders[1:], trainings[1:], strict=True):
        other = asdict(training)
        for name in first:
            if other[name] != first[name] and name not in ("seed", *replaced):
                raise LondiError(
                    "several runs: expected configurations that differ in their seed only, got"
                    f" {name} = {first[name]!r} in {str(folders[0])!r} and {other[name]!r} in"
                    f" {str(folder)!r}"
                )
    seeds = [training.seed for training in trainings]
    if len(set(seeds)) < len(seeds):
        raise LondiError(f"several runs: expected one run for each seed, got seeds {seeds}")
    return trainings
