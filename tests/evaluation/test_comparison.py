"""A comparison under way: who plays what, and that what was played is not played again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.episodes import ENDS, episode
from londi.baselines.registry import BASELINES, OperatingPoint
from londi.baselines.registry import UNIVERSAL as LONDI
from londi.config import FrontierConfig, TrainConfig
from londi.envs.seeds import held_out_seeds, validation_seeds
from londi.errors import LondiError
from londi.evaluation.comparison import Comparison, played_file
from londi.evaluation.evaluate import write_played
from londi.learning.trainer import train
from londi.models.pair import ModelPair
from londi.switching.switcher import ConstantSwitcher
from playthings import TOY, UNIVERSAL, Corridor, Scripted, deepthink, quick, toy

EPISODES, VALIDATION = 6, 4

SHORT = replace(UNIVERSAL, steps=64, warmup=32, checkpoint_every=64)
"""What its Switcher has learned does not matter here."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two universal Switchers of the corridor."""
    folder = tmp_path_factory.mktemp("runs")
    return [left(folder / str(seed), replace(SHORT, seed=seed)) for seed in (0, 1)]


@pytest.fixture(scope="module")
def config(trained: list[str]) -> FrontierConfig:
    return FrontierConfig(
        runs=trained, episodes=EPISODES, validation_episodes=VALIDATION, budgets=[1], num_envs=4
    )


class Told(list[tuple[int, str]]):
    """What is said of each play."""

    def __call__(self, done: int, text: str) -> None:
        self.append((done, text))


def begun(
    config: FrontierConfig, folder: Path, pair: ModelPair | None = None, told: Told | None = None
) -> Comparison:
    return Comparison(folder, config, pair or toy(), told if told is not None else Told())


def at(probability: float, setting: str = "p", cost: float = 0.1) -> OperatingPoint:
    return OperatingPoint(setting, ConstantSwitcher(probability), cost)


def test_the_ends_are_the_models_alone_without_a_budget(
    config: FrontierConfig, tmp_path: Path
) -> None:
    comparison = begun(config, tmp_path)
    small, large = comparison.ends()
    assert [e.seed for e in small] == [e.seed for e in large] == list(held_out_seeds(EPISODES))
    assert all(e.calls == 0 for e in small)
    assert all(e.calls == e.steps == 4 and e.total == 1.0 for e in large)
    small, _ = comparison.ends(held_out=False)
    assert [e.seed for e in small] == list(validation_seeds(VALIDATION))


def test_a_method_is_played_by_spot_seed_and_episode(
    config: FrontierConfig, tmp_path: Path
) -> None:
    comparison = begun(config, tmp_path)
    candidates = [[at(0.0, "never"), at(1.0, "always")], [at(0.0, "never"), at(1.0, "always")]]
    spots: list[tuple[int, int | None]] = [(1, None), (0, None), (1, 2)]
    played = comparison.played(BASELINES["random"], candidates, spots, held_out=True)
    assert np.array(played, dtype=object).shape == (3, 2, EPISODES)
    calls = [[[e.calls for e in run] for run in spot] for spot in played]
    assert calls[0] == [[4] * EPISODES] * 2
    assert calls[1] == [[0] * EPISODES] * 2
    assert calls[2] == [[2] * EPISODES] * 2, "a budget caps everybody"


def test_what_lies_in_a_file_is_not_played_again(config: FrontierConfig, tmp_path: Path) -> None:
    first = begun(config, tmp_path).ends()
    small, large = quick(), deepthink()
    again = begun(config, tmp_path, ModelPair(small, large, Corridor))
    assert again.ends() == first
    assert small.asked == large.asked == []
    # The file is believed, whatever is in it.
    file = played_file(tmp_path, True, "quick", "alone", None, seed=0)
    write_played(file, ENDS[1])
    assert again.ends()[0] == ENDS[1]


class Waiting(Corridor):
    """A corridor that waits for another process, as it says."""

    metadata = {"waits": True}  # noqa: RUF012
    stepped = 0

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        Waiting.stepped += 1
        return super().step(action)


def test_what_was_seen_at_one_setting_is_not_waited_for_at_the_next(
    config: FrontierConfig, tmp_path: Path
) -> None:
    comparison = begun(config, tmp_path, ModelPair(quick(), deepthink(), Waiting))
    for setting in ("once", "again"):
        always = [[at(1.0, setting)]]
        comparison.played(BASELINES["random"], always, [(0, None)], held_out=True)
        assert Waiting.stepped == 4 * EPISODES


def test_each_play_is_told_of(config: FrontierConfig, tmp_path: Path) -> None:
    told = Told()
    comparison = begun(config, tmp_path, told=told)
    comparison.ends()
    comparison.done = 3
    one = [[at(1.0, "p = 1")]]
    comparison.played(BASELINES["random"], one, [(0, None), (0, 1)], held_out=True)
    assert told == [
        (0, "quick alone"),
        (0, "deepthink alone"),
        (3, "random p = 1"),
        (3, "random p = 1, at most 1 calls"),
    ]


def test_methods_that_differ_by_the_seed_are_played_for_each(
    config: FrontierConfig, tmp_path: Path
) -> None:
    comparison = begun(config, tmp_path)
    every, universal = (comparison.candidates(m) for m in (BASELINES["every-k"], LONDI))
    assert [len(every), len(universal)] == [1, 2]
    assert [point.cost for point in universal[0]] == [point.cost for point in universal[1]]
    one, other = (points[0].switcher for points in universal)
    assert one is not other
    assert [bench.training.seed for bench in comparison.benches] == [0, 1]
    assert sorted(p.name for p in (tmp_path / "learned").iterdir()) == ["seed=0", "seed=1"]


