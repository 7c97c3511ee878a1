"""A Switcher learned on explored graphs: what it learns, its folder, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from londi.cli.main import main
from londi.config import TrainConfig
from londi.encoders.quick import QuickEncoder
from londi.errors import InvalidConfig
from londi.evaluation.export import export
from londi.learning.statistics import read_progress
from londi.learning.trainer import train
from londi.models.pair import ModelPair
from londi.models.scripted import RandomModel
from londi.oracle.graph import ENDED
from londi.planning.graphs import explored_graphs
from londi.planning.training import GRAPHS, train_on_graphs
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.caution import CautiousActor
from londi.switching.env import SwitchingVectorEnv
from londi.switching.switcher import LearnedSwitcher, Switcher
from playthings import ACTIONS, LENGTH, UNIVERSAL, Corridor, deepthink, quick, same


class Bounded(Corridor):
    metadata = {"returns": (0.0, 1.0)}  # noqa: RUF012


def pair() -> ModelPair:
    return ModelPair(quick(), deepthink(), Bounded)


CONFIG = replace(UNIVERSAL, graphs=60, graph_states=50, passes=400, learning_rate=3e-3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "graphs"
    assert train_on_graphs(CONFIG, folder, pair=pair())
    return folder


def first_states(cost: float, budget: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The observations of the first states of new corridors, and which are hard."""
    env = SwitchingVectorEnv(
        Bounded, quick(), deepthink(), cost=cost, budget=Budget(budget), num_envs=16
    )
    observation, _ = env.reset(options={"episodes": range(5000, 5016)})
    env.close()
    return observation, observation[:, 1] == 1.0


def choices(run: Path, cost: float, budget: int | None = None) -> dict[str, np.ndarray]:
    """P(call) in the easy and the hard first states of new corridors."""
    observation, hard = first_states(cost, budget)
    switcher = Switcher.load(run, quick(), deepthink())
    call = switcher.call_probability(observation, np.ones((len(hard), 2), bool))
    return {"easy": call[~hard], "hard": call[hard]}


def test_it_calls_where_a_call_is_worth_its_price(run: Path) -> None:
    for budget in (None, 3):
        cheap = choices(run, 0.05, budget)
        assert cheap["hard"].min() > 0.9
        assert cheap["easy"].max() < 0.1
    assert choices(run, 0.78)["hard"].max() < 0.5, "some two calls more are to come, at 0.78 each"


def test_its_value_head_tells_return_and_calls(run: Path) -> None:
    observation, hard = first_states(0.05)
    said = Switcher.load(run, quick(), deepthink()).expect(observation[hard])
    assert np.abs(said.returns - (0.0, 1.0)).mean() < 0.1
    # This call, and one in half of the three states that follow.
    assert np.abs(said.calls[:, 1] - 2.5).mean() < 0.4


def test_the_graph_of_a_corridor(tmp_path: Path) -> None:
    models = pair()
    encoder = QuickEncoder(3)
    graphs = explored_graphs(models, encoder, [7, 8], tmp_path / "graphs", states=50)
    assert graphs
    for seed, found in zip((7, 8), graphs, strict=True):
        env = Bounded()
        env.reset(seed=seed)
        assert len(found.after) == LENGTH
        for place in range(LENGTH):
            hard = bool(env._hard[found.steps[place]])
            last = found.steps[place] == LENGTH - 1
            on = ENDED if last else int(np.flatnonzero(found.steps == found.steps[place] + 1)[0])
            assert found.after[place].tolist() == [ENDED if hard else on, on]
            assert found.gain[place].tolist() == [float(last and not hard), float(last)]
            assert found.features[place, :2].tolist() == [float(not hard), float(hard)]


class Circle(Bounded):
    """The same is observed at every second step."""

    def _text(self) -> str:
        return f"easy: the door on the {ACTIONS[self._right[self._at % LENGTH]]} at {self._at % 2}"

    def reset(self, **given):
        super().reset(**given)
        self._right[:] = 0
        return self._text(), self._info()


