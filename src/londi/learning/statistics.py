"""How a training is going: its reports, and the file that they are kept in.

A report looks back on the last episodes that ended. This file knows steps, and nothing of how
choices are made or learned.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from londi.storage.atomic import append, write_whole
from londi.storage.records import read_lines
from londi.types import StateDict, Step, renamed

PROGRESS = "progress.jsonl"
"""The file, in the folder of a run, with one `Progress` a line."""

RECENT = 100  # episodes that a report looks back on


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is, and how it does.

    Attributes:
        step, steps: environment steps done, and to be done.
        seconds: wall seconds of training so far, over all resumptions.
        lm_seconds: those of them that were spent inside the two language models.
        episodes: episodes ended so far.
        return_mean: mean return of the last episodes, no cost taken off.
        success_rate: their share of successes.
        call_rate: share of the steps in them at which DEEPTHINK acted.
        overspent: calls beyond the budget in them, per episode.
        funded: share of an episode at which some of the budget is left, their mean; 1 without one.
        substituted_actions: share of their actions that the environment substituted.
        aborted: episodes so far that the environment broke off.
        call_probability: how likely the actor alone would call, mean of the steps since the last
            report; 0.5 while choices are uniform.
        critic_loss, actor_loss, alpha, entropy, q_mean: of the last update, or 0 before the
            first; see `sac.Losses`.
        hit_rate: share of the look-ups that the answer cache knew.
    """

    step: int
    steps: int
    seconds: float
    lm_seconds: float
    episodes: int
    return_mean: float
    success_rate: float
    call_rate: float
    overspent: float
    funded: float
    substituted_actions: float
    aborted: int
    call_probability: float
    critic_loss: float
    actor_loss: float
    alpha: float
    entropy: float
    q_mean: float
    hit_rate: float


@dataclass(slots=True)
class _EpisodeSums:
    """Sums over the steps of one episode."""

    reward: float = 0.0
    steps: int = 0
    calls: int = 0
    overspent: int = 0
    funded: int = 0
    substituted_actions: int = 0
    success: bool = False

    def add(self, step: Step) -> None:
        self.reward += step.reward
        self.steps += 1
        self.calls += step.choice
        self.overspent += step.overspent
        self.funded += step.remaining > 0
        self.substituted_actions += step.substituted_action is not None
        self.success = step.success


class EpisodeStatistics:
    """The last episodes that ended, of all slots together."""

    def __init__(self, slots: int) -> None:
        self.ended = 0
        self.aborted = 0
        self._open = [_EpisodeSums() for _ in range(slots)]
        self._kept: deque[_EpisodeSums] = deque(maxlen=RECENT)

    def add(self, steps: Sequence[Step | None]) -> None:
        """Take in one step of every slot."""
        for slot, step in enumerate(steps):
            if step is None:
                continue
            self._open[slot].add(step)
            if step.ended:
                self._kept.append(self._open[slot])
                self._open[slot] = _EpisodeSums()
                self.ended += 1
                self.aborted += step.aborted is not None

    def abort(self, slot: int) -> None:
        """Give up the episode under way in this slot: it is counted as aborted, and not kept."""
        self._open[slot] = _EpisodeSums()
        self.ended += 1
        self.aborted += 1

    def means(self) -> dict[str, float]:
        """Figures of `Progress`; those of no episode before the first has ended."""
        kept = self._kept or [_EpisodeSums(steps=1, funded=1)]
        steps = sum(tally.steps for tally in kept)
        return {
            "return_mean": float(np.mean([tally.reward for tally in kept])),
            "success_rate": float(np.mean([tally.success for tally in kept])),
            "call_rate": sum(tally.calls for tally in kept) / steps,
            "overspent": float(np.mean([tally.overspent for tally in kept])),
            "funded": float(np.mean([tally.funded / tally.steps for tally in kept])),
            "substituted_actions": sum(tally.substituted_actions for tally in kept) / steps,
        }

    def state(self) -> StateDict:
        """All that a resumed run needs."""
        return {
            "ended": self.ended,
            "aborted": self.aborted,
            "open": [asdict(tally) for tally in self._open],
            "kept": [asdict(tally) for tally in self._kept],
        }

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned."""
        self.ended, self.aborted = state["ended"], state["aborted"]
        self._open = [_EpisodeSums(**tally) for tally in state["open"]]
        self._kept = deque((_EpisodeSums(**tally) for tally in state["kept"]), maxlen=RECENT)


def append_progress(folder: Path, progress: Progress) -> None:
    """Write a report below the earlier ones of the run in `folder`."""
    append(folder / PROGRESS, json.dumps(asdict(progress)) + "\n")


def read_progress(folder: Path) -> list[Progress]:
    """The reports of the run in `folder`; none where there is no file.

    Raises:
        DamagedFile: if a line is no report; a last one that a kill has cut short is left out.
    """
    file = folder / PROGRESS
    return read_lines(file, Progress, renamed) if file.is_file() else []


def keep_progress(folder: Path, step: int) -> list[Progress]:
    """Drop the reports after `step`, which a resumed run makes again; those that are left."""
    kept = [progress for progress in read_progress(folder) if progress.step <= step]
    if (folder / PROGRESS).is_file():
        write_whole(folder / PROGRESS, [json.dumps(asdict(p)) + "\n" for p in kept])
    return kept
