"""A Switcher learned from traces: it calls where QUICK fails, and says what a log cannot tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from londi.config import TrainConfig
from londi.encoders.text import TextEncoder
from londi.errors import InvalidConfig, LondiError, OutputExists
from londi.evaluation.export import export
from londi.serve.core.policy import load_policy
from londi.serve.logged import read_log
from londi.serve.training import TrainedOn, held_out, read_trained_on, train_on_traces
from londi.storage.checkpoint import load_state
from londi.storage.runs import read_run
from londi.switching.observation import COST
from londi.switching.switcher import CHECKPOINT, Switcher
from traced_corridor import record

SHORT = {"report_every": 100, "checkpoint_every": 100}
PRICED = {"cost": 0.4, "cost_range": (0.2, 0.8), **SHORT}


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("traces") / "traces.db", sessions=600, by_step=True)


@pytest.fixture(scope="module")
def run(traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "traced"
    assert train_on_traces(TrainConfig(traces=str(traces), **PRICED), folder)  # type: ignore[arg-type]
    return folder


def test_it_calls_where_quick_fails(traces: Path, run: Path, tmp_path: Path) -> None:
    log = read_log(record(tmp_path / "new.db", sessions=50, seed=7), TextEncoder())
    seen = log.steps.observation.copy()
    seen[:, TextEncoder.size + COST] = 0.4
    call = Switcher.load(run).call_probability(seen, np.ones((len(seen), 2), bool))
    prompts = _rooms(tmp_path / "new.db")
    hard = np.array(["hard" in text for text in prompts])
    assert call[hard].mean() > 0.8 > 0.3 > call[~hard].mean()


def test_what_it_was_trained_on_is_written_down(traces: Path, run: Path) -> None:
    found, config = read_trained_on(run), read_run(run, TrainConfig)
    assert found is not None
    assert len(found.sessions) + found.held_out == 600
    assert 80 < found.held_out < 160
    assert not any(held_out(name, 0.2) for name in found.sessions)
    assert (config.quick, config.deepthink) == ("small", "large")
    assert config.universal and config.encoder == "text"


def test_it_serves_once_it_is_exported(run: Path, tmp_path: Path) -> None:
    made = export(run, tmp_path / "switcher.onnx")
    assert (made.quick.name, made.deepthink.name) == ("small", "large")
    assert load_policy(str(tmp_path / "switcher.onnx")).switcher.supported is not None


@pytest.mark.parametrize(("algorithm", "steps"), [("r-learner", 4), ("universal", 20)])
def test_an_interrupted_training_goes_on_to_the_bit(
    algorithm: str, steps: int, traces: Path, tmp_path: Path
) -> None:
    config = TrainConfig(traces=str(traces), algorithm=algorithm, passes=4, **PRICED)  # type: ignore[arg-type]
    assert train_on_traces(config, tmp_path / "whole")
    asked = iter([False] * steps + [True])
    assert not train_on_traces(config, tmp_path / "cut", should_stop=lambda: next(asked))
    config = read_run(tmp_path / "cut", TrainConfig)
    assert train_on_traces(config, tmp_path / "cut", resume=True)
    whole, cut = (load_state(tmp_path / name / CHECKPOINT)["switcher"] for name in ("whole", "cut"))
    assert whole["algorithm"] == algorithm
    assert all((one == cut["value_head"][name]).all() for name, one in whole["value_head"].items())


def test_a_training_goes_on_with_the_same_traces_only(tmp_path: Path) -> None:
    file = record(tmp_path / "traces.db", sessions=40)
    config = TrainConfig(traces=str(file), passes=1)
    asked = iter([False] * 3 + [True])
    assert not train_on_traces(config, tmp_path / "cut", should_stop=lambda: next(asked))
    record(file, sessions=5, seed=1)
    with pytest.raises(LondiError, match="other traces"):
        train_on_traces(config, tmp_path / "cut", resume=True)


@pytest.mark.parametrize(
    ("rule", "other"), [("always-quick", "DEEPTHINK"), ("always-deepthink", "QUICK")]
)
def test_a_log_of_one_model_is_refused(rule: str, other: str, tmp_path: Path) -> None:
    file = record(tmp_path / "traces.db", sessions=20, switcher=rule)
    with pytest.raises(InvalidConfig, match=f"none tells what {other} leads to"):
        train_on_traces(TrainConfig(traces=str(file)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_log_cannot_tell_is_said(tmp_path: Path) -> None:
    said: list[TrainedOn] = []
    file = record(tmp_path / "traces.db", sessions=40)
    config = TrainConfig(traces=str(file), passes=1)
    train_on_traces(config, tmp_path / "run", on_log=said.append)
    assert [sentence for sentence in said[0].cannot_tell if "few to learn from" in sentence]


def test_a_run_is_not_replaced_unasked(traces: Path, run: Path) -> None:
    with pytest.raises(OutputExists):
        train_on_traces(TrainConfig(traces=str(traces)), run)


def test_an_encoder_that_reads_a_model_is_refused(traces: Path, tmp_path: Path) -> None:
    config = replace(TrainConfig(traces=str(traces)), encoder="quick")
    with pytest.raises(InvalidConfig, match="reads texts alone"):
        train_on_traces(config, tmp_path / "run")


def _rooms(file: Path) -> list[str]:
    from londi.storage.traces import read_traces

    return [row["messages"] for row in read_traces(file, "steps")]
