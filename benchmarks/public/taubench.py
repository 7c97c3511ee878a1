"""tau-bench's results: a list of runs in JSON, or a line each, with `task_id`, `reward` and `traj`.

No file names its model or its domain, so the name of the file stands for both. Two files have tasks
in common where the instructions of the customer are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from londi.errors import DamagedFile, LondiError
from londi.serve.transcripts.records import objects, read_records, readable

from .records import LoggedEpisode, PublicLogs

NAME = "tau-bench"
_ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_CAN = (
    "return of each model: it served these customers by itself.",
    "gap of two files, and bound of a router by episode: where both have customers with the same"
    " instructions.",
)
_CANNOT = (
    "anything about switching: one model gives all answers of a file, and there are no"
    " propensities.",
    "cost: neither tokens nor prices of the agent are written down.",
    "worth of a step: there is one reward, at the end of a conversation.",
)


def detect(path: Path) -> bool:
    """Whether a file, or the first one of a folder, holds such runs.

    Raises:
        DamagedFile: if `path` is a file by itself and is no JSON.
    """
    file = next(_files(path), None)
    if file is None:
        return False
    try:
        first = next(read_records(file), None)
    except LondiError:
        if path.is_file():
            raise
        return False
    return first is not None and {"traj", "reward"} <= first[1].keys()


def read(path: Path) -> PublicLogs:
    """All runs of a file, or of the files of a folder.

    Raises:
        DamagedFile: if a file is damaged or ends early.
    """
    left_out = Counter[str]()
    episodes = []
    for file in _files(path):
        model = file.name.partition(".json")[0]
        for place, record in read_records(file):
            steps = _steps(place, record)
            if not steps:
                left_out["of runs that broke off with an error, without an answer"] += 1
                continue
            task, known = _task(place, record)
            rewards = np.zeros(steps)
            rewards[-1] = readable(place, "reward", record.get("reward"))
            episodes.append(
                LoggedEpisode(
                    model=model,
                    env="tau-bench" if known else model,
                    task=task,
                    run=str(record.get("trial", 0)),
                    seed=None,
                    rewards=rewards,
                )
            )
    return PublicLogs(NAME, tuple(episodes), True, _CAN, _CANNOT, left_out)


def _files(path: Path) -> Iterator[Path]:
    found = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    return (file for file in found if file.name.endswith(_ENDINGS))


def _steps(place: str, record: dict[str, Any]) -> int:
    """Answers of the model."""
    if "traj" not in record:
        raise DamagedFile(f"{place}: expected the key 'traj'")
    messages = objects(place, "traj", record["traj"])
    return sum(message.get("role") == "assistant" for message in messages)


def _task(place: str, record: dict[str, Any]) -> tuple[str, bool]:
    """A task's name, and whether other files would name it the same."""
    info = record.get("info")
    task = info.get("task") if isinstance(info, dict) else None
    if isinstance(task, dict) and isinstance(task.get("instruction"), str):
        return task["instruction"], True
    number = record.get("task_id", record.get("task"))
    if not isinstance(number, int):
        raise DamagedFile(f"{place}: expected the key 'task_id'")
    return str(number), False
