"""Folders that release 0.1 left are read as they were meant; `tests/data/release-0.1` holds two.

They are trainings on the corridor of `playthings`: one for one cost and a budget of two calls, one
universal. `played.json` is what release 0.1 played with each.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from londi import Budget, Switcher, TrainConfig, train
from londi.errors import LondiError
from londi.evaluation.evaluate import read_played, read_results
from londi.evaluation.play import play
from londi.learning.statistics import read_progress
from londi.storage.checkpoint import save_state
from londi.storage.runs import read_run
from playthings import TOY, toy

DATA = Path(__file__).parent / "data" / "release-0.1"


@pytest.mark.parametrize("name", ["fixed", "universal"])
def test_a_switcher_plays_as_it_did(name: str) -> None:
    folder = DATA / name
    recorded = json.loads((folder / "played.json").read_text())
    pair = toy()
    who = Switcher.load(folder, pair.quick, pair.deepthink)
    budget = Budget(recorded["budget"])
    episodes = range(len(recorded["episodes"]))
    played = play(pair, who, episodes, cost=recorded["cost"], budget=budget, num_envs=8, seed=0)
    rows = [[[r.step.episode, r.step.choice, r.step.reward] for r in episode] for episode in played]
    assert rows == [[[e, g, r] for e, g, _, r in episode] for episode in recorded["episodes"]]
    for episode, old in zip(played, recorded["episodes"], strict=True):
        chances = [p for _, _, p, _ in old]
        assert [record.propensity for record in episode] == pytest.approx(chances, abs=2e-6)


def test_its_configuration_and_reports_are_read() -> None:
    config = read_run(DATA / "universal", TrainConfig)
    assert (config.universal, config.most_budget, config.seed) == (True, 3, 4)
    assert read_progress(DATA / "universal")[-1].step == config.steps


def test_its_figures_are_read_by_their_old_names(tmp_path: Path) -> None:
    row = {"seed": 1, "total": 0.5, "success": True, "steps": 3, "calls": 1, "overspent": 0}
    row |= {"lm_seconds": 0.1, "lm_flops": 1.0, "mapped": 2, "lost": True}
    (tmp_path / "played.json").write_text(json.dumps([row]))
    (episode,) = read_played(tmp_path / "played.json")
    assert (episode.substituted_actions, episode.aborted) == (2, True)
    result = {"method": "londi", "env": "e", "cost": 0.1, "budget": None, "seed": [0]}
    result |= {"episodes": 3, "return_mean": 0.5, "return_ci": [0.4, 0.6], "success_rate": 1.0}
    result |= {"call_rate": 0.2, "overspent": 0.0, "exceeded": 0.0, "lm_seconds": 0.1}
    result |= {"lm_flops": 1.0, "joules": 0.0, "cost_saved": 0.8, "pgr": 1.0}
    (tmp_path / "results.json").write_text(json.dumps([result | {"mapped": 0.25, "lost": 1}]))
    (found,) = read_results(tmp_path)
    assert (found.substituted_actions, found.aborted) == (0.25, 1)


def test_a_training_that_it_left_unfinished_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = replace(TOY, steps=800)
    train(config, folder, pair=toy(), should_stop=lambda: True)
    save_state(folder / "checkpoint", {"switcher": {}, "step": 8, "seconds": 1.0})
    with pytest.raises(LondiError, match="begun by another release of londi"):
        train(config, folder, pair=toy(), resume=True)
