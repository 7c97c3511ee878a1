"""Episodes that others have logged, whatever their format was."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from londi.types import Array


@dataclass(frozen=True)
class LoggedEpisode:
    """One episode, which one model played.

    Attributes:
        model: who played.
        env: family of tasks.
        task: its name; two models meet on tasks of one name.
        run: its number or trial.
        seed: of the level; None where nobody wrote it down.
        rewards: [T], of each step.
        tokens: of all its prompts and answers; None where nobody counted them.
        goal: what was to be done; empty where nobody wrote it down.
        seen: T texts, each what was seen before a step; empty where they were not read.
    """

    model: str
    env: str
    task: str
    run: str
    seed: int | None
    rewards: Array
    tokens: int | None = None
    goal: str = ""
    seen: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The undiscounted return."""
        return float(self.rewards.sum())


@dataclass(frozen=True)
class PublicLogs:
    """What a format's reader has found.

    Attributes:
        format: its name.
        episodes: all of them.
        over_tasks: whether tasks are a sample, so that intervals are over tasks; else the tasks are
            all that there are, and intervals are over the episodes of each.
        can: what can be estimated, with the reason.
        cannot: what cannot, with the reason.
        left_out: number of episodes that were not read, by the reason.
        notes: what else is to be known.
    """

    format: str
    episodes: tuple[LoggedEpisode, ...]
    over_tasks: bool
    can: tuple[str, ...]
    cannot: tuple[str, ...]
    left_out: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
