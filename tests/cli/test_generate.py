"""Code, summaries and dialogue through the verbs, by players that know the texts or slip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.calling import call
from londi.oracle.clairvoyant import read_limit
from writers import FILES

SMALL = (
    "steps: 64\nwarmup: 16\nnum_envs: 4\nbatch_size: 8\nwidth: 16\nreport_every: 16\n"
    "checkpoint_every: 32\nencoder: text\ncache: memory\n"
    "quick: writers:quick\ndeepthink: writers:deepthink\n"
)

SANDBOXED = pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bubblewrap")

KINDS = [
    pytest.param("code", "tests", "line", 0.0, marks=SANDBOXED),
    ("dialogue", "exact", "line", 0.0),
    ("dialogue", "exact", 2, 0.0),
    ("summaries", "rouge-l", "sentence", 0.6),  # the first of two sentences is right
]


@pytest.fixture
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A YAML file of a training that takes a second."""
    name, scorer, chunk, _ = request.param
    options = {"tasks": str(FILES[name]), "scorer": scorer, "chunk": chunk}
    file = tmp_path / "run.yaml"
    file.write_text(f"env: londi/Generate-v0\nenv_options: {json.dumps(options)}\n{SMALL}")
    return file


def given(kind: Any) -> Any:
    """A kind as the argument of the fixture, and what QUICK reaches with it."""
    values = kind.values if hasattr(kind, "values") else kind
    return pytest.param(values, values[3], marks=getattr(kind, "marks", ()))


@pytest.mark.parametrize(
    ("config", "reached"), [given(kind) for kind in KINDS], indirect=["config"]
)
def test_texts_are_trained_on_and_evaluated(config: Path, reached: float, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", "--config", str(config), "--out", str(run), "--quiet") == 0
    small = ["--episodes", "3", "--validation_episodes", "2"]
    price = ["--price", "quick=1/2,deepthink=10/20"]
    assert call("evaluate", str(run), *small, *price, "--quiet") == 0
    rows = {row["method"]: row for row in json.loads((run / "results.json").read_text())}
    assert rows["deepthink"]["return_mean"] == rows["deepthink"]["success_rate"] == 1.0
    assert rows["quick"]["return_mean"] == pytest.approx(reached, abs=0.2)
    assert rows["quick"]["return_mean"] < 1.0 and rows["quick"]["success_rate"] == 0.0
    assert rows["deepthink"]["money"] > rows["quick"]["money"] > 0.0
    steps = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    written = [step for step in steps if step["method"] == "deepthink"]
    assert all(step["deepthink"]["output_tokens"] >= 1 for step in written if step["action"])
    assert sum(step["reward"] for step in written) == 3.0


@pytest.mark.parametrize("config", [("dialogue", "exact", "line", 0.0)], indirect=True)
def test_the_limit_and_the_frontier_of_texts(config: Path, tmp_path: Path) -> None:
    limit, run, frontier = tmp_path / "limit", tmp_path / "run", tmp_path / "frontier"
    settings = [line for line in config.read_text().splitlines() if line.startswith(("env", "ca"))]
    (tmp_path / "limit.yaml").write_text("\n".join([*settings, *SMALL.splitlines()[-2:]]))
    own = ["--config", str(tmp_path / "limit.yaml"), "--episodes", "3", "--most_calls", "3"]
    assert call("limit", *own, "--out", str(limit), "--quiet") == 0
    budgets = [(mean.return_at_least, mean.return_at_most) for mean in read_limit(limit).budgets]
    # One call, at the second chunk, is all that a text takes.
    assert budgets == [(0.0, 0.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]
    universal = [
        "--cost",
        "0.1",
        "--universal",
        "true",
        "--cost_range",
        "[0.01, 0.5]",
        "--most_budget",
        "3",
    ]
    made = ["--config", str(config), *universal, "--out", str(run), "--quiet"]
    assert call("train", *made) == 0
    small = ["--episodes", "3", "--validation_episodes", "2"]
    few = [
        "--methods",
        "[random, first-k]",
        "--points",
        "2",
        "--budgets",
        "[1]",
        "--timelines",
        "1",
    ]
    assert call("frontier", str(run), *few, *small, "--out", str(frontier), "--quiet") == 0
    assert (frontier / "frontier.json").is_file()


def test_a_bad_option_ends_a_command_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"prompt": "a", "answer": "b"}\n{"prompt": \n')
    for options, said in (
        ("{tasks: FILE, scorer: exact}", "tasks.jsonl', line 2: expected JSON"),
        ("{tasks: FILE, scorer: exat}", "unknown scorer 'exat'; did you mean 'exact'?"),
        ("{tasks: gone.jsonl, scorer: exact}", "No such file or directory"),
        ("{tasks: FILE, scorer: exact, chunk: page}", "chunk: expected line, sentence or a num"),
        ("{tasks: FILE, scorer: exact, chunck: line}", "did you mean 'chunk'?"),
        ("{scorer: exact}", "tasks: expected a file of JSON lines"),
    ):
        env = ["--env", "londi/Generate-v0", "--env_options", options.replace("FILE", str(file))]
        models = ["--quick", "writers:quick", "--deepthink", "writers:deepthink"]
        assert call("train", *env, *models, "--out", str(tmp_path / "run")) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
        assert not (tmp_path / "run").exists()


def test_a_random_player_is_told_that_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = f"{{tasks: {FILES['dialogue']}, scorer: exact}}"
    env = ["--env", "londi/Generate-v0", "--env_options", options]
    assert call("train", *env, "--quick", "random", "--deepthink", "expert", "--out", "x") == 2
    assert "needs a list of possible actions: londi/Generate-v0 gives none" in (
        capsys.readouterr().err
    )
