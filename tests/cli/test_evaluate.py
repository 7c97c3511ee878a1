"""`londi evaluate`: whose figures lie where, and which runs can be summed up together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from cli.calling import call
from londi.evaluation.evaluate import METHODS
from londi.evaluation.operating_point import TunedPoint, save_operating_point

SMALL = ["--episodes", "4", "--validation_episodes", "2"]


def test_train_and_evaluate(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(tmp_path / f"s{seed}") for seed in range(2)]
    for seed, run in enumerate(runs):
        # What the command line says goes before what the file says.
        assert call("train", "--config", str(config), "--seed", str(seed), "--out", run) == 0
    together = tmp_path / "both"
    small = ["--episodes", "6", "--validation_episodes", "3"]
    assert call("evaluate", *runs, "--out", str(together), *small) == 0
    table = capsys.readouterr().out
    assert all(method in table for method in METHODS)

    rows = json.loads((together / "results.json").read_text())
    assert [row["method"] for row in rows] == list(METHODS)
    assert all(row["seed"] == [0, 1] and row["episodes"] == 6 for row in rows)
    assert (together / "return-call-rate.png").stat().st_size > 1000
    assert not any((Path(run) / "results.json").exists() for run in runs)
    for run in (together / "seed-0", together / "seed-1"):
        assert [row["method"] for row in json.loads((run / "results.json").read_text())]
        steps = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
        assert {step["method"] for step in steps} == set(METHODS)
        by_method = {m: {s["episode"] for s in steps if s["method"] == m} for m in METHODS}
        assert len(set(map(frozenset, by_method.values()))) == 1  # the same for every method
    assert not list(tmp_path.rglob("*.part"))

    before = (together / "results.json").read_bytes()
    assert call("evaluate", *runs, "--out", str(together), *small) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (together / "results.json").read_bytes() == before


def test_runs_of_different_kinds_are_not_pooled(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(tmp_path / name) for name in ("cheap", "dear")]
    for cost, run in zip(("0.1", "0.3"), runs, strict=True):
        assert call("train", "--config", str(config), "--cost", cost, "--out", run) == 0
    assert call("evaluate", *runs, "--out", str(tmp_path / "both")) == 2
    error = capsys.readouterr().err
    assert "differ in their seed only, got cost = 0.1 in" in error and "and 0.3 in" in error
    assert call("evaluate", runs[0], runs[0], "--out", str(tmp_path / "both")) == 2
    assert "expected one run for each seed, got seeds [0, 0]" in capsys.readouterr().err
    (tmp_path / "file").write_text("mine")
    assert call("evaluate", runs[0], "--out", str(tmp_path / "file")) == 2
    assert "cannot write to" in capsys.readouterr().err
    assert not (Path(runs[0]) / "results.json").exists()


def test_one_run_is_evaluated_into_another_folder(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "figures"
    assert call("train", "--config", str(config), "--out", str(run)) == 0
    before = sorted(path.name for path in run.iterdir())
    assert call("evaluate", str(run), *SMALL) == 0
    own = (run / "results.json").read_bytes()
    # Another evaluation beside it, whatever lies in the folder of the run.
    assert call("evaluate", str(run), "--out", str(out), "--seed", "1", *SMALL) == 0
    left = {"results.json", "episodes.jsonl", "return-call-rate.png", "report.html"}
    assert {path.name for path in out.iterdir()} == left
    assert {path.name for path in run.iterdir()} == left | set(before)
    assert (run / "results.json").read_bytes() == own
    capsys.readouterr()
    assert call("evaluate", str(run), "--out", str(out), *SMALL) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_the_account_follows_the_table(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, prices = tmp_path / "run", tmp_path / "prices.yaml"
    names = ["--quick", "builtin:babyai-quick", "--deepthink", "builtin:babyai-deepthink"]
    assert call("train", "--config", str(config), *names, "--out", str(run)) == 0
    capsys.readouterr()
    assert call("evaluate", str(run), *SMALL) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "money, bill, method calls GFLOPs in the models end to end USD USD" in out
    assert "1,000 episodes: always DEEPTHINK takes $" in out
    assert "money at example prices; give your own with --price" in out
    rows = {row["method"]: row for row in json.loads((run / "results.json").read_text())}
    for row in rows.values():
        assert 0 < row["lm_cpu_seconds"] < row["seconds"]
        assert row["currency"] == "USD" and row["bill"] >= row["money"] > 0
        saved = 1 - row["money"] / rows["deepthink"]["money"]
        assert row["money_saved"] == pytest.approx(saved)

    listed = "builtin:babyai-quick: {input: 1, output: 2}"
    prices.write_text(f"{{currency: EUR, models: {{{listed}}}}}")
    other = ["--out", str(tmp_path / "other"), "--price", str(prices), *SMALL]
    assert call("evaluate", str(run), *other) == 2
    assert "expected a price for 'builtin:babyai-deepthink'" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    listed += ", builtin:babyai-deepthink: {input: 10, output: 20}"
    prices.write_text(f"{{currency: EUR, models: {{{listed}}}}}")
    assert call("evaluate", str(run), *other) == 0
    out = capsys.readouterr().out
    assert " EUR and " in out and "example prices" not in out


def test_tuning_by_price_tells_both_ends(
    tuned: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--price", "quick=1/2,deepthink=10/20", "--keep-return", "0.01", "--quiet"]
    assert call("tune", str(tuned[0]), *given, "--episodes", "3", "--points", "2") == 0
    out = capsys.readouterr().out
    first = [line.split()[0] for line in out.splitlines() if line.strip() and "will" not in line]
    for method in ("quick", "deepthink", "londi"):
        assert first.count(method) == 2  # figures and account
    point = json.loads((tuned[0] / "checkpoint" / "operating.json").read_text())
    assert point["money"] == point["londi"]["money"]
    # The expert reads nothing, so what it takes is not known.
    assert point["quick"]["money"] > 0 and point["deepthink"]["money"] is None
    # Answers are priced as well as prompts.
    dear = ["--price", "quick=1/2000,deepthink=10/20000", *given[2:]]
    assert call("tune", str(tuned[0]), *dear, "--episodes", "3", "--points", "2") == 0
    again = json.loads((tuned[0] / "checkpoint" / "operating.json").read_text())
    assert again["quick"]["money"] > 2 * point["quick"]["money"]


@pytest.fixture
def tuned(config: Path, tmp_path: Path) -> list[Path]:
    """Two universal runs, each tuned to a cost of its own."""
    runs = [tmp_path / f"u{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        given = ["--config", str(config), "--seed", str(seed), "--out", str(run)]
        assert call("train", "--universal", *given) == 0
        operate(run, 0.01 + 0.01 * seed, "none")
    return runs


def operate(run: Path, cost: float, budget: int | Literal["none"]) -> None:
    """Leave an operating point as `londi tune` does."""
    point = TunedPoint(cost, (cost, cost), budget, "by hand", 1, 0.5, 0.5, 2.0, None)
    save_operating_point(run, point)


def costs(file: Path) -> set[float]:
    return {row["cost"] for row in json.loads(file.read_text())}


def test_tuned_runs_of_several_seeds_play_each_at_its_own_point(
    tuned: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    capsys.readouterr()
    assert call("evaluate", *map(str, tuned), "--out", str(out), *SMALL) == 0
    title = " ".join(capsys.readouterr().out.split())
    assert "each run at its tuned point: c = 0.01, 0.02, training seeds 0, 1" in title
    assert costs(out / "seed-0" / "results.json") == {0.01}
    assert costs(out / "seed-1" / "results.json") == {0.02}
    assert costs(out / "results.json") == {0.015}


def test_tuned_runs_play_where_they_are_told_to(
    tuned: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    capsys.readouterr()
    told = ["--cost", "0.03", "--budget", "3"]
    assert call("evaluate", *map(str, tuned), "--out", str(out), *told, *SMALL) == 0
    assert "c = 0.03," in " ".join(capsys.readouterr().out.split())
    for file in out.rglob("results.json"):
        assert costs(file) == {0.03}


def test_tuned_runs_of_several_budgets_are_not_summed_up(
    tuned: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operate(tuned[1], 0.01, 4)
    out = tmp_path / "both"
    assert call("evaluate", *map(str, tuned), "--out", str(out), *SMALL) == 2
    assert "expected one budget, got tuned ones of none, 4" in capsys.readouterr().err
    assert not out.exists()
