"""BALROG's experiments: a folder a submission, and a CSV and a JSON file an episode.

    SUBMISSION/babyai/TASK/TASK_run_00.csv and .json

TextWorld's "Reward" is the score so far, and its "episode_return" the sum of these: rewards are the
gains in score, on the scale of the progression, where 1 is all. A row of the CSV has the action and
what was seen *after* it, whatever the order of its columns. The JSON has the task, the seed, the
tokens of the whole episode and the model. Only BabyAI and TextWorld are read.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from math import isclose, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from londi.errors import DamagedFile, LondiError

from .records import LoggedEpisode, PublicLogs

NAME = "BALROG"
READ = ("babyai", "textworld")
OTHERS = ("babaisai", "crafter", "minihack", "nle")
COLUMNS = frozenset(("Step", "Action", "Observation", "Reward", "Done"))
KEYS: dict[str, type | tuple[type, ...]] = {
    "task": str,
    "num_steps": int,
    "episode_return": (int, float),
    "client": dict,
}
_RUN = re.compile(r"_run_(\d+)\.(?:json|csv)")
_CAN = (
    "return of each model: it played these tasks by itself.",
    "gap of two models: both played tasks of the same names.",
    "bound of a router by episode: whole episodes of both models are there.",
    "fitted Q of switching: only if what is seen tells all that matters (Markov assumption), since"
    " no episode has a switch.",
)
_CANNOT = (
    "importance weights by step: one model plays a whole episode, so the other choice has a"
    " propensity of 0.",
    "cost of a step: tokens are counted by episode, and there are no prices.",
    "a choice at the first step by what is seen: a row has the observation after its action, and"
    " none has the first.",
)


def detect(path: Path) -> bool:
    """Whether a folder holds such episodes."""
    return path.is_dir() and next(_files(path), None) is not None


def read(path: Path) -> PublicLogs:
    """All episodes below a folder.

    Raises:
        DamagedFile: if a file is damaged or ends early.
        LondiError: if the other file of an episode is missing.
    """
    episodes, left_out = [], Counter[str]()
    stems = sorted({file.with_suffix("") for file in _files(path)})
    with_steps = {_submission(stem) for stem in stems if stem.with_suffix(".csv").is_file()}
    for stem in stems:
        env, submission = _submission(stem)
        if env not in READ:
            left_out[f"of {env}"] += 1
            continue
        log, rows = stem.with_suffix(".json"), stem.with_suffix(".csv")
        for file, other in ((log, rows), (rows, log)):
            if not file.is_file() and (env, submission) in with_steps:
                raise LondiError(f"there is no file {str(file)!r}, beside {other.name!r}")
        found = _episode(env, log, rows if (env, submission) in with_steps else None)
        episodes.append((submission, found))
    told = list(_told_apart(episodes))
    bare = sum(not one.seen for one in told)
    notes = (f"{bare:,} episodes of submissions without CSV files: returns alone are known",)
    return PublicLogs(NAME, tuple(told), False, _CAN, _CANNOT, left_out, notes if bare else ())


def _files(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*_run_*") if _RUN.search(file.name))


def _submission(stem: Path) -> tuple[str, str]:
    """The family of tasks, which is the folder with one's name, and the folder above it."""
    parts = stem.absolute().parts
    for k, part in enumerate(parts[:-1]):
        if part in (*READ, *OTHERS):
            return part, parts[k - 1]
    raise DamagedFile(
        f"{str(stem)!r}: expected it below a folder named {', '.join((*READ, *OTHERS))}"
    )


