"""Traces of a small world behind an agent's steps: four rooms, some of them hard for QUICK."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from londi import StepRouter
from londi.config.serve import ServeConfig, UpstreamConfig
from londi.types import Usage

ROOMS = 4
HARD = 0.4
"""Share of rooms that QUICK fails in."""
BASE = ServeConfig(
    quick=UpstreamConfig("small"),
    deepthink=UpstreamConfig("large"),
    switcher="random:0.5",
    keep_texts=True,
    seed=0,
)


def record(
    file: Path, sessions: int = 200, *, by_step: bool = False, seed: int = 0, **changes: Any
) -> Path:
    """Traces in `file` of an agent that walks through the rooms.

    Args:
        file: the traces.
        sessions: how often it walks.
        by_step: each room is worth 1 if it went well; else the session is, if all did.
        seed: of the rooms.
        changes: settings in place of those of a coin that is tossed at every step.
    """
    rng = np.random.default_rng(seed)
    router = StepRouter.of(replace(BASE, traces=str(file), **changes))
    try:
        for k in range(sessions):
            _walk(router, f"walk {seed} {k}", rng.random(ROOMS) < HARD, by_step)
    finally:
        router.close()
    return file


def _walk(router: StepRouter, session: str, hard: Any, by_step: bool) -> None:
    messages: list[dict[str, str]] = []
    went_well = []
    for k, is_hard in enumerate(hard):
        messages.append({"role": "user", "content": f"room {k}: {'hard' if is_hard else 'easy'}"})
        with router.step({"model": "auto", "messages": messages}, session=session) as step:
            went_well.append(bool(step.choice) or not is_hard)
            answer = {"role": "assistant", "content": "through the door"}
            step.settle(Usage(calls=1, tokens=100, output_tokens=3), answer)
        messages.append(answer)
    if by_step:
        for k, well in enumerate(went_well):
            router.feedback(session, float(well), k)
    else:
        router.feedback(session, float(all(went_well)))
