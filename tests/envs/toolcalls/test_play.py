"""Tool calls through the commands, with scripted players, and with models behind an API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import llama
from cli.calling import call
from envs.toolcalls.test_env import NAME, begun
from envs.toolcalls.test_tasks import named
from londi.envs.episode import TextEpisode
from londi.envs.registry import make_env
from londi.envs.seeds import HELD_OUT
from londi.envs.toolcalls.expert import DONE
from londi.envs.toolcalls.tasks import tasks
from londi.evaluation.play import play
from londi.models.endpoint import EndpointModel
from londi.models.pair import ModelPair
from londi.oracle.clairvoyant import read_limit
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher
from solvers import Careful, Slipping
from upstream import Upstream

TINY = ["--steps", "64", "--warmup", "32", "--batch_size", "8", "--width", "16"]
OWN = ["--env", NAME, "--env_options", "{expert: true}", "--cache", "none"]
PLAYERS = ["--quick", "solvers:Slipping", "--deepthink", "solvers:Careful"]


def errors(seed: int) -> int:
    """Calls of the solution that QUICK gets wrong; how it ends a turn makes no difference."""
    (episode,) = (TextEpisode(make_env(NAME, expert=True)),)
    episode.start(seed)
    found, slipping = 0, Slipping()
    while True:
        prompt = episode.prompt()
        assert prompt.expert is not None
        found += prompt.expert != DONE and slipping.errs(prompt)
        if episode.step(prompt.expert).ended:
            return found


def test_a_training_and_an_evaluation_by_name(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    pair = ["--quick", "expert:0.3", "--deepthink", "expert", "--encoder", "text"]
    assert call("train", "--env", NAME, *pair, *TINY, "--out", run) == 0
    assert call("evaluate", run, "--episodes", "40", "--validation_episodes", "4") == 0
    rows = json.loads((tmp_path / "run" / "results.json").read_text())
    by_method = {row["method"]: row for row in rows}
    assert by_method["deepthink"]["return_mean"] == pytest.approx(1)
    assert by_method["deepthink"]["success_rate"] == 1.0
    solved = sum(errors(seed) == 0 for seed in range(HELD_OUT, HELD_OUT + 40))
    assert by_method["quick"]["success_rate"] == pytest.approx(solved / 40)
    assert 0 < solved < 40


def test_the_limit_calls_where_quick_errs(tmp_path: Path) -> None:
    out = str(tmp_path / "limit")
    assert call("limit", *OWN, *PLAYERS, "--episodes", "12", "--out", out) == 0
    for found in read_limit(Path(out)).episodes:
        needed = errors(found.episode)
        assert found.complete and found.at_least == found.at_most
        assert found.at_least[needed] == pytest.approx(1)
        assert found.calls[needed] == needed
        assert all(best < 0.999 for best in found.at_least[:needed])


def test_a_frontier_of_a_universal_switcher(tmp_path: Path) -> None:
    run, out = str(tmp_path / "any"), str(tmp_path / "frontier")
    universal = ["--universal", "--encoder", "text", *TINY]
    assert call("train", *OWN, *PLAYERS, *universal, "--out", run) == 0
    small = ["--episodes", "8", "--validation_episodes", "4", "--points", "3", "--timelines", "0"]
    few = ["--methods", "[random]", "--budgets", "[1]", "--log_steps", "1000"]
    assert call("frontier", run, *small, *few, "--out", out) == 0
    found = json.loads((tmp_path / "frontier" / "frontier.json").read_text())
    assert "random" in json.dumps(found)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def test_a_model_behind_an_api_plays(upstream: Upstream) -> None:
    task = named("multi_turn_base_0")
    upstream.says = [
        "mkdir(dir_name='temp'",  # broken off
        *(text for turn in task.solution for text in (*turn, "It is\ndone.")),
    ]
    model = EndpointModel(f"openai:teller@{upstream.url}")
    env, *_ = begun(task.name)
    names = [other.name for other in tasks(("base",), "train")]
    episode = TextEpisode(env)
    episode.start(names.index(task.name))
    total, ended = 0.0, False
    while not ended:
        outcome = episode.step(model.act([episode.prompt()])[0].action)
        total, ended = total + outcome.reward, outcome.ended
    model.close()
    assert outcome.success and total == pytest.approx(1)
    asked = [body["messages"][-1]["content"] for _, _, body in upstream.asked]
    assert asked[0].endswith("Make sure to create the directory\nAgent:")
    assert asked[1].endswith("Agent:") and "\nResult: Error: expected one call such as" in asked[1]
    assert "Agent: It is\nUser: Perform a detailed search" in asked[-1]


@pytest.mark.skipif(llama.weights() is None, reason="no llama.cpp server with its small model")
def test_a_real_model_plays() -> None:
    with llama.served() as url:
        model = EndpointModel(f"openai:smollm2@{url}", parallel=2, max_new_tokens=24)
        make = partial(make_env, NAME, limit=3)
        played = list(
            play(
                ModelPair(model, Careful(), make),
                ConstantSwitcher(0.0),
                range(HELD_OUT, HELD_OUT + 2),
                cost=0.0,
                budget=Budget(),
                num_envs=2,
                seed=0,
            )
        )
        model.close()
    steps = [record.step for episode in played for record in episode]
    assert len(played) == 2 and 2 <= len(steps) <= 6
    assert all(step.quick.tokens > 200 and step.action for step in steps)
