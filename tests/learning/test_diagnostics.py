"""How switching fails, provoked by real trainings, and said in words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium import spaces

import playthings
from londi import TrainConfig
from londi.learning.diagnostics import WINDOW, Diagnosis, diagnose
from londi.learning.statistics import Progress, read_progress
from londi.learning.trainer import train
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.pair import ModelPair
from playthings import ACTIONS, Corridor, Scripted, deepthink, quick

TOY = replace(playthings.TOY, steps=3_200, report_every=80, checkpoint_every=3_200)


class Temptation(gym.Env[str, str]):
    """Four doors; the right action earns a little at each, and much at the last."""

    def __init__(self) -> None:
        self.observation_space = self.action_space = spaces.Text(64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._at = 0
        return self._text(), {"goal": "walk", "actions": ACTIONS}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        reward = (0.2 if self._at < 3 else 1.0) * (action == "right")
        self._at += 1
        return self._text(), reward, self._at == 4, False, {"goal": "walk", "actions": ACTIONS}

    def _text(self) -> str:
        return f"{'easy' if self._at < 3 else 'hard'}: the door on the right at {self._at}"


def trained(
    folder: Path, small: Scripted, make: Callable[[], gym.Env[str, str]] = Corridor, **changes: Any
) -> tuple[list[str], list[Diagnosis]]:
    """The names of the failures told while training, in order, and those at the end."""
    config = replace(TOY, **changes)
    told: list[str] = []
    pair = ModelPair(small, deepthink(), make)
    train(config, folder / "run", pair=pair, on_diagnosis=lambda s: told.append(s.name))
    return told, diagnose(config, read_progress(folder / "run"))


def test_a_useless_quick_and_a_cheap_call_give_always_deepthink(tmp_path: Path) -> None:
    told, at_the_end = trained(tmp_path, Scripted("quick", ["nothing"]), cost=0.001)
    assert "always-deepthink" in told
    (found,) = at_the_end
    assert found.name == "always-deepthink"
    assert "raise --cost" in found.text and "cost = 0.001" in found.text


def test_a_call_dearer_than_all_it_wins_gives_never_deepthink(tmp_path: Path) -> None:
    told, at_the_end = trained(tmp_path, quick(), cost=5.0)
    assert "never-deepthink" in told
    assert [found.name for found in at_the_end] == ["never-deepthink"]
    assert "lower --cost" in at_the_end[0].text


def test_huge_steps_of_learning_are_unstable(tmp_path: Path) -> None:
    told, at_the_end = trained(tmp_path, quick(), learning_rate=3.0)
    assert "unstable" in told
    assert "lower --learning_rate" in next(s.text for s in at_the_end if s.name == "unstable")


def test_who_does_not_look_ahead_spends_a_budget_early(tmp_path: Path) -> None:
    blind = Scripted("quick", ["nothing"])
    short: dict[str, Any] = {"cost": 0.0, "budget": 1, "warmup": 1_600, "steps": 6_000}
    told, at_the_end = trained(tmp_path / "a", blind, Temptation, gamma=0.0, **short)
    assert "budget-spent-early" in told
    found = next(s.text for s in at_the_end if s.name == "budget-spent-early")
    assert "gone after 2" in found and "--gamma" in found
    # What it says to change does help.
    told, at_the_end = trained(
        tmp_path / "b", blind, Temptation, gamma=0.9, **short | {"cost": 0.25}
    )
    assert "budget-spent-early" not in [s.name for s in at_the_end]


def test_a_training_that_goes_well_says_nothing(tmp_path: Path) -> None:
    told, at_the_end = trained(tmp_path, quick())
    assert (told, at_the_end) == ([], [])


def report(**changes: Any) -> Progress:
    plain: dict[str, Any] = {
        "step": 8_000,
        "steps": 9_000,
        "seconds": 1.0,
        "lm_seconds": 0.5,
        "episodes": 100,
        "return_mean": 0.8,
        "success_rate": 0.9,
        "call_rate": 0.5,
        "overspent": 0.0,
        "funded": 1.0,
        "substituted_actions": 0.0,
        "aborted": 0,
        "call_probability": 0.5,
        "critic_loss": 0.01,
        "actor_loss": 0.0,
        "alpha": 0.001,
        "entropy": 0.5,
        "q_mean": 0.5,
        "hit_rate": 0.0,
    }
    return Progress(**plain | changes)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, None),
        ({"call_probability": 0.99}, "always-deepthink"),
        ({"call_probability": 0.01}, "never-deepthink"),
        ({"critic_loss": float("nan")}, "unstable"),
        ({"critic_loss": float("nan"), "call_probability": float("nan")}, "unstable"),
        ({"critic_loss": 9.0}, "unstable"),
        ({"funded": 0.2}, "budget-spent-early"),
    ],
)
def test_each_is_known_by_its_reports(changes: dict[str, Any], name: str | None) -> None:
    config = TrainConfig(budget=4)
    found = diagnose(config, [report(**changes)] * WINDOW)
    assert [signature.name for signature in found] == ([name] if name else [])
    assert diagnose(config, [report(**changes)] * (WINDOW - 1)) == []


def test_a_call_rate_that_jumps_is_unstable() -> None:
    jumping = [report(call_probability=0.3 + 0.4 * (k % 2)) for k in range(WINDOW)]
    assert [s.name for s in diagnose(TrainConfig(), jumping)] == ["unstable"]
    rising = [report(call_probability=0.1 * k) for k in range(WINDOW)]
    assert diagnose(TrainConfig(), rising) == []


def test_the_warm_up_is_no_failure() -> None:
    early = [report(step=100, call_probability=0.99)] * WINDOW
    assert diagnose(TrainConfig(), early) == []


@pytest.mark.parametrize("budget", ["none", 0])
def test_what_cannot_be_spent_is_not_spent_early(budget: Any) -> None:
    config = TrainConfig(budget=budget)
    found = diagnose(config, [report(funded=0.0, call_probability=0.0)] * WINDOW)
    assert "budget-spent-early" not in [signature.name for signature in found]
    assert ("never-deepthink" in [signature.name for signature in found]) == (budget == "none")


def test_the_command_says_it_while_training_and_at_the_end(
    make_lm: Callable[..., Seq2SeqModel], tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"env: londi/BabyAIText-GoToObjS4-v0\nquick: {make_lm().name}\ndeepthink: expert\n"
        "cache: none\nsteps: 2400\nwarmup: 40\nnum_envs: 8\nbatch_size: 32\nwidth: 16\n"
        "steps_per_update: 2\nlearning_rate: 0.01\nactor_tau: 0.5\ncost: 50.0\nreport_every: 40\n"
    )
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "londi", "train", "--config", str(config), "--out", str(out)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("londi: warning: ")]
    assert warnings[0].startswith("londi: warning: at ") and "never-deepthink" in warnings[0]
    assert warnings[-1].startswith("londi: warning: at the end of the training, never-deepthink")
    last = json.loads((out / "progress.jsonl").read_text().splitlines()[-1])
    assert last["call_probability"] < 0.03
