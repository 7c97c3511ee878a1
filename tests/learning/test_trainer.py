"""`londi train` on a corridor whose right answer is known, and its interruptions."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from londi import Switcher, TrainConfig
from londi.config import EvaluateConfig
from londi.encoders.quick import QuickEncoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, LondiError, OutputExists
from londi.evaluation.evaluate import METHODS, evaluate, played_there, results
from londi.evaluation.play import play
from londi.evaluation.results import Result
from londi.learning.statistics import PROGRESS, Progress
from londi.learning.trainer import train
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.pair import ModelPair
from londi.storage.checkpoint import load_state
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.observation import CONTEXT
from londi.switching.switcher import LearnedSwitcher
from playthings import (
    ACTIONS,
    LENGTH,
    TOY,
    UNIVERSAL,
    Corridor,
    actor,
    deepthink,
    quick,
    same,
    toy,
)

SHORT = replace(TOY, steps=800, warmup=160, report_every=160, checkpoint_every=320)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training that was not interrupted."""
    folder = tmp_path_factory.mktemp("train") / "short"
    assert train(SHORT, folder, pair=toy())
    return folder


def test_it_learns_to_call_where_it_is_hard(tmp_path: Path) -> None:
    reports: list[Progress] = []
    train(TOY, tmp_path / "run", pair=toy(), on_progress=reports.append)
    pair = toy()
    switcher = Switcher.load(tmp_path / "run", pair.quick, pair.deepthink, greedy=True)
    texts = ("easy: the door on the left at 1", "hard: the door on the right at 2")
    prompts = [Prompt("walk", ACTIONS, (text,)) for text in texts]
    features = QuickEncoder(3).encode(prompts, pair.quick.act(prompts))
    context = np.array([[0, 0, 0.1, np.log1p(t), 0] for t in (1, 2)], np.float32)
    seen = np.concatenate([features, context], 1)
    assert switcher.call_probability(seen, np.ones((2, 2), bool)).tolist() == [0.0, 1.0]

    config = EvaluateConfig(episodes=60, validation_episodes=20)
    evaluation = evaluate(tmp_path / "run", config, pair=pair)
    by_method = {r.method: r for r in results([evaluation])}
    assert tuple(by_method) == METHODS
    # Half of the states are hard, so calling there alone is right everywhere at half the price.
    assert by_method["deepthink"].return_mean == by_method["londi"].return_mean == 1.0
    assert by_method["londi"].call_rate == pytest.approx(0.5, abs=0.1)
    assert by_method["londi"].call_rate == by_method["threshold"].call_rate
    assert by_method["random"].return_mean < 0.5
    # QUICK is sure of what it can do and of nothing else: here the threshold is right as well.
    assert by_method["threshold"].return_mean == 1.0
    assert [report.step for report in reports] == list(range(400, 4001, 400))
    assert reports[-1].return_mean > 0.9


