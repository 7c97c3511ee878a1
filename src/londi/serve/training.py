"""`londi train --traces`: train a Switcher on the traces of real traffic.

This file knows traces and runs, and nothing of how a Switcher learns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_prompt_encoder
from londi.errors import InvalidConfig
from londi.learning.offline import train_offline
from londi.learning.statistics import Progress
from londi.serve.logged import TraceLog, read_log
from londi.storage.atomic import write_whole
from londi.storage.records import read_record
from londi.storage.runs import is_free

LOGGED = "traces.json"
"""The file, in the folder of a run, that says what it was trained on."""
FEW = 100
"""Sessions below which little can be learned."""
LOG_ANEW = "log with `switcher: random:0.5` or `exploration: 0.3`, so that choices are drawn"


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """What a run was trained on.

    Attributes:
        traces: the file.
        sessions: names of the sessions that were learned from.
        held_out: number of those that were not, for an estimate.
        left_out: number of those that cannot be learned from, by the reason.
        steps: steps that were learned from.
        call_rate: share of them at which DEEPTHINK was chosen.
        reward: mean reward of a session.
        cannot_tell: what such a log cannot tell, in sentences.
    """

    traces: str
    sessions: tuple[str, ...]
    held_out: int
    left_out: dict[str, int]
    steps: int
    call_rate: float
    reward: float
    cannot_tell: tuple[str, ...]


def train_on_traces(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_log: Callable[[TrainedOn], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train a Switcher on the traces that `config` names, and leave it in `folder`.

    Args:
        config: the settings.
        folder: the folder of the run.
        resume: go on from the last checkpoint of an interrupted run.
        overwrite: replace an earlier run.
        on_log: told what is learned from, before the first step.
        on_progress: told of every report.
        should_stop: asked after every step; if true, a checkpoint is left and training ends.

    Returns:
        Whether all steps are done.

    Raises:
        LondiError: if nothing can be learned from the traces, or the folder is taken or in use;
            nothing is written then.
    """
    if not resume:
        is_free(folder, TrainConfig, overwrite)  # before the traces are read
    encoder = prompt_encoder(config.encoder)
    log = read_log(Path(config.traces), encoder)
    learned = log.only({name for name in log.sessions if not held_out(name, config.held_out)})
    found = _described(config.traces, log, learned)
    on_log(found)
    quick, deepthink = log.models
    return train_offline(
        replace(config, quick=quick, deepthink=deepthink),
        learned.steps,
        encoder,
        folder,
        resume=resume,
        overwrite=overwrite,
        on_begin=lambda: write_whole(folder / LOGGED, [json.dumps(asdict(found), indent=1) + "\n"]),
        on_progress=on_progress,
        should_stop=should_stop,
    )


def read_trained_on(folder: Path) -> TrainedOn | None:
    """What the run in `folder` was trained on; None where it was trained by playing.

    Raises:
        DamagedFile: if the file is damaged.
    """
    file = folder / LOGGED
    return read_record(file, TrainedOn) if file.is_file() else None


def prompt_encoder(spec: str) -> Encoder:
    """An encoder that reads texts alone.

    Raises:
        InvalidConfig: if it reads more.
        LondiError: if it cannot be made.
    """
    made = make_prompt_encoder(spec)
    if made is None:
        raise InvalidConfig(
            "encoder: expected one that reads texts alone, since traces hold no language model:"
            f" text, sentence:<model> or model:<name>, got {spec!r}"
        )
    return made


def held_out(session: str, share: float) -> bool:
    """Whether a session is not to be learned from; its name decides, whatever else is logged."""
    digest = hashlib.sha256(session.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _described(traces: str, log: TraceLog, learned: TraceLog) -> TrainedOn:
    """What is learned from.

    Raises:
        InvalidConfig: if only one of the two models was ever chosen.
    """
    steps = learned.steps
    if not len(steps.choice):
        raise InvalidConfig(
            f"held_out: no session of {len(log.sessions)} is left to learn from; expected less"
        )
    rate = float(steps.choice.mean())
    if rate in (0.0, 1.0):
        other, name = ("DEEPTHINK", "QUICK") if rate == 0 else ("QUICK", "DEEPTHINK")
        raise InvalidConfig(
            f"traces: every step of {traces!r} is {name}'s, and none tells what {other} leads to;"
            f" {LOG_ANEW}"
        )
    return TrainedOn(
        traces=traces,
        sessions=learned.sessions,
        held_out=len(log.sessions) - len(learned.sessions),
        left_out=dict(log.left_out),
        steps=len(steps.choice),
        call_rate=rate,
        reward=float(steps.to_come()[steps.begins].mean()),
        cannot_tell=tuple(_cannot_tell(learned)),
    )


def _cannot_tell(log: TraceLog) -> list[str]:
    """What a log cannot tell, in sentences."""
    steps = log.steps
    told = steps.propensity[steps.had_choice]
    said = []
    if np.isnan(told).any():
        said.append(
            "some steps have no propensity: what followed a choice may be due to what led to it,"
            f" and no estimate is possible; {LOG_ANEW}"
        )
    elif (told == 1.0).all():
        said.append(
            "no choice was drawn at random: what followed a choice may be due to what led to it;"
            f" {LOG_ANEW}"
        )
    if len(log.sessions) < FEW:
        said.append(f"{len(log.sessions)} sessions are few to learn from; some hundreds are better")
    if len(set(steps.to_come()[steps.begins].tolist())) == 1:
        said.append("all sessions have one reward: nothing tells good steps from bad ones")
    return said