def test_repeats_are_counted_as_in_play(tmp_path: Path) -> None:
    models = ModelPair(quick(), deepthink(), Circle)
    graphs = explored_graphs(models, QuickEncoder(3), [1], tmp_path / "graphs", states=50)
    assert graphs
    order = np.argsort(graphs[0].steps)
    assert graphs[0].repeats[order].tolist() == [0, 0, 1, 1]


def test_an_interrupted_run_goes_on_and_ends_the_same(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    looks = iter([False, *[False] * 700, *[True] * 10])
    assert not train_on_graphs(CONFIG, folder, pair=pair(), should_stop=lambda: next(looks))
    assert train_on_graphs(read_run(folder, TrainConfig), folder, pair=pair(), resume=True)
    assert same(run, folder)
    steps = [report.step for report in read_progress(folder)]
    assert steps == sorted(set(steps))


def test_what_was_explored_is_not_explored_again(run: Path) -> None:
    small, large = quick(), deepthink()
    models = ModelPair(small, large, Bounded)
    graphs = explored_graphs(models, QuickEncoder(3), range(60), run / GRAPHS, states=50)
    assert graphs
    assert len(graphs) == 60
    assert not small.asked + large.asked


def test_models_that_draw_are_refused(tmp_path: Path) -> None:
    drawn = ModelPair(RandomModel(0), deepthink(), Bounded)
    with pytest.raises(InvalidConfig, match="graphs: expected deterministic models, got 'random'"):
        train_on_graphs(CONFIG, tmp_path / "run", pair=drawn)
    assert not (tmp_path / "run").exists()


def test_a_training_that_plays_refuses_graphs(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="graphs: expected 0 for a training that plays"):
        train(CONFIG, tmp_path / "run", pair=pair())


@pytest.mark.parametrize(
    "given, said",
    [
        (["--graphs", "1"], "graphs: expected a whole number >= 2, got 1"),
        (["--graphs", "5", "--traces", "x.db"], "traces: expected none beside --graphs, got x.db"),
        (["--graphs", "5", "--algorithm", "sac"], "algorithm: expected none beside --graphs"),
    ],
)
def test_settings_that_do_not_go_together(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--out", str(tmp_path / "run"), *given])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_from_the_command_line_to_figures(tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = ["--graphs", "8", "--graph_states", "20", "--passes", "25", "--cache", "none"]
    level = ["--env", "londi/BabyAIText-GoToObjS4-v0"]
    models = ["--quick", "builtin:babyai-quick", "--deepthink", "builtin:babyai-deepthink"]
    for asked in (
        ["train", "--out", str(run), *level, *models, *given],
        ["evaluate", str(run), "--episodes", "4"],
    ):
        with pytest.raises(SystemExit, match="0"):
            main([*asked, "--quiet"])
    assert (run / "results.json").is_file()


def test_its_caution_goes_into_the_run_and_into_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("londi.switching.caution.LEAST", 2)
    run, file = tmp_path / "run", tmp_path / "switcher.onnx"
    assert train_on_graphs(replace(CONFIG, passes=10), run, pair=pair())
    learned = Switcher.load(run, quick(), deepthink())
    assert isinstance(learned, LearnedSwitcher)
    assert isinstance(learned.actor, CautiousActor)
    known, _ = first_states(0.05)
    seen = np.concatenate([known, known])
    seen[: len(known), :3] += 50.0  # unlike anything in a corridor
    every = np.ones((len(seen), 2), bool)
    call = learned.call_probability(seen, every)
    usual = torch.sigmoid(learned.actor.caution.usual(torch.tensor([0.05])))
    assert call[: len(known)] == pytest.approx(float(usual))
    assert np.abs(call[len(known) :] - float(usual)).min() > 0.01
    export(run, file, pair=pair())
    exported = Switcher.load(file, quick(), deepthink())
    np.testing.assert_allclose(exported.call_probability(seen, every), call, atol=1e-5)
