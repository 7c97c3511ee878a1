"""A comparison in figures, as it is written and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from londi.evaluation.curves import (
    FRONTIER,
    TIMELINES,
    CurvePoint,
    Estimate,
    Frontier,
    LimitPoint,
    MethodCurve,
    Replay,
    ReplayStep,
    read_frontier,
    read_timelines,
    write_frontier,
)
from londi.evaluation.results import Result

RESULT = Result(
    method="londi",
    env="londi/Somewhere-v0",
    cost=0.01,
    budget=2,
    seed=(0, 1),
    episodes=300,
    return_mean=0.7,
    return_ci=(0.6, 0.8),
    success_rate=0.75,
    call_rate=0.25,
    overspent=0.0,
    exceeded=0.0,
    lm_seconds=1.5,
    lm_flops=1e9,
    joules=0.0,
    cost_saved=0.75,
    pgr=None,
    substituted_actions=0.0,
    aborted=0,
)
POINT = CurvePoint("c = 0.01", RESULT, 0.72)
CURVE = MethodCurve(
    "londi", "universal Switcher", [POINT], [POINT], Estimate(0.9, 0.8, 0.95), None, None,
    (0.1, 0.2, 0.3), Estimate(0.5, 0.4, 0.6),
)  # fmt: skip
OTHER = replace(
    CURVE, method="cql", of_limit=Estimate(0.9, 0.8, 1.0), ahead=Estimate(0.1, 0.0, 0.2), budgets=[]
)
FOUND = Frontier(
    env="londi/Somewhere-v0",
    cost=0.01,
    episodes=300,
    seeds=(0, 1),
    quick=replace(RESULT, method="quick", budget=None),
    deepthink=replace(RESULT, method="deepthink", pgr=1.0),
    curves=[CURVE, OTHER],
    surface=[POINT],
    limit=[LimitPoint(1.0, 0.05, 0.8, 0.85)],
    limit_budgets=[],
    limit_apgr=None,
)
STEP = ReplayStep("a door", "left", "right", 1, "right", 0.9, 0.2, 1.5, 0.0, None)
REPLAYS = [
    Replay(3, "walk", 0.1, None, 1.0, True, [STEP, replace(STEP, choice=0, clairvoyant=True)]),
    Replay(4, "walk", 0.1, 2, 0.0, False, []),
]


@pytest.mark.parametrize("found", [FOUND, replace(FOUND, limit=[], limit_apgr=0.95, curves=[])])
def test_what_is_written_is_read_again(found: Frontier, tmp_path: Path) -> None:
    write_frontier(tmp_path, found, REPLAYS)
    assert read_frontier(tmp_path) == found
    assert read_timelines(tmp_path) == REPLAYS
    assert sorted(path.name for path in tmp_path.iterdir()) == [FRONTIER, TIMELINES]


def test_results_of_the_release_before_are_read(tmp_path: Path) -> None:
    write_frontier(tmp_path, FOUND, [])
    raw = json.loads((tmp_path / FRONTIER).read_text())
    rows = [raw["quick"], raw["deepthink"], *(point["result"] for point in raw["surface"])]
    rows += [p["result"] for c in raw["curves"] for part in ("points", "budgets") for p in c[part]]
    for row in rows:
        row["mapped"], row["lost"] = row.pop("substituted_actions"), row.pop("aborted")
    (tmp_path / FRONTIER).write_text(json.dumps(raw))
    assert read_frontier(tmp_path) == FOUND