def test_each_seed_draws_choices_of_its_own(config: FrontierConfig, tmp_path: Path) -> None:
    tossed = begun(replace(config, episodes=20), tmp_path).played(
        BASELINES["random"], [[at(0.5)]] * 2, [(0, None)], held_out=True
    )
    one, other = ([e.calls for e in run] for run in tossed[0])
    assert one != other


def test_the_figures_of_a_spot(config: FrontierConfig, tmp_path: Path) -> None:
    """QUICK has 0 and DEEPTHINK 1, in two episodes of ten steps each."""
    comparison = begun(config, tmp_path)
    played = [
        [[episode(0.5, 2), episode(1.0, 4)], [episode(0.0, 0), episode(0.5, 4)]],
        [[episode(1.0, 5), episode(1.0, 5)], [episode(1.0, 5), episode(0.2, 5)]],
    ]
    candidates = [at(0.5, "low", 0.1), at(0.5, "high", 0.7)]
    low, high = comparison.points("mine", candidates, [(0, None), (1, 2)], played, ENDS)
    assert (low.setting, high.setting) == ("low", "high")
    assert (low.result.method, low.result.env) == ("mine", "Corridor")
    assert (low.result.cost, low.result.budget) == (0.1, None)
    assert (high.result.cost, high.result.budget) == (0.7, 2)
    assert low.result.seed == (0, 1)
    assert low.result.return_mean == low.result.pgr == pytest.approx(0.5)
    assert low.result.call_rate == pytest.approx(10 / 40)
    assert low.result.cost_saved == pytest.approx(1 - 2.5 / 10)
    assert high.result.return_mean == pytest.approx(0.8)
    assert high.iqm == 1.0, "the middle half of 0.2, 1, 1 and 1"


def test_a_method_without_seeds_is_of_the_first_one(config: FrontierConfig, tmp_path: Path) -> None:
    comparison = begun(config, tmp_path)
    (point,) = comparison.points("mine", [at(0.5)], [(0, None)], [[ENDS[1]]], ENDS)
    assert point.result.seed == (0,)


# Files.


def test_a_file_says_what_was_played(tmp_path: Path) -> None:
    file = played_file(tmp_path, True, "every-k", "every 4 steps", 2, seed=7)
    assert file.parent == tmp_path / "played" / "held-out" / "every-k"
    assert file.name.startswith("every-4-steps-n-=-2-") and file.name.endswith("-7.json")
    assert played_file(tmp_path, False, "every-k", "x", None, 7).parent.parent.name == "validation"


def test_no_two_plays_share_a_file(tmp_path: Path) -> None:
    settings = ["a b", "a-b", "a/b", "a  b", "../a", "c = 0.1", "c = 0.10"]
    files = {
        played_file(tmp_path, held_out, method, setting, budget, seed)
        for held_out in (True, False)
        for method in ("random", "londi")
        for setting in settings
        for budget in (None, 0, 1)
        for seed in (0, 1)
    }
    assert len(files) == 2 * 2 * len(settings) * 3 * 2
    assert all(file.parents[3] == tmp_path for file in files)


# What cannot be compared.


def refused(config: FrontierConfig, folder: Path, message: str, **changes: Any) -> None:
    """It is said before anything is written."""
    with pytest.raises(LondiError, match=message) as caught:
        begun(replace(config, **changes), folder / "f")
    assert len(str(caught.value).splitlines()) == 1
    assert not (folder / "f").exists()


def left(folder: Path, made: TrainConfig) -> str:
    train(made, folder, pair=toy())
    return str(folder)


def test_runs_that_do_not_belong_together(
    config: FrontierConfig, trained: list[str], tmp_path: Path
) -> None:
    fixed = left(tmp_path / "fixed", replace(TOY, steps=64, warmup=32, checkpoint_every=64))
    refused(config, tmp_path, "was trained for c = 0.1 alone", runs=[fixed])
    other = left(tmp_path / "other", replace(SHORT, steps=128, seed=2))
    message = "differ in their seed only, got steps = 64 in .* and 128 in"
    refused(config, tmp_path, message, runs=[trained[0], other])
    message = r"one run for each seed, got seeds \[0, 0\]"
    refused(config, tmp_path, message, runs=[trained[0], trained[0]])
    refused(config, tmp_path, "no run in", runs=[str(tmp_path / "nowhere")])


def test_a_run_without_a_switcher_is_refused(
    config: FrontierConfig, trained: list[str], tmp_path: Path
) -> None:
    shutil.copytree(trained[0], tmp_path / "untrained")
    shutil.rmtree(tmp_path / "untrained" / "checkpoint")
    runs = [str(tmp_path / "untrained")]
    refused(config, tmp_path, "no checkpoint in .*; train it first", runs=runs)


def test_a_budget_beyond_the_trained_ones_is_refused(
    config: FrontierConfig, tmp_path: Path
) -> None:
    begun(replace(config, budgets=[0, 3]), tmp_path / "g")
    message = "budgets: expected at most the 3 that the Switchers were trained for, got 4"
    refused(config, tmp_path, message, budgets=[1, 4])


def test_other_models_than_those_of_the_runs_are_refused(
    config: FrontierConfig, tmp_path: Path
) -> None:
    other = Scripted("deepthink", ["easy"])
    other.fingerprint = "another"
    with pytest.raises(LondiError, match="was made with the model 'deepthink'"):
        begun(config, tmp_path / "f", ModelPair(quick(), other, Corridor))
    assert not (tmp_path / "f").exists()
