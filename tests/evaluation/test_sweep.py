"""`londi sweep`: a grid of real runs, its table, and its interruptions."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.config import SweepConfig, TrainConfig
from londi.config.settings import read_config
from londi.errors import InvalidConfig, LondiError, UnknownName
from londi.evaluation.sweep import Ended, _name, read_rows, sweep
from londi.learning.statistics import read_progress
from londi.learning.trainer import train
from londi.models.hf.seq2seq import Seq2SeqModel
from playthings import same
from scale.test_workers import NAMED_SWEEP
from scale.units import FAULT

ENV = "londi/BabyAIText-GoToObjS4-v0"


@pytest.fixture(scope="module")
def config(make_lm: Callable[..., Seq2SeqModel], request: pytest.FixtureRequest) -> SweepConfig:
    """Two costs, two seeds, and a budget."""
    return SweepConfig(
        base={
            "backend": request.config.getoption("--backend"),  # in other processes as well
            "env": ENV,
            "quick": make_lm().name,
            "deepthink": make_lm(weights=1).name,
            "steps": 64,
            "warmup": 16,
            "num_envs": 4,
            "batch_size": 8,
            "width": 8,
            "report_every": 16,
            "checkpoint_every": 16,
        },
        grid=[
            {"cost": [0.01, 0.5], "seed": [0, 1]},
            {"budget": [1], "budget_mode": ["mask", "penalty"]},
        ],
        evaluation={"episodes": 4, "num_envs": 4},
    )


@pytest.fixture(scope="module")
def whole(config: SweepConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that was not interrupted."""
    folder = tmp_path_factory.mktemp("sweep") / "whole"
    assert sweep(config, folder)
    return folder


def alike(first: Path, second: Path) -> bool:
    """Whether two sweeps hold the same Switchers."""
    runs = sorted(file.name for file in (first / "runs").iterdir())
    assert runs == sorted(file.name for file in (second / "runs").iterdir())
    return all(same(first / "runs" / run, second / "runs" / run) for run in runs)


def test_a_line_is_a_point_and_runs_that_differ_in_their_seed_are_one(whole: Path) -> None:
    rows = read_rows(whole)
    assert [row.name for row in rows] == [
        "quick",
        "deepthink",
        "londi cost=0.01",
        "londi cost=0.5",
        "londi budget=1 budget_mode=mask",
        "londi budget=1 budget_mode=penalty",
    ]
    results = {row.name: row.result for row in rows}
    assert results["londi cost=0.01"].seed == (0, 1)
    assert results["londi cost=0.01"].episodes == 4
    assert results["quick"].call_rate == 0.0 and results["deepthink"].call_rate == 1.0
    capped = results["londi budget=1 budget_mode=mask"]
    assert (capped.budget, capped.exceeded, capped.overspent) == (1, 0.0, 0.0)
    assert results["londi cost=0.5"].budget is None


def test_a_run_of_a_sweep_is_the_run_that_londi_train_makes(
    config: SweepConfig, whole: Path, tmp_path: Path
) -> None:
    alone = TrainConfig(**config.base | {"cost": 0.5, "seed": 1, "cache": "none"})
    train(alone, tmp_path / "run")
    assert same(whole / "runs" / "cost=0.5,seed=1", tmp_path / "run")


def test_runs_share_their_answers(whole: Path) -> None:
    found = {read_config(file, TrainConfig).cache for file in whole.glob("runs/*/config.yaml")}
    assert found == {str(whole / "answers.sqlite")}
    rates = {
        run: read_progress(whole / "runs" / run)[0].hit_rate
        for run in ("cost=0.01,seed=0", "cost=0.5,seed=0")
    }
    # The same seed makes the same choices until the costs tell: all of them are known by then.
    assert rates["cost=0.01,seed=0"] < 1.0 == rates["cost=0.5,seed=0"]


