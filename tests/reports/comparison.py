"""A comparison in figures, and its episodes told, for the reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from londi.evaluation.curves import (
    CurvePoint,
    Estimate,
    Frontier,
    LimitPoint,
    MethodCurve,
    Replay,
    ReplayStep,
)
from londi.evaluation.results import Result

COSTS = (0.001, 0.01, 0.04)


BUDGETS = (2, 8, None)


NASTY = 'go to </script><b id="nasty">the ball</b> & "{{data}}"'


def result(method: str, rate: float, value: float, **more: Any) -> Result:
    plain = Result(
        method=method,
        env="londi/Somewhere-v0",
        cost=0.01,
        budget=None,
        seed=(0, 1, 2),
        episodes=300,
        return_mean=value,
        return_ci=(value - 0.03, value + 0.03),
        success_rate=value,
        call_rate=rate,
        overspent=0.0,
        exceeded=0.0,
        lm_seconds=0.1,
        lm_flops=1e6,
        joules=0.0,
        cost_saved=1 - rate,
        pgr=(value - 0.5) / 0.35,
        substituted_actions=0.0,
        aborted=0,
        lm_cpu_seconds=0.01 + 0.04 * rate,
        money=0.001 * rate,
        money_saved=1 - rate,
        bill=0.002,
        currency="EUR",
    )
    return replace(plain, **more)


def curve(method: str, label: str, bend: float, ahead: Estimate | None) -> MethodCurve:
    points = [
        CurvePoint(f"at {rate:g}", result(method, rate, 0.5 + 0.35 * rate**bend), 0.9)
        for rate in (0.1, 0.3, 0.6)
    ]
    budgets = [
        CurvePoint("c = 0.01", result(method, n / 20, 0.5 + 0.35 * (n / 20) ** bend, budget=n), 0.9)
        for n in (2, 8)
    ]
    area = 1 / (1 + bend)
    return MethodCurve(
        method,
        label,
        points,
        budgets,
        Estimate(area, area - 0.02, area + 0.02),
        Estimate(area / 0.95, area / 0.95 - 0.02, area / 0.95 + 0.02),
        ahead,
        (0.1, 0.4, 0.8),
        Estimate(0.45, 0.4, 0.5),
    )


def moments(probability: float) -> list[ReplayStep]:
    """A step at which both do the same, and one at which they do not."""
    return [
        ReplayStep(
            "You see a wall",
            "go forward",
            "go forward",
            0,
            "go forward",
            0.04,
            0.0,
            0.8,
            0.0,
            False,
        ),
        ReplayStep(
            "You see <i>a door</i>",
            "turn left",
            "toggle",
            1,
            "toggle",
            probability,
            0.21,
            1.4,
            0.9,
            True,
        ),
    ]


SURFACE = [
    CurvePoint(
        f"c = {cost:g}",
        result("londi", 0.5 - 10 * cost, 0.8 - cost - 0.3 / (n or 100), cost=cost, budget=n),
        0.9,
    )
    for n in BUDGETS
    for cost in COSTS
]


FOUND = Frontier(
    env="londi/Somewhere-v0",
    cost=0.01,
    episodes=300,
    seeds=(0, 1, 2),
    quick=result("quick", 0.0, 0.5),
    deepthink=result("deepthink", 1.0, 0.85),
    curves=[
        curve("londi", "universal Switcher", 0.3, None),
        curve("random", "random", 0.8, Estimate(0.2, 0.1, 0.3)),
        curve("cql", "CQL <with> budget", 0.6, Estimate(0.1, 0.0, 0.2)),
    ],
    surface=SURFACE,
    limit=[
        LimitPoint(0, 0.0, 0.5, 0.5),
        LimitPoint(1, 0.05, 0.8, 0.85),
        LimitPoint(2, 0.1, 0.88, 0.9),
    ],
    limit_budgets=[
        LimitPoint(0, 0.0, 0.5, 0.5),
        LimitPoint(1, 0.05, 0.8, 0.85),
        LimitPoint(2, 0.1, 0.88, 0.9),
    ],
    limit_apgr=0.95,
)


TOLD = [
    Replay(episode, goal, cost, None, 0.9, True, moments(0.9 - 10 * cost))
    for episode, goal in ((7, NASTY), (8, "open the door"))
    for cost in COSTS
]


def elsewhere(point: CurvePoint, **more: Any) -> CurvePoint:
    return replace(point, result=replace(point.result, **more))
