"""What traces say of a Switcher before it is turned on, against what then happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.calling import call
from londi.config import OpeConfig, TrainConfig
from londi.config.rollout import RolloutConfig
from londi.encoders.text import TextEncoder
from londi.errors import InvalidConfig
from londi.evaluation.export import export
from londi.serve.estimates import ESTIMATE
from londi.serve.estimating import estimate_traces
from londi.serve.logged import read_log
from londi.serve.training import read_trained_on, train_on_traces
from serve.transcripts.conversations import AIRLINE
from traced_corridor import record


def settings(traces: Path, **changes: Any) -> TrainConfig:
    return TrainConfig(traces=str(traces), cost=0.4, cost_range=(0.2, 0.8), **changes)


@pytest.fixture(scope="module")
def coins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("coins") / "traces.db", sessions=500, by_step=True)


@pytest.fixture(scope="module")
def run(coins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "traced"
    assert train_on_traces(settings(coins), folder)
    return folder


@pytest.fixture(scope="module")
def switcher(run: Path) -> str:
    export(run, run.parent / "switcher.onnx")
    return str(run.parent / "switcher.onnx")


def test_the_estimate_is_what_then_comes(run: Path, switcher: str, tmp_path: Path) -> None:
    near, live = (tmp_path / name for name in ("near.db", "live.db"))
    record(near, 300, by_step=True, seed=1, switcher=switcher, exploration=0.3)
    record(live, 300, by_step=True, seed=2, switcher=switcher)
    found = estimate_traces(near, run, OpeConfig())
    came = read_log(live, TextEncoder()).steps
    assert found.refused is None and found.interval is not None
    low, high = found.interval
    assert low - 0.01 < came.reward.sum() / 300 < high + 0.01  # no room goes wrong, or hardly any
    (calls,) = (value for value in found.values if value.outcome == "calls")
    assert calls.interval and calls.interval[0] < came.choice.sum() / 300 < calls.interval[1]
    assert found.effective_sample_size and 50 < found.effective_sample_size < 300


def test_sessions_that_it_was_trained_on_are_left_out(coins: Path, run: Path) -> None:
    trained = read_trained_on(run)
    assert trained is not None
    found = estimate_traces(coins, run, OpeConfig())
    assert (found.sessions, found.trained_on) == (trained.held_out, len(trained.sessions))
    everything = estimate_traces(coins, run, OpeConfig(sessions="all"))
    assert (everything.sessions, everything.trained_on) == (500, 0)


def test_a_log_that_was_all_learned_from_is_refused(tmp_path: Path) -> None:
    file = record(tmp_path / "traces.db", 40)
    config = settings(file, held_out=0.0, passes=1.0)
    train_on_traces(config, tmp_path / "run")
    with pytest.raises(InvalidConfig, match="trained on all 40 sessions"):
        estimate_traces(file, tmp_path / "run", OpeConfig())


def test_a_control_group_is_left_out(run: Path, switcher: str, tmp_path: Path) -> None:
    file = record(
        tmp_path / "traces.db",
        200,
        by_step=True,
        switcher=switcher,
        exploration=0.3,
        rollout=RolloutConfig(control=0.3),
        seed=3,
    )
    arms = read_log(file, TextEncoder()).arms
    found = estimate_traces(file, run, OpeConfig())
    assert found.sessions == arms.count("treated") < 200 == len(arms)
    assert found.refused is None


def test_another_cost_is_another_switcher(run: Path, switcher: str, tmp_path: Path) -> None:
    file = record(
        tmp_path / "traces.db", 300, by_step=True, switcher=switcher, exploration=0.4, seed=4
    )

    def calls(cost: float) -> float:
        found = estimate_traces(file, run, OpeConfig(cost=cost, method="fqe"))
        return next(value.estimate for value in found.values if value.outcome == "calls")

    assert calls(0.25) > calls(0.75)
    with pytest.raises(InvalidConfig, match=r"from 0.2 to 0.8, got 0.9"):
        estimate_traces(file, run, OpeConfig(cost=0.9))


@pytest.mark.parametrize("names", [(), ("--quick", "gpt-4o-mini", "--deepthink", "gpt-4o")])
def test_a_log_of_one_model_says_what_to_log(
    names: tuple[str, ...], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tau, out = str(tmp_path / "tau.db"), tmp_path / "estimate"
    asked = ("traces", "import", str(AIRLINE), "--format", "openai", "--model", "gpt-4o")
    assert call(*asked, *names, "--out", tau) == 0
    capsys.readouterr()
    assert call("ope", tau, "--switcher", str(run), "--out", str(out)) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "allows no estimate of switching; log with `switcher: random:0.5`" in said
    told = json.loads((out / ESTIMATE).read_text())
    assert told["refused"]["reason"] == "no_propensities" and told["sessions"] == 200
    assert told["estimate"] is told["interval"] is told["effective_sample_size"] is None


def test_the_table_and_the_file(
    run: Path, switcher: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near, out = tmp_path / "near.db", tmp_path / "estimate"
    record(near, 200, by_step=True, seed=5, switcher=switcher, exploration=0.3)
    assert call("ope", str(near), "--switcher", switcher, "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "calls" in said and "return" in said and "estimated by wdr" in said
    told = json.loads((out / ESTIMATE).read_text())
    assert told["method"] == "wdr" and told["refused"] is None
    low, high = told["interval"]
    assert low < told["estimate"] < high
    assert call("ope", str(near), "--switcher", switcher, "--out", str(out)) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("traces", "source", "said"),
    [
        ("nothing.db", "", "there is no file"),
        ("", "nothing", "no checkpoint in 'nothing'; expected the folder of a run"),
        ("", "nothing.onnx", "nothing.onnx"),
    ],
)
def test_what_is_not_there_is_said(
    traces: str,
    source: str,
    said: str,
    coins: Path,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "estimate"
    asked = (traces or str(coins), "--switcher", source or str(run))
    assert call("ope", *asked, "--out", str(out)) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()