def test_it_is_evaluated_where_it_was_asked_to_be(config: SweepConfig, tmp_path: Path) -> None:
    other = "londi/BabyAIText-GoToObj-v0"
    grid = [{"deepthink": [config.base["deepthink"], config.base["quick"]]}]
    there = replace(config, grid=grid, evaluation={"env": other, "episodes": 2})
    assert sweep(there, tmp_path / "there")
    rows = read_rows(tmp_path / "there")
    assert {row.result.env for row in rows} == {other}
    # Each pair has its ends, and is told apart by the ends of its paths.
    assert [row.result.method for row in rows] == ["quick", "deepthink", "londi"] * 2
    assert len({row.name for row in rows}) == 6
    assert all("/".join(Path(row.settings["deepthink"]).parts[-2:]) in row.name for row in rows)


@pytest.mark.parametrize("after", [3, 20, 70])
def test_a_stopped_sweep_goes_on_and_ends_the_same(
    config: SweepConfig, whole: Path, tmp_path: Path, after: int
) -> None:
    asked = iter(range(1000))
    assert not sweep(config, tmp_path / "cut", should_stop=lambda: next(asked) >= after)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("played.json")}
    ended: list[Ended] = []
    assert sweep(config, tmp_path / "cut", resume=True, on_ended=ended.append)
    assert alike(whole, tmp_path / "cut")
    assert all(file.stat().st_mtime_ns == then for file, then in before.items())
    assert [part.done for part in ended] == list(range(8 - len(ended), 8))
    assert {part.total for part in ended} == {7}
    assert [(r.name, r.result.return_mean) for r in read_rows(tmp_path / "cut")] == [
        (r.name, r.result.return_mean) for r in read_rows(whole)
    ]


def test_what_has_ended_is_in_the_table_of_a_stopped_sweep(
    config: SweepConfig, tmp_path: Path
) -> None:
    asked = iter(range(1000))
    sweep(config, tmp_path / "cut", should_stop=lambda: next(asked) >= 35)
    assert [row.name for row in read_rows(tmp_path / "cut")][:3] == [
        "quick",
        "deepthink",
        "londi cost=0.01",
    ]
    assert read_rows(tmp_path / "cut")[2].result.seed == (0,)


