"""`londi train`: what it leaves, and how it is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.calling import call
from londi.learning.statistics import read_progress
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.storage.checkpoint import load_state
from traced_corridor import record


def test_the_cache_may_lie_in_the_folder_of_the_run(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    cache = ["--cache", str(run / "answers.sqlite")]
    quick = ["--deepthink", "builtin:babyai-quick"]
    assert call("train", "--config", str(config), *quick, *cache, "--out", str(run)) == 0
    assert (run / "answers.sqlite").is_file()


def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "londi", "train"]
    long = ["--config", str(config), "--out", str(run), "--steps", "100000"]
    process = subprocess.Popen([*command, *long], stderr=subprocess.PIPE, text=True)
    while not (run / "checkpoint").is_dir():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"londi train --resume {run}" in err
    assert load_state(run / "checkpoint")["step"] > 0


def test_quiet_prints_results_only(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert call("train", "--config", str(config), "--out", str(run), "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("trained Switcher in")
    assert "96/96" not in printed.err
    assert call("train", "--resume", str(run), "--quiet") == 0


def test_a_training_leaves_its_curve_and_a_page(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", "--config", str(config), "--out", str(run)) == 0
    assert (run / "training.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png;base64," in (run / "report.html").read_text()


def test_a_pickle_is_refused(
    make_lm: Callable[..., Seq2SeqModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    make_lm().save(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert call("train", "--quick", str(folder), "--out", str(tmp_path / "run")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_switcher_from_traces_that_makes_one_choice_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    traces = record(tmp_path / "traces.db", sessions=60, by_step=True)
    dear = ["--cost", "60", "--cost_range", "[50, 90]", "--passes", "100"]
    dear += ["--algorithm", "universal"]
    out = tmp_path / "run"
    assert call("train", "--traces", str(traces), *dear, "--out", str(out), "--quiet") == 0
    assert "would call DEEPTHINK at 0% of the logged steps" in capfd.readouterr().err
    assert read_progress(out)[-1].call_probability < 0.03
