"""Traces as logged steps: the same features as at the decision, rewards, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from londi.encoders.text import TextEncoder
from londi.errors import InvalidConfig
from londi.serve.logged import UNKNOWN, UNREADABLE, UNVALUED, TraceLog, read_log
from londi.storage.trace_tables import Row
from londi.storage.traces import as_json, read_traces, write_traces
from londi.switching.observation import ObservationLayout
from traced_corridor import ROOMS, record


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("traces") / "traces.db", sessions=30)


@pytest.fixture(scope="module")
def log(file: Path) -> TraceLog:
    return read_log(file, TextEncoder())


def step(session: str, k: int, **told: object) -> Row:
    texts = [{"role": "user", "content": f"room {k}"}]
    row = {
        "session": session,
        "begun": 1.0,
        "step": k,
        "time": 10.0 * k,
        "seconds": 1.0,
        "candidates": as_json(["small", "large"]),
        "choice": 1,
        "propensity": 0.5,
        "reason": "policy",
        "model": "large",
        "api": "/chat/completions",
        "follows": k - 1 if k else None,
        "kept": k,
        "messages": as_json(texts),
    }
    return row | told


def value(session: str, worth: float, k: int | None = None) -> Row:
    return {"session": session, "step": k, "time": 0.0, "value": worth}


def written(folder: Path, steps: list[Row], feedback: list[Row]) -> Path:
    file = folder / "traces.db"
    rows = [("steps", row) for row in steps] + [("feedback", row) for row in feedback]
    write_traces(file, rows)
    return file


def test_a_session_is_an_episode(log: TraceLog) -> None:
    steps = log.steps
    assert len(log.sessions) == 30 and log.models == ("small", "large")
    assert steps.episode.tolist() == [k for k in range(30) for _ in range(ROOMS)]
    assert (steps.terminated == steps.ends).all()
    assert (steps.propensity == 0.5).all() and steps.allowed.all()
    assert 0.3 < steps.choice.mean() < 0.7
    assert (steps.next_observation[~steps.ends] == steps.observation[1:][~steps.ends[:-1]]).all()
    assert not steps.next_observation[steps.ends].any()


def test_the_session_s_feedback_comes_with_its_last_step(log: TraceLog) -> None:
    reward = log.steps.reward.reshape(-1, ROOMS)
    assert not reward[:, :-1].any()
    assert set(reward[:, -1].tolist()) == {0.0, 1.0}


def test_the_words_of_a_room_are_in_its_features(log: TraceLog) -> None:
    seen = log.steps.observation[:ROOMS]
    assert len({row.tobytes() for row in seen}) == len(seen)


def test_steps_and_repeats_are_counted_as_at_the_decision(log: TraceLog) -> None:
    view = ObservationLayout(TextEncoder.size).view(log.steps.observation)
    assert np.allclose(np.expm1(view.steps).reshape(-1, ROOMS), np.arange(ROOMS), atol=1e-5)
    assert not view.repeats.any() and not view.capped.any()


def test_feedback_of_a_step_is_its_reward(tmp_path: Path) -> None:
    steps = [step("a", 0), step("a", 1), step("a", 2)]
    feedback = [value("a", 0.25, 1), value("a", 0.5), value("a", 0.125, 2)]
    log = read_log(written(tmp_path, steps, feedback), TextEncoder())
    assert log.steps.reward.tolist() == [0.0, 0.25, 0.625]


def test_steps_that_were_settled_otherwise_had_no_other_choice(tmp_path: Path) -> None:
    steps = [
        step("a", 0),
        step("a", 1, reason="budget", choice=0),
        step("a", 2, reason="tool loop"),
    ]
    log = read_log(written(tmp_path, steps, [value("a", 1.0)]), TextEncoder())
    assert log.steps.allowed.tolist() == [[True, True], [True, False], [False, True]]
    assert log.steps.next_allowed.tolist() == [[True, False], [False, True], [True, True]]


def test_an_unknown_propensity_stays_unknown(tmp_path: Path) -> None:
    file = written(tmp_path, [step("a", 0, propensity=None)], [value("a", 1.0)])
    assert np.isnan(read_log(file, TextEncoder()).steps.propensity).all()


def test_who_answered_and_when_is_seen_at_the_next_step(tmp_path: Path) -> None:
    one = written(tmp_path, [step("a", 0), step("a", 1)], [value("a", 1.0)])
    seen = read_log(one, TextEncoder()).steps.observation
    (tmp_path / "other").mkdir()
    other = written(
        tmp_path / "other", [step("a", 0, model="small", choice=0), step("a", 1)], [value("a", 1.0)]
    )
    differs = seen != read_log(other, TextEncoder()).steps.observation
    assert not differs[0].any() and differs[1].any()


def test_sessions_that_cannot_be_learned_from_are_counted(tmp_path: Path) -> None:
    steps = [
        step("good", 0),
        step("unvalued", 0),
        step("unknown", 0, choice=None),
        step("wordless", 0, messages=None),
    ]
    feedback = [value(name, 1.0) for name in ("good", "unknown", "wordless")]
    log = read_log(written(tmp_path, steps, feedback), TextEncoder())
    assert log.sessions == ("good",)
    assert log.left_out == {UNVALUED: 1, UNKNOWN: 1, UNREADABLE: 1}


def test_traces_without_a_session_to_learn_from_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, [step("a", 0)], [])
    with pytest.raises(InvalidConfig, match=f"got 1 with {UNVALUED}"):
        read_log(file, TextEncoder())


def test_traces_of_two_pairs_of_models_are_refused(tmp_path: Path) -> None:
    steps = [step("a", 0), step("b", 0, candidates=as_json(["tiny", "large"]))]
    file = written(tmp_path, steps, [value("a", 1.0), value("b", 1.0)])
    with pytest.raises(InvalidConfig, match="one QUICK and one DEEPTHINK"):
        read_log(file, TextEncoder())


def test_some_sessions_alone(log: TraceLog) -> None:
    kept = log.only(set(log.sessions[10:12]))
    assert kept.sessions == log.sessions[10:12]
    assert kept.steps.episode.tolist() == [0] * ROOMS + [1] * ROOMS
    part = log.steps.observation[10 * ROOMS : 12 * ROOMS]
    assert (kept.steps.observation == part).all()


def test_the_traces_are_those_of_the_walks(file: Path) -> None:
    assert len(list(read_traces(file, "steps"))) == 30 * ROOMS