def test_runs_side_by_side_are_the_same_runs(
    config: SweepConfig, whole: Path, tmp_path: Path
) -> None:
    assert sweep(replace(config, jobs=2), tmp_path / "two")
    assert alike(whole, tmp_path / "two")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": {"stepz": 5}}, "unknown key 'stepz'; did you mean 'steps'?"),
        ({"base": {"env": "londi/BabyAIText-GoToObjS-v0"}}, "did you mean"),
        ({"base": {"quick": "builtin:babyai-quik"}}, "did you mean 'builtin:babyai-quick'?"),
        ({"base": {"env_options": {"memry": 1}}}, "unknown option of londi/BabyAIText-GoToObjS4"),
        ({"base": {"steps": "many"}}, "steps: expected a whole number, got 'many'"),
        ({"grid": [{"costs": [1.0]}]}, "unknown key 'costs'; did you mean 'cost'?"),
        ({"grid": [{"cost": [0.1, -1.0]}]}, "cost: expected a number >= 0, got -1.0"),
        ({"grid": []}, "grid: expected settings with their values, got none"),
        ({"grid": [{"cost": []}]}, "grid: expected at least one value of 'cost', got none"),
        ({"grid": [{"encoder": ["quick", "quik"]}]}, "unknown encoder 'quik'"),
        ({"evaluation": {"episode": 5}}, "evaluation: unknown key 'episode'"),
        ({"evaluation": {"env": "londi/Foo"}}, "unknown environment 'londi/Foo'"),
        ({"evaluation": {"price": "quick=-1,deepthink=2"}}, "price: quick: input: expected"),
        ({"evaluation": {"price": "none.yaml"}}, "'none.yaml': No such file"),
        ({"jobs": 0}, "jobs: expected a whole number >= 1, got 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    config: SweepConfig, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    changes = {**changes, **({"base": config.base | changes["base"]} if "base" in changes else {})}
    with pytest.raises((InvalidConfig, UnknownName)) as wrong:
        sweep(replace(config, **changes), tmp_path / "run")
    assert message in str(wrong.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_goes_wrong_later_is_one_line_as_well(
    config: SweepConfig, jobs: int, tmp_path: Path
) -> None:
    broken = tmp_path / "answers.sqlite"
    broken.write_text("no database, and too long to be taken for an empty one")
    base = config.base | {"cache": str(broken)}
    with pytest.raises(LondiError, match="cannot use the answer cache"):
        sweep(replace(config, base=base, jobs=jobs), tmp_path / "run")


settings = st.dictionaries(
    st.sampled_from(["cost", "quick", "budget"]),
    st.one_of(st.integers(0, 9), st.text("ab/ .,=-", max_size=6)),
)


@given(settings, settings)
def test_no_two_settings_share_a_name(first: dict[str, Any], second: dict[str, Any]) -> None:
    if [(k, str(v)) for k, v in first.items()] != [(k, str(v)) for k, v in second.items()]:
        assert _name(first) != _name(second)
    assert "/" not in _name(first) and len(_name(first)) < 120


def test_the_command_is_interrupted_and_resumed(config: SweepConfig, tmp_path: Path) -> None:
    base = json.dumps(config.base | {"steps": 20_000})
    file, out = tmp_path / "sweep.yaml", tmp_path / "out"
    file.write_text(
        f"base: {base}\ngrid: [{{cost: [0.01], seed: [0]}}]\n"
        "evaluation: {episodes: 2, num_envs: 2}\njobs: 2\n"
    )
    command = [sys.executable, "-m", "londi", "sweep", "--config", str(file), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = out / "alone" / "base.json", out / "runs" / "cost=0.01,seed=0" / "checkpoint"
    while not all(file.exists() for file in begun):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130
    assert "models alone, base: quick return" in errors and "deepthink" in output
    assert errors.splitlines()[-1] == f"interrupted; go on with: londi sweep --resume {out}"
    assert read_config(out / "config.yaml", SweepConfig).jobs == 2
    shorter = (out / "config.yaml").read_text().replace("20000", "64")
    (out / "config.yaml").write_text(shorter)
    run = out / "runs" / "cost=0.01,seed=0"
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("20000", "64"))
    again = [sys.executable, "-m", "londi", "sweep", "--resume", str(out)]
    done = subprocess.run(again, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "londi cost=0.01" in done.stdout
    assert (out / "return-call-rate.png").is_file() and (out / "results.json").is_file()


def test_which_gpu_a_run_had_and_a_hang_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes on GPUs that only their names tell of; a model hangs once in mid-run."""
    assert sweep(NAMED_SWEEP, tmp_path / "cpu")
    fault = tmp_path / "fault"
    monkeypatch.setenv(FAULT, str(fault))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    ended: list[str] = []

    def hang(part: Ended) -> None:
        ended.append(part.name)
        if len(ended) == 1:
            fault.write_text("hang")

    base = NAMED_SWEEP.base | {"device": "cuda"}
    gpus = replace(NAMED_SWEEP, base=base, jobs=2, job_timeout=0.25)
    assert sweep(gpus, tmp_path / "gpus", on_ended=hang)
    assert len(ended) == len(set(ended)) == 3
    assert not fault.exists()
    for run in ("cost=0.1,seed=0", "cost=0.1,seed=1"):
        assert same(tmp_path / "cpu/runs" / run, tmp_path / "gpus/runs" / run)
        settings = (tmp_path / "gpus/runs" / run / "config.yaml").read_text()
        assert "device: cuda\n" in settings
    assert not list((tmp_path / "gpus").glob("hung-*"))
