"""Logs of others: their formats, what is said of them, and direct estimates with known numbers.

The files are written here, in the form of BALROG's and tau-bench's.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import public_logs  # noqa: E402
from public import balrog, taubench  # noqa: E402
from public.direct import alone, compare  # noqa: E402
from public.fitted import fit_switching  # noqa: E402
from public.records import LoggedEpisode  # noqa: E402

NEW = ("Step", "Action", "Reasoning", "Observation", "Reward", "Done")
OLD = ("Step", "Observation", "Action", "Reasoning", "Reward", "Done")
GOTO, OPEN = (f"BabyAI-MixedTrainLocal-v0/{name}" for name in ("goto", "open"))


def balrog_episode(
    folder: Path,
    task: str,
    run: int,
    rewards: Sequence[float],
    *,
    env: str = "babyai",
    model: str = "small",
    seed: int | None = None,
    columns: Sequence[str] = NEW,
    **told: Any,
) -> Path:
    """Write an episode as BALROG does; the file of its steps."""
    stem = folder / env / task / f"{task}_run_{run:02d}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    with open(stem.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, escapechar="˘", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(columns)
        for k, reward in enumerate(rewards):
            cells = {
                "Step": k,
                "Action": "go forward",
                "Reasoning": "",
                "Observation": f'a "door"\n{k + 1} steps, ˘ away',
                "Reward": reward,
                "Done": k == len(rewards) - 1,
            }
            writer.writerow([cells[name] for name in columns])
    log = {
        "task": task,
        "input_tokens": 100,
        "output_tokens": 20,
        "done": True,
        "episode_return": sum(rewards),
        "num_steps": len(rewards),
        "mission": "open the door",
        "seed": 1000 * run + ord(model[0]) if seed is None else seed,
        "agent": {"type": "naive"},
        "client": {"model_id": f"org/{model}"},
    }
    stem.with_suffix(".json").write_text(json.dumps(log | told))
    return stem.with_suffix(".csv")


def submissions(folder: Path, **more: Any) -> Path:
    """Two models on two tasks: 0.5 and 0.75, 0.875 at best if levels are unrelated."""
    returns = {"small": {GOTO: (0, 1), OPEN: (0, 1)}, "large": {GOTO: (1, 1), OPEN: (0, 1)}}
    for model, tasks in returns.items():
        for task, totals in tasks.items():
            for run, total in enumerate(totals):
                balrog_episode(folder / model, task, run, (0, total), model=model, **more)
    return folder


def test_balrog_is_read(tmp_path: Path) -> None:
    balrog_episode(tmp_path / "LLM" / "one", GOTO, 3, (0, 0.5, 1.0), seed=7)
    assert balrog.detect(tmp_path)
    (one,) = balrog.read(tmp_path).episodes
    assert (one.model, one.env, one.task, one.run) == ("small (naive)", "babyai", GOTO, "03")
    assert (one.seed, one.tokens, one.total) == (7, 120, 1.5)


@pytest.mark.parametrize("columns", [NEW, OLD])
def test_a_row_has_what_was_seen_after_its_action(tmp_path: Path, columns: Sequence[str]) -> None:
    balrog_episode(tmp_path, GOTO, 0, (0, 0, 1), columns=columns)
    (one,) = balrog.read(tmp_path).episodes
    assert one.goal == "open the door"
    assert one.seen == ("", 'a "door"\n1 steps, ˘ away', 'a "door"\n2 steps, ˘ away')


def test_textworld_writes_scores_where_rewards_are_meant(tmp_path: Path) -> None:
    scores = (0, 1, 1, 3, 3)
    more: dict[str, Any] = {"env": "textworld", "progression": 0.75}
    file = balrog_episode(tmp_path / "a", "the_cooking_game", 0, scores, **more)
    (one,) = balrog.read(tmp_path).episodes
    assert one.rewards.tolist() == [0, 0.25, 0, 0.5, 0]
    file.unlink()
    (one,) = balrog.read(tmp_path).episodes
    assert one.rewards.tolist() == [0, 0, 0, 0, 0.75]


def test_other_families_are_left_out_and_counted(tmp_path: Path) -> None:
    balrog_episode(tmp_path, "coin_collector", 0, (0, 1), env="textworld", progression=1.0)
    balrog_episode(tmp_path, "default", 0, (0, 1), env="crafter")
    found = balrog.read(tmp_path)
    assert [one.env for one in found.episodes] == ["textworld"]
    assert found.left_out == {"of crafter": 1}


def test_a_submission_without_steps_has_returns_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (submissions(tmp_path) / "small").rglob("*.csv"):
        file.unlink()
    found = balrog.read(tmp_path)
    assert [bool(one.seen) for one in found.episodes] == [True] * 4 + [False] * 4
    assert [one.total for one in found.episodes[4:]] == [0, 1, 0, 1]
    names = ("--cheap", "small (naive)", "--strong", "large (naive)")
    assert public_logs.main([str(tmp_path), *names]) == 0
    said = capsys.readouterr().out
    assert "4 episodes of submissions without CSV files" in said and "MARKOV" not in said


def test_two_submissions_of_a_model_are_told_apart(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        balrog_episode(tmp_path / folder, GOTO, 0, (0, 1))
    models = [one.model for one in balrog.read(tmp_path).episodes]
    assert models == ["small (naive) in first", "small (naive) in second"]


def test_the_direct_estimates_of_a_pair(tmp_path: Path) -> None:
    logs = public_logs.opened(submissions(tmp_path))
    (pair,) = public_logs.chosen(logs, "", "")
    found = compare(*pair, logs.over_tasks)
    assert found is not None
    assert (found.cheap, found.strong) == ("small (naive)", "large (naive)")
    assert (found.tasks, found.episodes, found.levels) == (2, (4, 4), 0)
    assert [one.estimate for one in found.returns] == [0.5, 0.75]
    assert found.gap.estimate == 0.25
    # Of any two episodes: all of "go to", and 3 of 4 of "open". At most: a failure meets a success.
    assert (found.best.estimate, found.most.estimate) == (0.875, 1.0)
    assert found.returns[0].interval == (0.0, 1.0) and found.returns[1].interval == (0.5, 1.0)
    assert alone(pair[0], False) == found.returns[0]


def test_episodes_of_the_same_level_are_compared_with_one_another(tmp_path: Path) -> None:
    for run, (small, large) in enumerate([(0, 0), (1, 0), (1, 1)]):
        balrog_episode(tmp_path / "s", GOTO, run, (small,), seed=run)
        balrog_episode(tmp_path / "l", GOTO, 2 - run, (large,), seed=run, model="large")
    logs = public_logs.opened(tmp_path)
    (pair,) = public_logs.chosen(logs, "small (naive)", "large (naive)")
    found = compare(*pair, logs.over_tasks)
    assert found is not None and found.levels == 3
    assert found.best.estimate == pytest.approx(2 / 3)  # unrelated levels would have 7/9
    assert found.most.estimate == 1.0


def played(model: str, totals: Sequence[float], task: str = "t") -> list[LoggedEpisode]:
    return [
        LoggedEpisode(model, "env", task, str(k), None, np.array([total]))
        for k, total in enumerate(totals)
    ]


def test_intervals_are_of_the_size_that_theory_says() -> None:
    # 400 coins: a standard error of 0.5 / 20; of a difference the square root of two as much.
    coins = played("a", [0.0, 1.0] * 200)
    found = compare(coins, played("b", [0.0, 1.0] * 200), False)
    assert found is not None and found.returns[0].interval and found.gap.interval
    low, high = found.returns[0].interval
    assert high - low == pytest.approx(2 * 1.96 * 0.025, rel=0.1)
    low, high = found.gap.interval
    assert high - low == pytest.approx(2 * 1.96 * 0.025 * 2**0.5, rel=0.1)
    assert found.best.estimate == pytest.approx(0.75)


def test_intervals_over_tasks_know_that_trials_of_a_task_are_alike() -> None:
    alike = [one for k in range(20) for one in played("a", [k % 2] * 4, str(k))]
    (low, high), inside = (alone(alike, over).interval or (0, 0) for over in (True, False))
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 20**0.5, rel=0.15)
    assert inside == (0.5, 0.5)


def test_one_episode_has_no_interval_and_other_tasks_no_comparison() -> None:
    found = compare(played("a", [1]), played("b", [0, 1]), False)
    assert found is not None and found.gap.interval is None
    assert compare(played("a", [1], "x"), played("b", [0], "y"), False) is None


def test_fitted_q_joins_what_neither_model_played() -> None:
    """The small one finds the good door half of the time, and opens it; the large one finds it."""

    def walk(model: str, door: str, reward: float) -> LoggedEpisode:
        rewards, seen = np.array([0, reward]), ("", f"a {door} door")
        return LoggedEpisode(model, "env", "t", "", None, rewards, seen=seen)

    small = [walk("s", *end) for end in (("good", 1.0), ("bad", 0.0)) for _ in range(60)]
    large = [walk("l", "good", 0.0) for _ in range(120)]
    fit = fit_switching(small, large)
    assert fit.cheap == pytest.approx(0.5, abs=0.1)
    assert fit.strong == pytest.approx(0.0, abs=0.1)
    assert fit.coin == pytest.approx(0.75 * 0.5, abs=0.1)
    assert fit.better == pytest.approx(1.0, abs=0.1)
    assert fit.calls == pytest.approx(0.5, abs=0.15)  # at the first step, and not at a good door


def tau_run(task: int, reward: float, trial: int = 0, steps: int = 2, **more: Any) -> Any:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}] * steps
    return {"task_id": task, "trial": trial, "reward": reward, "traj": turns} | more


def with_task(run: Any) -> Any:
    return run | {"info": {"task": {"instruction": f"You want {run['task_id']}."}}}


def test_tau_bench_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gpt-airline.json"
    runs = [tau_run(0, 1.0), tau_run(0, 0.0, 1, 3), tau_run(1, 1.0), tau_run(2, 0.0, 0, 0)]
    file.write_text(json.dumps(runs))
    assert taubench.detect(file) and not balrog.detect(file)
    found = taubench.read(file)
    assert [len(one.rewards) for one in found.episodes] == [2, 3, 2]
    assert [one.total for one in found.episodes] == [1.0, 0.0, 1.0]
    assert public_logs.main([str(file)]) == 0
    said = capsys.readouterr().out
    assert f"{file}: tau-bench, 3 episodes, 7 steps, 1 model\n" in said
    assert "left out: 1 episodes of runs that broke off" in said
    assert "| gpt-airline | gpt-airline | 2 | 3 | 7 | unknown | 0.750 (" in said
    assert "- anything about switching: one model gives all answers of a file" in said
    assert "there is nothing to compare" in said


def test_files_of_tau_bench_with_the_same_customers_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rewards in (("a", (0.0, 1.0)), ("b", (1.0, 1.0))):
        runs = [with_task(tau_run(k, reward)) for k, reward in enumerate(rewards)]
        (tmp_path / f"{name}.json").write_text(json.dumps(runs))
    lines = "\n".join(json.dumps(tau_run(k, 0.0)) for k in range(2))
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert public_logs.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "6 episodes, 12 steps, 3 models" in said
    rows = [row for row in said.splitlines() if row.startswith("| tau-bench | a | b")]
    (cells,) = ([cell.split()[0] for cell in row.split("|")[1:-1]] for row in rows)
    assert cells[3:] == ["2", "2", "0", "0.500", "1.000", "0.500", "1.000", "1.000"]


def test_what_is_said_of_balrog(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("--cheap", "small (naive)", "--strong", "large (naive)")
    assert public_logs.main([str(submissions(tmp_path)), *names]) == 0
    said = capsys.readouterr().out
    assert f"{tmp_path}: BALROG, 8 episodes, 16 steps, 2 models\n" in said
    assert "| babyai | small (naive) | 2 | 4 | 8 | 120 | 0.500 (0.000 .. 1.000) |" in said
    assert "- importance weights by step: one model plays a whole episode" in said
    assert "| 0.500 (0.000 .. 1.000) | 0.750 (0.500 .. 1.000) | 0.250 (" in said
    assert "RESTS ON THE MARKOV ASSUMPTION" in said
    assert public_logs.main([str(tmp_path)]) == 0
    assert "name a pair with --cheap and --strong" in capsys.readouterr().out


def damaged(folder: Path, how: str) -> list[str]:
    file = balrog_episode(submissions(folder) / "small", GOTO, 9, (0, 0, 1))
    lines = file.read_text().splitlines(keepends=True)
    if how == "cut":
        file.write_text("".join(lines[:-2]))
    elif how == "cut in a cell":
        file.write_text("".join(lines[:-1]))
    elif how == "rewards":
        file.write_text(file.read_text().replace(",1,True", ",0,True"))
    elif how == "number":
        file.write_text(file.read_text().replace(",1,True", ",one,True"))
    elif how == "columns":
        file.write_text(file.read_text().replace("Observation", "Seen", 1))
    elif how == "bytes":
        file.write_bytes(file.read_bytes().replace(b"door", b"\xff\xfe", 1))
    elif how == "no csv":
        file.unlink()
    elif how == "no json":
        file.with_suffix(".json").unlink()
    elif how == "json":
        file.with_suffix(".json").write_text("{")
    elif how == "keys":
        file.with_suffix(".json").write_text("{}")
    elif how == "one name":
        return [str(folder), "--cheap", "small (naive)"]
    elif how == "name":
        return [str(folder), "--cheap", "smal (naive)", "--strong", "large (naive)"]
    elif how == "nowhere":
        return [str(folder / "nowhere")]
    elif how == "unknown":
        (folder / "notes").mkdir()
        (folder / "notes" / "a.json").write_text('{"messages": []}')
        return [str(folder / "notes")]
    elif how in ("tau", "tau cut"):
        text = json.dumps([tau_run(0, 1.0), {"reward": 1.0}])
        (folder / "t.json").write_text(text if how == "tau" else text[:-9])
        return [str(folder / "t.json")]
    return [str(folder)]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut", "goto_run_09.csv' is truncated: expected 3 steps, got 2"),
        ("cut in a cell", "goto_run_09.csv' is damaged at step 2: unexpected end of data"),
        ("rewards", "its rewards sum to 0, and the episode's return is 1"),
        ("number", "is damaged at step 2: could not convert string to float"),
        ("columns", "expected the columns Action, Done, Observation, Reward, Step, got Step,"),
        ("bytes", "goto_run_09.csv' is damaged at step"),
        ("no csv", "there is no file"),
        ("no json", "there is no file"),
        ("json", "goto_run_09.json' is no JSON"),
        ("keys", "expected the key 'task' of an episode"),
        ("one name", "--cheap: expected --strong as well, or neither"),
        ("name", "unknown model 'smal (naive)'; did you mean 'small (naive)'?"),
        ("nowhere", "there is no file or folder"),
        ("unknown", "unknown format; expected BALROG or tau-bench"),
        ("tau", "expected the key 'traj'"),
        ("tau cut", "t.json"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, message: str
) -> None:
    assert public_logs.main(damaged(tmp_path, how)) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and not said.out


def test_the_script_runs_by_itself(tmp_path: Path) -> None:
    script = [sys.executable, str(BENCHMARKS / "public_logs.py"), str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"'{tmp_path}': unknown format; expected BALROG or tau-bench\n"
