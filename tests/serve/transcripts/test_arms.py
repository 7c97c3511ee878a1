"""Figures by arm, against numbers worked out by hand."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.calling import call
from londi.evaluation.confidence import Sample, mean_difference, saving
from londi.serve.transcripts.arms import against_control, by_arm, sessions_of
from londi.storage.trace_tables import TABLES, Row
from londi.storage.traces import write_traces

MODELS = json.dumps(["small", "large"])


def full(table: str, **values: Any) -> Row:
    """A row with null in all other columns."""
    return dict.fromkeys(column.name for column in TABLES[table]) | values


def rollout(name: str, policy: str, **shares: float) -> Row:
    arms = [
        {"arm": arm, "share": share, "policy": "always-deepthink" if arm == "control" else policy}
        for arm, share in shares.items()
    ]
    return full("rollouts", rollout=name, time=0.0, arms=json.dumps(arms), seed=0)


def steps(session: str, arm: str, of: str, models: str, policy: str = "v1") -> list[Row]:
    """Steps answered by `s`mall for 1 and `l`arge for 10, or not at all (`x`)."""
    policy = "always-deepthink" if arm == "control" else policy
    made = []
    for k, model in enumerate(models):
        told: Row = {"model": "small" if model == "s" else "large", "status": 200}
        told["money"] = {"s": 1.0, "l": 10.0, "x": None}[model]
        if model == "x":
            told["status"] = None
        told |= {"session": session, "step": k, "candidates": MODELS, "policy": policy}
        made.append(full("steps", arm=arm, rollout=of, **told))
    return made


def value(session: str, value: float, step: int | None = None) -> Row:
    return full("feedback", session=session, step=step, time=0.0, value=value)


def test_figures_of_arms() -> None:
    rows = [
        *steps("a", "control", "r", "ll"),
        *steps("b", "control", "r", "llx"),
        *steps("c", "treated", "r", "ls"),
        # The guard turned the Switcher off on the way: the session stays in its arm.
        *steps("d", "treated", "r", "ss"),
        *steps("d", "off", "r2", "l"),
        *steps("e", "off", "r2", "l"),
        full("steps", session="imported", step=0),
    ]
    told = [value("a", 1.0), value("c", 0.0), value("d", 0.5), value("d", 9.0, 0), value("f", 1.0)]
    found = {arm.arm: arm for arm in by_arm(sessions_of(rows, told))}
    assert list(found) == ["control", "treated", "off"]
    control, treated, off = found.values()
    assert (control.sessions, control.rewards.count, control.rewards.mean) == (2, 1, 1.0)
    assert (control.calls.mean, control.money.mean, control.unpriced) == (2.5, 20.0, 0)
    assert (treated.sessions, treated.rewards.count, treated.rewards.mean) == (2, 2, 0.25)
    assert (treated.calls.mean, treated.money.mean) == (1.0, 11.5)
    assert off.sessions == 1 and isnan(off.rewards.mean)


def test_an_arm_is_compared_with_the_control_sessions_beside_it() -> None:
    rollouts = [
        rollout("half", "v1", control=0.5, treated=0.5),
        rollout("tenth", "v1", control=0.1, treated=0.9),
        rollout("next", "v2", control=0.5, treated=0.5),
        rollout("off", "v1", control=0.5, off=0.5),
    ]
    rows: list[Row] = []
    for k in range(60):
        rows += steps(f"a{k}", "control", "half", "ll" if k % 2 else "l")
        rows += steps(f"b{k}", "treated", "half", "l" if k % 2 else "s")
        rows += steps(f"c{k}", "control", "tenth", "lll")
        rows += steps(f"d{k}", "treated", "tenth", "ls")
        rows += steps(f"e{k}", "control", "off", "llllll")
    rows += steps("f", "treated", "next", "s", "v2")
    told = [value(f"{arm}{k}", k % 2) for arm in "abc" for k in range(60)]
    one, other = against_control(sessions_of(rows, told), rollouts)
    assert (one.arm, one.policy, one.sessions) == ("treated", "v1", (120, 120))
    assert (other.policy, other.sessions) == ("v2", (1, 0))
    calls, control = Sample(), Sample()
    for k in range(60):
        control.add(1 + k % 2, 2.0)
        control.add(3, 10.0)
        calls.add(k % 2, 2.0)
        calls.add(1, 1 / 0.9)
    found = saving(calls, control)
    assert (one.calls.low, one.calls.high) == pytest.approx((found.low, found.high))
    # 240 of 720 weighted control sessions make 1.5 calls on average, the rest 3.
    weighted = (2 * 1.5 + 10 * 3) / 12
    assert one.calls.estimate == pytest.approx(1 - (2 * 0.5 + 1 / 0.9) / (2 + 1 / 0.9) / weighted)
    assert one.reward.estimate == pytest.approx(0.0, abs=1e-12) and 0.0 in one.reward
    # Half of the treated have feedback, and all of the control group.
    assert one.rated.estimate == -0.5 and one.rated.high < 0
    flags = [Sample.of(np.arange(120) < n) for n in (60, 120)]
    assert one.rated == mean_difference(flags[0], flags[1])
    assert isnan(other.calls.estimate)


def test_the_command_says_what_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "traces.db"
    rows = [("rollouts", rollout("r", "v1", control=0.5, treated=0.5))]
    for k in range(60):
        rows += [("steps", row) for row in steps(f"a{k}", "control", "r", "ll" if k % 2 else "l")]
        rows += [("steps", row) for row in steps(f"b{k}", "treated", "r", "ls" if k % 3 else "s")]
        rows += [("feedback", value(f"a{k}", 1.0))] * bool(k)
    write_traces(file, rows)
    assert call("traces", "show", str(file)) == 0
    said = capsys.readouterr().out
    assert "sessions by arm" in said and "control, always-deepthink" in said
    assert "treated, v1, against the control group beside it (60 and 60 sessions):" in said
    # 40 calls against 90; the money is 40 * 11 + 20 against 900.
    assert "calls saved: 55.6% (" in said and "money saved: 48.9% (" in said
    assert "difference in reward: nothing is known yet" in said
    assert "the shares of sessions with feedback differ by -98.3%" in said
    assert "confidence sequences, which hold whenever one looks (Waudby-Smith et al. 2024" in said
    write_traces(file, [row for row in rows if row[1].get("arm") != "control"])
    assert call("traces", "show", str(file)) == 0
    assert "by arm" not in capsys.readouterr().out
