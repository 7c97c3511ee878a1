"""Estimates of `londi ope`, in files.

This file knows what an estimate says, and not how one is made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from londi.evaluation.ope import Saving, Value
from londi.evaluation.refusals import Refusal
from londi.storage.atomic import write_whole
from londi.storage.records import read_record

ESTIMATE = "estimate.json"


@dataclass(frozen=True)
class TraceEstimate:
    """What a Switcher would do on the traffic of some traces.

    Attributes:
        method: the estimator.
        estimate: return of a session under the Switcher; None where refused.
        interval: of it, 95%.
        effective_sample_size: sessions that the log is worth for this Switcher.
        refused: why there is no estimate, and what to log instead; None where there is one.
        traces, switcher: the files.
        cost: c at which the Switcher is asked.
        sessions, steps: what was estimated from.
        trained_on: sessions that were left out, since the Switcher was trained on them.
        values: the outcomes of a session under the Switcher, by the reported estimator.
        checks: the same by the other estimators, and the means of the log itself.
        savings: what is saved against always calling DEEPTHINK.
    """

    method: str
    estimate: float | None
    interval: tuple[float, float] | None
    effective_sample_size: float | None
    refused: Refusal | None
    traces: str
    switcher: str
    cost: float
    sessions: int
    steps: int
    trained_on: int
    values: tuple[Value, ...] = ()
    checks: tuple[Value, ...] = ()
    savings: tuple[Saving, ...] = ()


def write_estimate(folder: Path, found: TraceEstimate) -> None:
    """Write `estimate.json`, whole or not at all."""
    write_whole(folder / ESTIMATE, [json.dumps(asdict(found), indent=1) + "\n"])


def read_estimate(file: Path) -> TraceEstimate:
    """The estimate in a file.

    Raises:
        DamagedFile: if there is no such file, or it holds no estimate.
    """
    return read_record(file, TraceEstimate)
