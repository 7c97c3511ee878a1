"""The figures of a training's reports, by hand, and the file that they are kept in."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from londi.learning.statistics import (
    PROGRESS,
    RECENT,
    EpisodeStatistics,
    Progress,
    append_progress,
    keep_progress,
    read_progress,
)
from londi.types import Step, Usage

STEP = Step(
    episode=0,
    t=0,
    choice=0,
    action="left",
    quick_action="left",
    deepthink_action=None,
    reward=0.0,
    terminated=False,
    truncated=False,
    success=False,
    remaining=1.0,
    overspent=False,
    quick=Usage(),
    deepthink=Usage(),
)
REPORT = Progress(
    step=10, steps=100, seconds=1.0, lm_seconds=0.5, episodes=3, return_mean=0.5, success_rate=0.4,
    call_rate=0.3, overspent=0.0, funded=1.0, substituted_actions=0.0, aborted=0,
    call_probability=0.5, critic_loss=0.1, actor_loss=0.2, alpha=0.01, entropy=0.5, q_mean=0.6,
    hit_rate=0.7,
)  # fmt: skip


def test_the_figures_of_two_slots_by_hand() -> None:
    statistics = EpisodeStatistics(2)
    call = replace(STEP, choice=1, reward=0.25)
    over = replace(call, remaining=0.0, overspent=True, terminated=True, success=True)
    lost = replace(
        STEP, remaining=0.0, truncated=True, aborted="gone", substituted_action="look around"
    )
    statistics.add([call, STEP])
    assert statistics.ended == 0
    statistics.add([over, STEP])
    assert (statistics.ended, statistics.aborted) == (1, 0)
    assert statistics.means() == {
        "return_mean": 0.5,
        "success_rate": 1.0,
        "call_rate": 1.0,
        "overspent": 1.0,
        "funded": 0.5,
        "substituted_actions": 0.0,
    }
    statistics.add([None, STEP])
    statistics.add([STEP, lost])  # the first slot has begun anew
    assert (statistics.ended, statistics.aborted) == (2, 1)
    assert statistics.means() == {
        "return_mean": 0.25,
        "success_rate": 0.5,
        "call_rate": 2 / 6,
        "overspent": 0.5,
        "funded": (1 / 2 + 3 / 4) / 2,
        "substituted_actions": 1 / 6,
    }


def test_before_the_first_episode_has_ended_nothing_has_been_done() -> None:
    statistics = EpisodeStatistics(1)
    statistics.add([replace(STEP, choice=1, reward=1.0)])
    means = statistics.means()
    assert means.pop("funded") == 1.0
    assert set(means.values()) == {0.0}


def test_the_last_hundred_episodes_count_and_no_earlier_one() -> None:
    statistics = EpisodeStatistics(1)
    for k in range(RECENT + 3):
        statistics.add([replace(STEP, reward=float(k), terminated=True)])
    assert statistics.ended == RECENT + 3
    assert statistics.means()["return_mean"] == pytest.approx(3 + (RECENT - 1) / 2)


def test_resumed_statistics_go_on_as_the_first() -> None:
    first, second = EpisodeStatistics(2), EpisodeStatistics(2)
    ended = replace(STEP, reward=1.0, terminated=True)
    first.add([STEP, ended])
    second.load_state(json.loads(json.dumps(first.state())))
    for statistics in (first, second):
        statistics.add([ended, replace(STEP, choice=1)])
        statistics.add([None, ended])
    assert first.state() == second.state()
    assert first.means() == second.means()
    assert second.ended == 3


def test_reports_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_progress(tmp_path) == []
    reports = [replace(REPORT, step=step) for step in (10, 20, 30)]
    for report in reports:
        append_progress(tmp_path, report)
    assert read_progress(tmp_path) == reports


def test_a_line_that_was_cut_short_ends_the_reports(tmp_path: Path) -> None:
    append_progress(tmp_path, REPORT)
    with open(tmp_path / PROGRESS, "a") as out:
        out.write('{"step": 20, "st')
    assert read_progress(tmp_path) == [REPORT]


def test_reports_that_a_resumed_run_makes_again_are_dropped(tmp_path: Path) -> None:
    reports = [replace(REPORT, step=step) for step in (10, 20, 30)]
    for report in reports:
        append_progress(tmp_path, report)
    assert keep_progress(tmp_path, 20) == reports[:2] == read_progress(tmp_path)


def test_a_report_of_the_release_before_is_read(tmp_path: Path) -> None:
    row = asdict(REPORT)
    row["mapped"], row["lost"] = row.pop("substituted_actions"), row.pop("aborted")
    (tmp_path / PROGRESS).write_text(json.dumps(row) + "\n")
    assert read_progress(tmp_path) == [REPORT]
