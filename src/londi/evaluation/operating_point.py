"""The operating point of a tuned Switcher: its cost and budget, in a file beside its weights.

This file knows where that is kept, and not how it was found.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from londi.config import TrainConfig
from londi.errors import DamagedFile, InvalidConfig
from londi.evaluation.results import Result
from londi.storage.atomic import write_whole
from londi.storage.records import read_record
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.switcher import CHECKPOINT

OPERATING = "operating.json"
"""In the folder of the checkpoint."""


@dataclass(frozen=True, slots=True)
class TunedPoint:
    """Cost and budget of a tuned Switcher, and what it did there on validation episodes.

    Attributes:
        cost: c.
        cost_interval: its 95% interval, bootstrapped over the episodes.
        budget: n.
        wanted: what was asked for.
        episodes: validation episodes played.
        return_mean: their mean return.
        call_rate: DEEPTHINK steps over steps.
        calls: DEEPTHINK calls an episode.
        money: price of the models' work in an episode; None without prices.
        quick: the figures of QUICK alone on the same episodes; files of release 0.1 lack them.
        deepthink: likewise of DEEPTHINK alone.
        londi: likewise of the Switcher there.
    """

    cost: float
    cost_interval: tuple[float, float]
    budget: int | Literal["none"]
    wanted: str
    episodes: int
    return_mean: float
    call_rate: float
    calls: float
    money: float | None
    quick: Result | None = None
    deepthink: Result | None = None
    londi: Result | None = None


def save_operating_point(folder: Path, point: TunedPoint) -> None:
    """Leave `point` in the folder of a run, for `londi evaluate` to play there."""
    write_whole(folder / CHECKPOINT / OPERATING, [json.dumps(asdict(point), indent=1) + "\n"])


def load_operating_point(training: TrainConfig, folder: Path) -> TrainConfig:
    """The configuration of a run with the cost and budget that `tune` has left there, if it did.

    Raises:
        DamagedFile: if the file is damaged.
    """
    file = folder / CHECKPOINT / OPERATING
    if not file.is_file():
        return training
    found = read_record(file, TunedPoint)
    try:
        tuned = replace(training, cost=found.cost, budget=found.budget)
        CostBudgetRange.of(tuned)
    except InvalidConfig as error:
        raise DamagedFile(f"{str(file)!r} does not fit its Switcher: {error}") from error
    return tuned
