"""Sums over traces and the figures of the live page, against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import londi.serve.live.digest
from londi.serve.live.digest import Digest
from londi.serve.live.figures import Figures
from londi.serve.live.records import Flow, Traced
from londi.serve.transcripts.arms import against_control, sessions_of
from londi.storage.trace_tables import TABLES, Row
from londi.storage.traces import TraceStore, read_traces, write_traces

MODELS = '["small", "large"]'
NOW = 1_000_000 * 86_400 + 7_230.0
"""Two hours and half a minute after a midnight."""
SMALL = {"choice": 0, "model": "small", "prompt_tokens": 100, "output_tokens": 10, "money": 0.001}
LARGE = {"choice": 1, "model": "large", "prompt_tokens": 200, "output_tokens": 20, "money": 0.5}


def step(session: str, number: int, ago: float, **values: Any) -> tuple[str, Row]:
    """A step so many seconds ago; with 200 and of the arm `treated` unless said otherwise."""
    plain: Row = {"arm": "treated", "policy": "mine", "rollout": "r", "status": 200}
    row = {"session": session, "step": number, "time": NOW - ago, "candidates": MODELS}
    return "steps", row | plain | values


def feedback(session: str, value: float, number: int | None = None) -> tuple[str, Row]:
    return "feedback", {"session": session, "step": number, "time": NOW, "value": value}


def rollout(**shares: float) -> tuple[str, Row]:
    arms = [{"arm": arm, "share": share, "policy": "mine"} for arm, share in shares.items()]
    return "rollouts", {"rollout": "r", "time": 0.0, "arms": json.dumps(arms), "seed": 0}


def traced(file: Path, rows: list[tuple[str, Row]], estimate: Path | None = None) -> Traced:
    """The figures of a file with these rows."""
    write_traces(file, rows)
    digest = Digest(file, lambda: NOW)
    digest.read(60.0)
    found = Figures(digest, "mine", estimate, lambda: NOW).traced()
    digest.close()
    assert found.unread == 0
    return found


ROWS = [
    rollout(control=0.5, treated=0.5),
    step("old", 0, 7_300.0, **SMALL),  # yesterday
    step("a", 0, 3_700.0, **SMALL),  # today, and more than an hour ago
    step("a", 1, 100.0, **LARGE, seconds=1.5, propensity=0.25, probability=0.25, reason="policy"),
    step("a", 2, 40.0, choice=1, model="small", status=200, prompt_tokens=1, output_tokens=2),
    step("b", 0, 35.0, **LARGE, arm="control"),
    step("b", 1, 10.0, choice=1, model="large", status=500, arm="control"),
    step("none", 0, 5.0, choice=0, model="small", status=None),
    feedback("a", 0.5),
    feedback("a", 0.25, 1),
    feedback("b", 1.0),
]


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_figures_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(londi.serve.live.digest, "CHUNK", chunk)
    found = traced(tmp_path / "t.db", ROWS)
    now = int(NOW // 60)
    assert found.hour == (
        Flow(now - 2, "large", 1, 1, 0, 0, 220, 0.5, 0),  # 100 s before 02:00:30 is 01:58:50
        Flow(now - 1, "large", 1, 1, 0, 0, 220, 0.5, 0),
        Flow(now - 1, "small", 1, 0, 0, 1, 3, 0.0, 1),
        Flow(now, "large", 1, 1, 1, 0, 0, 0.0, 1),
        Flow(now, "small", 1, 0, 1, 0, 0, 0.0, 0),
    )
    assert found.day == (
        Flow(None, "large", 3, 3, 1, 0, 440, 1.0, 1),
        Flow(None, "small", 3, 0, 1, 1, 113, 0.001, 1),
    )
    treated, control = found.arms
    assert (treated.arm, treated.sessions, treated.rated, treated.reward) == ("treated", 3, 1, 0.5)
    assert treated.calls == pytest.approx(1 / 3) and treated.money == pytest.approx(0.502 / 3)
    assert (control.arm, control.sessions, control.calls, control.money) == ("control", 1, 2, 0.5)
    (saved,) = found.saved
    assert (saved.arm, saved.sessions, saved.control) == ("treated", 3, 1)
    assert saved.calls.estimate == pytest.approx(1 - 1 / 6) and saved.calls.low is None
    assert saved.reward.estimate == pytest.approx(-0.5)
    assert saved.rated.estimate == pytest.approx(1 / 3 - 1)


def test_the_latest_decisions_come_first(tmp_path: Path) -> None:
    found = traced(tmp_path / "t.db", ROWS).decisions
    assert [(one.session, one.step) for one in found] == [
        ("none", 0),
        ("b", 1),
        ("b", 0),
        ("a", 2),
        ("a", 1),
        ("a", 0),
        ("old", 0),
    ]
    fell, called = found[3], found[4]
    assert (fell.reason, fell.model, fell.deepthink) == ("fallback", "small", False)
    assert (called.reason, called.deepthink, called.seconds) == ("policy", True, 1.5)
    assert (called.probability, called.propensity, called.prompt_tokens) == (0.25, 0.25, 200)
    many = [step("many", k, 1.0, **SMALL) for k in range(60)]
    last = traced(tmp_path / "many.db", many).decisions
    assert [one.step for one in last] == list(range(59, 9, -1))


def test_the_saving_is_that_of_the_command(tmp_path: Path) -> None:
    rows = [rollout(control=0.2, treated=0.8)]
    for k in range(400):
        arm = "control" if k % 4 == 0 else "treated"
        for number in range(1 + k % 3):
            one = LARGE if arm == "control" or (k + number) % 5 == 0 else SMALL
            rows.append(step(f"s{k}", number, 400.0 - k, **one | {"money": k / 1e3}, arm=arm))
        if k % 2:
            rows.append(feedback(f"s{k}", float(k % 7)))
        elif k % 8 == 0:
            rows.append(feedback(f"s{k}", float(k % 3)))
    (saved,) = traced(tmp_path / "t.db", rows).saved
    tables = {name: list(read_traces(tmp_path / "t.db", name)) for name in TABLES}
    sessions = sessions_of(tables["steps"], tables["feedback"])
    (told,) = against_control(sessions, tables["rollouts"])
    assert (saved.sessions, saved.control) == told.sessions == (300, 100)
    for name in ("calls", "money", "reward", "rated"):
        one, other = getattr(saved, name), getattr(told, name)
        assert one.estimate == pytest.approx(other.estimate), name
        assert (one.low, one.high) == pytest.approx((other.low, other.high)), name


def test_each_row_is_counted_once_while_the_file_grows(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    write_traces(file, ROWS)
    digest = Digest(file, lambda: NOW)
    figures = Figures(digest, "mine", None, lambda: NOW)
    figures.SHARE = 0.0
    digest.read(60.0)
    assert sum(flow.steps for flow in figures.traced().day) == 6
    store = TraceStore(file)
    store.add(*step("a", 3, 1.0, **LARGE))
    store.add(*feedback("none", 2.0))
    store.close()
    for _ in range(2):
        digest.read(60.0)
        found = figures.traced()
        assert sum(flow.steps for flow in found.day) == 7
        assert found.arms[0].reward == pytest.approx((0.5 + 2.0) / 2)
        assert found.decisions[0].step == 3
    digest.close()


def test_a_look_has_an_end_and_reads_the_latest_rows_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(londi.serve.live.digest, "CHUNK", 2)
    write_traces(tmp_path / "t.db", ROWS)
    digest = Digest(tmp_path / "t.db", lambda: NOW)
    figures = Figures(digest, "mine", None, lambda: NOW)
    digest.read(0.0)
    found = figures.traced()
    assert found.unread == 10 - 4  # seven steps and three feedbacks, two of each read
    assert [flow.minute for flow in found.hour] == [int(NOW // 60)] * 2
    digest.close()


@pytest.mark.parametrize("refused", [False, True])
def test_an_estimate_stands_beside_what_came(tmp_path: Path, refused: bool) -> None:
    value = {"method": "wdr", "interval": [0.5, 0.9]}
    told = {
        "method": "wdr",
        "estimate": None if refused else 0.7,
        "interval": None if refused else [0.5, 0.9],
        "effective_sample_size": 40.0,
        "refused": {"reason": "small_sample", "message": "log more"} if refused else None,
        "traces": "old.db",
        "switcher": "mine.onnx",
        "cost": 0.1,
        "sessions": 100,
        "steps": 300,
        "trained_on": 0,
        "values": [
            value | {"outcome": "return", "estimate": 0.7},
            value | {"outcome": "calls", "estimate": 0.8},
        ],
    }
    file = tmp_path / "estimate.json"
    file.write_text(json.dumps(told))
    rows = [
        *ROWS,
        *(
            one
            for k in range(59)
            for one in (
                step(f"s{k}", 0, 20.0, **(LARGE if k % 2 else SMALL)),
                feedback(f"s{k}", float(k % 2)),
            )
        ),
    ]
    found = traced(tmp_path / "t.db", rows, file).estimated
    assert found is not None and found.switcher == "mine.onnx"
    if refused:
        assert (found.problem, found.outcomes) == ("log more", ())
        return
    returned, calls = found.outcomes
    assert (returned.estimated.estimate, returned.estimated.low) == (0.7, 0.5)
    # Session a returned 0.5 + 0.25 with one call; 29 of the 59 others returned 1 with one call.
    assert returned.sessions == 60 and returned.came.estimate == pytest.approx(29.75 / 60)
    assert calls.came.estimate == pytest.approx(30 / 60)
    assert calls.came.low is not None and calls.came.low < 0.5 < (calls.came.high or 0.0)