def _episode(env: str, log: Path, table: Path | None) -> LoggedEpisode:
    told = _json(log)
    rewards, after = _steps(table, told) if table else (_at_the_end(log, told), None)
    if env == "textworld" and after is not None:
        rewards = _gains(log, rewards, told)
    elif env == "textworld":
        rewards[-1] = _progression(log, told)
    goal = told.get("mission") or ""
    return LoggedEpisode(
        model=_model(log, told),
        env=env,
        task=told["task"],
        run=_RUN.search(log.name)[1],  # type: ignore[index]
        seed=told.get("seed"),
        rewards=rewards,
        tokens=told.get("input_tokens", 0) + told.get("output_tokens", 0) or None,
        goal=str(goal),
        seen=() if after is None else ("", *after[:-1]),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFile(f"{str(file)!r} is no JSON: {error}") from error
    for key, kind in KEYS.items():
        if not isinstance(told, dict) or not isinstance(told.get(key), kind):
            raise DamagedFile(f"{str(file)!r}: expected the key {key!r} of an episode")
    return told  # type: ignore[no-any-return]


def _model(file: Path, told: dict[str, Any]) -> str:
    name = told["client"].get("model_id")
    if not isinstance(name, str):
        raise DamagedFile(f"{str(file)!r}: expected the key 'model_id' of the client")
    agent = told.get("agent")
    kind = agent.get("type") if isinstance(agent, dict) else None
    return f"{name.rpartition('/')[2]} ({kind})" if kind else name


def _steps(file: Path, told: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    """Rewards, and what was seen after each action."""
    csv.field_size_limit(1 << 30)
    rewards, after, done = [], [], ""
    try:
        with open(file, encoding="utf-8", newline="") as opened:
            rows = csv.reader(opened, escapechar="˘", strict=True)
            header = next(rows, [])
            if not set(header) >= COLUMNS:
                raise DamagedFile(
                    f"{str(file)!r}: expected the columns {', '.join(sorted(COLUMNS))}, got"
                    f" {', '.join(header) or 'none'}"
                )
            for k, row in enumerate(rows):
                cells = dict(zip(header, row, strict=False))
                if len(row) != len(header) or cells["Step"] != str(k):
                    raise DamagedFile(f"{str(file)!r} is damaged at step {k}")
                rewards.append(float(cells["Reward"]))
                after.append(cells["Observation"])
                done = cells["Done"]
    except (ValueError, csv.Error) as error:
        raise DamagedFile(f"{str(file)!r} is damaged at step {len(rewards)}: {error}") from error
    if not rewards or len(rewards) != told["num_steps"] or (told.get("done") and done != "True"):
        raise DamagedFile(
            f"{str(file)!r} is truncated: expected {told['num_steps']} steps, got {len(rewards)}"
        )
    total = sum(rewards)
    if not isfinite(total) or not isclose(total, told["episode_return"], abs_tol=1e-6):
        raise DamagedFile(
            f"{str(file)!r}: its rewards sum to {total:g}, and the episode's return is"
            f" {told['episode_return']:g}"
        )
    return np.array(rewards), after


def _gains(file: Path, scores: np.ndarray, told: dict[str, Any]) -> np.ndarray:
    """Gains in score, on the scale of the progression."""
    progression, last = _progression(file, told), scores[-1]
    if bool(last) != bool(progression):
        raise DamagedFile(f"{str(file)!r}: expected progression of a score of {last:g}")
    return np.diff(scores, prepend=0.0) * (progression / last if last else 0.0)


def _progression(file: Path, told: dict[str, Any]) -> float:
    found = told.get("progression")
    if not isinstance(found, (int, float)) or not isfinite(found):
        raise DamagedFile(f"{str(file)!r}: expected the key 'progression'")
    return float(found)


def _at_the_end(file: Path, told: dict[str, Any]) -> np.ndarray:
    """Rewards of an episode of which the return alone is known."""
    if told["num_steps"] < 1 or not isfinite(told["episode_return"]):
        raise DamagedFile(f"{str(file)!r}: expected a step, and a return")
    return np.append(np.zeros(told["num_steps"] - 1), told["episode_return"])


def _told_apart(found: list[tuple[str, LoggedEpisode]]) -> Iterator[LoggedEpisode]:
    """Episodes, the submission added to the name of a model that has several."""
    made: dict[str, set[str]] = {}
    for submission, one in found:
        made.setdefault(one.model, set()).add(submission)
    for submission, one in found:
        many = len(made[one.model]) > 1
        values = vars(one) | ({"model": f"{one.model} in {submission}"} if many else {})
        yield LoggedEpisode(**values)
