"""Figures of sessions: what came of them, and what one group saves against another.

This file knows rows of traces. It does not know how they came about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from londi.storage.traces import read_traces

COLUMNS = ("return", "calls", "seconds", "money")
RESAMPLES = 4_000


@dataclass(frozen=True)
class Session:
    """A session with feedback.

    Attributes:
        name: its name; the seed of its episode stands in it.
        arm: the arm of its rollout, if there was one.
        steps: number of answers.
        spent: return, DEEPTHINK calls, seconds waited for answers, money.
    """

    name: str
    arm: str | None
    steps: int
    spent: tuple[float, float, float, float]

    @property
    def calls(self) -> float:
        return self.spent[COLUMNS.index("calls")]


def seed_of(session: str) -> int:
    """The seed of the episode of a session `ROUND-SEED-TRY`."""
    return int(session.split("-")[1])


def read_sessions(file: Path) -> list[Session]:
    """The sessions of a file of traces that have feedback; none where there is no file."""
    if not file.is_file():
        return []
    returns = {row["session"]: row["value"] for row in read_traces(file, "feedback")}
    rows: dict[str, list[dict[str, object]]] = {}
    for row in read_traces(file, "steps"):
        rows.setdefault(row["session"], []).append(row)
    return [
        Session(
            name,
            found[0]["arm"],
            len(found),
            (
                returns[name],
                sum(row["choice"] == 1 for row in found),
                sum(row["seconds"] or 0.0 for row in found),
                sum(row["money"] or 0.0 for row in found),
            ),
        )
        for name, found in rows.items()
        if name in returns
    ]


def plan(file: Path, name: str, seeds: Iterable[int]) -> list[tuple[int, str]]:
    """The seeds of a round that have no feedback yet, each with the name of its next session.

    A session that was broken off has a name already, so its episode is played under another.

    Args:
        file: traces of the round, if there are any.
        name: of the round.
        seeds: all of its episodes.
    """
    done = {seed_of(one.name) for one in read_sessions(file)}
    begun = {row["session"] for row in read_traces(file, "steps")} if file.is_file() else ()
    tries = Counter(map(seed_of, begun))
    return [(seed, f"{name}-{seed}-{tries[seed]}") for seed in seeds if seed not in done]


def table(sessions: Sequence[Session]) -> np.ndarray:
    """`[N, 4]`, what each session returned and took."""
    return np.array([one.spent for one in sessions], float).reshape(-1, len(COLUMNS))


def mean(sessions: Sequence[Session]) -> list[tuple[float, float, float]]:
    """The mean of each column, and its 95% bootstrap interval over sessions."""
    values = table(sessions)
    drawn = values[_draws(len(values))].mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return list(zip(values.mean(0), low, high, strict=True))


def paired(ours: Sequence[Session], theirs: Sequence[Session]) -> list[tuple[float, float, float]]:
    """Ours against theirs on the same episodes, with 95% bootstrap intervals over episodes.

    The first is the difference in return, the others are the shares saved.
    """
    by_seed = {seed_of(one.name): one for one in theirs}
    both = [(one, by_seed[seed]) for one in ours if (seed := seed_of(one.name)) in by_seed]
    mine, other = table([a for a, _ in both]), table([b for _, b in both])
    draws = _draws(len(mine))
    drawn = _against(mine[draws].mean(1), other[draws].mean(1))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return list(zip(_against(mine.mean(0), other.mean(0)), low, high, strict=True))


def _against(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    difference = mine[..., :1] - other[..., :1]
    return np.concatenate([difference, 1 - mine[..., 1:] / other[..., 1:]], -1)


def _draws(number: int) -> np.ndarray:
    return np.random.default_rng(0).integers(number, size=(RESAMPLES, number))