class Silent(Corridor):
    """A corridor in which a wrong action is not seen, and takes the reward at its end."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        self._slipped = False
        return super().reset(seed=seed)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._slipped |= action != ACTIONS[self._right[self._at]]
        self._at += 1
        done = self._at == LENGTH
        won = done and not self._slipped
        return self._text(), float(won), done, False, self._info() | {"success": won}


def test_it_learns_what_a_call_is_worth_where_a_slip_is_not_seen(tmp_path: Path) -> None:
    """Critics that see one state alone value those behind a slip like those behind a call."""
    pair = ModelPair(quick(), deepthink(), Silent)
    train(UNIVERSAL, tmp_path / "run", pair=pair)
    config = EvaluateConfig(episodes=60, validation_episodes=20, cost=0.1)
    found = {r.method: r for r in results([evaluate(tmp_path / "run", config, pair=pair)])}["londi"]
    assert found.return_mean > 0.9
    assert found.call_rate == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(("cost", "rate"), [(5.0, 0.0), (0.0, 1.0)])
def test_a_price_beyond_all_reward_ends_all_calls_and_none_allows_them(
    cost: float, rate: float, tmp_path: Path
) -> None:
    reports: list[Progress] = []
    config = replace(TOY, cost=cost, steps=3_000)
    train(config, tmp_path / "run", pair=toy(), on_progress=reports.append)
    if rate:
        assert reports[-1].return_mean > 0.9
    else:
        assert reports[-1].call_rate < 0.1


@pytest.mark.parametrize("mode", ["mask", "penalty"])
def test_a_budget_is_kept(mode: Any, tmp_path: Path) -> None:
    reports: list[Progress] = []
    config = replace(TOY, budget=1, budget_mode=mode, cost=0.0, overspend_penalty=3.0)
    train(config, tmp_path / "run", pair=toy(), on_progress=reports.append)
    if mode == "mask":
        assert all(report.overspent == 0 for report in reports)
    else:
        assert reports[-1].overspent < 0.2 < max(report.overspent for report in reports)


def test_the_same_seed_gives_the_same_switcher(short: Path, tmp_path: Path) -> None:
    train(SHORT, tmp_path / "again", pair=toy())
    train(replace(SHORT, seed=2), tmp_path / "other", pair=toy())
    assert same(short, tmp_path / "again")
    assert not same(short, tmp_path / "other")


@pytest.mark.parametrize("after", [1, 41, 60, 99])
def test_a_stopped_run_goes_on_and_ends_the_same(short: Path, tmp_path: Path, after: int) -> None:
    run = tmp_path / "run"
    asked = iter(range(1, 1000))
    assert not train(SHORT, run, pair=toy(), should_stop=lambda: next(asked) == after)
    assert load_state(run / "checkpoint")["step"] == after * 8
    assert train(SHORT, run, pair=toy(), resume=True)
    assert same(short, run)
    first, second = (
        [json.loads(line) for line in (folder / PROGRESS).read_text().splitlines()]
        for folder in (short, run)
    )
    for a, b in zip(first, second, strict=True):
        for clock in ("seconds", "lm_seconds"):
            a.pop(clock), b.pop(clock)
        assert a == b


def test_a_run_with_its_transitions_in_a_file_ends_the_same(short: Path, tmp_path: Path) -> None:
    config = replace(SHORT, replay_folder=str(tmp_path))
    asked = iter(range(1, 1000))
    assert not train(config, tmp_path / "run", pair=toy(), should_stop=lambda: next(asked) == 60)
    assert train(config, tmp_path / "run", pair=toy(), resume=True)
    assert same(short, tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_for_transitions_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    config = replace(SHORT, replay_folder=str(tmp_path / "none"))
    with pytest.raises(LondiError, match=r"cannot write to .*/none': No such file or directory"):
        train(config, tmp_path / "run", pair=toy())
    assert not list(tmp_path.iterdir())


class Killed(Exception):
    """As a kill would, it leaves nothing behind but the last checkpoint."""


def test_a_killed_run_goes_on_from_its_last_checkpoint(short: Path, tmp_path: Path) -> None:
    def die(progress: Progress) -> None:
        if progress.step == 640:
            raise Killed

    run = tmp_path / "run"
    with pytest.raises(Killed):
        train(SHORT, run, pair=toy(), on_progress=die)
    assert load_state(run / "checkpoint")["step"] == 320
    assert train(SHORT, run, pair=toy(), resume=True)
    assert same(short, run)


def test_a_run_killed_outright_resumes_and_ends_the_same(
    make_lm: Callable[..., Seq2SeqModel], tmp_path: Path
) -> None:
    # The real command, the real environment, a real model, and SIGKILL once it is under way.
    def londi(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "londi", "train", *arguments], stderr=subprocess.DEVNULL
        )

    config = tmp_path / "run.yaml"
    config.write_text(
        f"env: londi/BabyAIText-GoToObjS4-v0\nquick: {make_lm().name}\ndeepthink: expert\n"
        "cache: none\nsteps: 400\nwarmup: 40\nnum_envs: 4\nbatch_size: 8\nwidth: 16\n"
        "report_every: 40\ncheckpoint_every: 40\n"
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert londi("--config", str(config), "--out", str(whole)).wait() == 0
    process = londi("--config", str(config), "--out", str(cut))
    while not (cut / "checkpoint").is_dir():
        assert process.poll() is None, "it ended before its first checkpoint"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert load_state(cut / "checkpoint")["step"] < 400
    assert londi("--resume", str(cut)).wait() == 0
    assert load_state(cut / "checkpoint")["step"] == 400
    assert same(whole, cut)


def test_a_run_that_has_ended_is_left_as_it_is(short: Path) -> None:
    before = (short / PROGRESS).read_text()
    reports: list[Progress] = []
    assert train(SHORT, short, pair=toy(), resume=True, on_progress=reports.append)
    assert reports == []
    assert (short / PROGRESS).read_text() == before


def test_the_configuration_lies_beside_the_weights(short: Path) -> None:
    # The names are those of what has played.
    assert read_run(short, TrainConfig) == replace(SHORT, env="Corridor")


def test_a_run_is_not_overwritten_unasked(short: Path, tmp_path: Path) -> None:
    before = actor(short)
    with pytest.raises(OutputExists, match="--overwrite"):
        train(SHORT, short, pair=toy())
    assert all(torch.equal(before[key], value) for key, value in actor(short).items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"env": "londi/BabyAIText-GoToLocl-v0"},
        {"quick": "builtin:babyai-quik"},
        {"encoder": "quik"},
        {"encoder": "quick"},
    ],
)
def test_what_cannot_be_trained_leaves_nothing(wrong: dict[str, Any], tmp_path: Path) -> None:
    config = TrainConfig(
        env="londi/BabyAIText-GoToLocal-v0", quick="random", deepthink="expert", cache="none"
    )
    with pytest.raises(LondiError):
        train(replace(config, **wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_time_inside_the_models_is_part_of_the_whole(short: Path) -> None:
    rows = [json.loads(line) for line in (short / PROGRESS).read_text().splitlines()]
    for earlier, later in itertools.pairwise(rows):
        assert 0 < earlier["lm_seconds"] < later["lm_seconds"] < later["seconds"]


def test_without_foresight_steps_are_kept_as_they_were(tmp_path: Path) -> None:
    asked = iter(range(1, 1000))
    config = replace(SHORT, foresight=False, warmup=799)
    train(config, tmp_path / "run", pair=toy(), should_stop=lambda: next(asked) == 90)
    log = load_state(tmp_path / "run" / "checkpoint")["learner"]["buffer"]
    buffer = log.read(*next(log.parts()))
    assert buffer["observation"].shape[1] == QuickEncoder(3).size + CONTEXT
    assert buffer["choice"].mean() == pytest.approx(0.5, abs=0.1)
    assert train(config, tmp_path / "run", pair=toy(), resume=True)


@pytest.fixture(scope="module")
def universal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "universal"
    train(UNIVERSAL, folder, pair=toy())
    return folder


def played(folder: Path, **settings: Any) -> dict[str, Result]:
    pair = toy()
    config = EvaluateConfig(episodes=60, validation_episodes=20, **settings)
    evaluation = evaluate(folder, config, pair=pair)
    return {r.method: r for r in results([evaluation])}


def test_one_training_serves_every_cost(universal: Path) -> None:
    """A call wins what is left to win, so that it is worth 1 at the last hard door at least."""
    cheap, dear = played(universal, cost=0.02), played(universal, cost=0.8)
    assert cheap["londi"].return_mean == 1.0
    assert cheap["londi"].call_rate == pytest.approx(0.5, abs=0.1)
    assert cheap["londi"].cost == 0.02
    # Where a call costs 0.8 only the last hard door of an episode is worth one.
    assert dear["londi"].call_rate < 0.6 * cheap["londi"].call_rate
    assert dear["quick"].return_mean <= dear["londi"].return_mean < 0.9


def test_one_training_serves_every_budget(universal: Path) -> None:
    found = [played(universal, budget=n)["londi"] for n in (0, 1, 3)]
    assert [r.exceeded for r in found] == [0.0, 0.0, 0.0]
    assert found[0].call_rate == 0.0
    returns = [r.return_mean for r in found]
    assert returns == sorted(returns) and returns[0] < returns[1] < returns[2]


def test_terms_that_a_switcher_was_not_trained_for_are_refused(
    universal: Path, short: Path
) -> None:
    with pytest.raises(InvalidConfig, match=r"from 0\.02 to 0\.8, got 0\.9"):
        played(universal, cost=0.9)
    with pytest.raises(InvalidConfig, match="at most 3 or none, got 4"):
        played(universal, budget=4)
    with pytest.raises(InvalidConfig, match=r"got 0\.9"):  # before anything is loaded or played
        played_there(read_run(universal, TrainConfig), EvaluateConfig(cost=0.9))
    pair = toy()
    learned = Switcher.load(universal, pair.quick, pair.deepthink)
    with pytest.raises(InvalidConfig, match=r"got 0\.9"):  # nor does anybody else play it there
        play(pair, learned, range(4), cost=0.9, budget=Budget(), num_envs=2, seed=0)
    with pytest.raises(InvalidConfig, match=r"cost: .* trained for 0\.1 alone, got 0\.2"):
        played(short, cost=0.2)
    with pytest.raises(InvalidConfig, match="budget: the Switcher was trained for none alone"):
        played(short, budget=2)


def test_a_universal_run_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    config = replace(SHORT, universal=True, cost_range=(0.02, 0.8), most_budget=3)
    train(config, tmp_path / "whole", pair=toy())
    asked = iter(range(1, 1000))
    train(config, tmp_path / "run", pair=toy(), should_stop=lambda: next(asked) == 55)
    assert train(config, tmp_path / "run", pair=toy(), resume=True)
    assert same(tmp_path / "whole", tmp_path / "run")


def test_a_universal_switcher_says_what_it_expects(universal: Path, short: Path) -> None:
    """At the last door a call wins all there is where QUICK cannot read it, and nothing else."""
    pair = toy()
    switcher = Switcher.load(universal, pair.quick, pair.deepthink)
    texts = ("easy: the door on the left at 3", "hard: the door on the right at 3")
    prompts = [Prompt("walk", ACTIONS, (text,)) for text in texts]
    features = QuickEncoder(3).encode(prompts, pair.quick.act(prompts))
    context = np.array([[0, 0, 0.1, np.log1p(3), 0]] * 2, np.float32)
    assert isinstance(switcher, LearnedSwitcher)
    expected = switcher.expect(np.concatenate([features, context], 1))
    assert expected.returns.shape == expected.calls.shape == (2, 2)
    easy, hard = expected.gain
    assert easy == pytest.approx(0.0, abs=0.15)
    assert hard == pytest.approx(1.0, abs=0.15)
    # This call, and after a hard door those at what doors are left, as far as it can tell.
    assert (expected.more_calls > 0.7).all() and (expected.more_calls < 3.0).all()
    plain = Switcher.load(short, pair.quick, pair.deepthink)
    assert isinstance(plain, LearnedSwitcher)
    with pytest.raises(LondiError, match="only a universal Switcher"):
        plain.expect(np.zeros((1, 1), np.float32))
