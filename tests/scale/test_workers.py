"""Workers in this process, and how work is shared."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from londi.cli.main import main
from londi.config import EvaluateConfig, SweepConfig, TrainConfig
from londi.config.ray import RayConfig
from londi.errors import InvalidConfig, LondiError
from londi.evaluation.evaluate import evaluate
from londi.evaluation.play import Players, play
from londi.learning.trainer import train
from londi.models.pair import ModelPair
from londi.scale.workers import LocalWorkers, shares, sizes
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher
from playthings import TOY, same, toy
from scale.named import ENV
from scale.units import counting, empty, fails

NAMED = replace(
    TOY,
    env=ENV,
    quick="scale.named:quick",
    deepthink="scale.named:deepthink",
    cache="memory",
    steps=160,
    warmup=32,
    report_every=32,
    checkpoint_every=64,
)
_SET = ("env", "quick", "deepthink", "steps", "warmup", "num_envs", "batch_size", "width")
NAMED_SWEEP = SweepConfig(
    base={name: getattr(NAMED, name) for name in (*_SET, "report_every", "checkpoint_every")},
    grid=[{"cost": [0.1], "seed": [0, 1]}],
    evaluation={"episodes": 4, "num_envs": 4},
)
"""Two trainings of `NAMED`."""


def test_shares_are_stretches_and_none_is_empty() -> None:
    assert shares(range(5), 2) == [range(2), range(2, 5)]
    assert shares([1, 2], 4) == [[1], [2]]
    assert sizes(7, 3) == [3, 2, 2]


def test_workers_take_turns_and_keep_what_they_have() -> None:
    ended: list[list[int]] = []
    workers = LocalWorkers(empty, 2, ended.append)
    units = [(10, 2), (20, 1), (30, 1)]
    found = [(place, item) for place, (item, _) in workers.stream(counting, units)]
    assert found == [(0, 10), (0, 11), (1, 20), (2, 30)]
    workers.close()
    assert sorted(ended) == [[0, 10, 30], [1, 20]]


def test_what_was_brought_is_the_first_worker_s_and_is_left_open() -> None:
    ended: list[list[int]] = []
    workers = LocalWorkers(empty, 2, ended.append, first=[7])
    assert list(workers.stream(fails, [])) == []
    dict(workers.stream(counting, [(0, 1), (0, 1)]))
    workers.close()
    assert ended == [[1, 0]]


def test_no_unit_is_begun_once_it_is_to_stop() -> None:
    workers, asked = LocalWorkers(empty), iter([False, True])
    found = [
        place
        for place, _ in workers.stream(counting, [(0, 1)] * 3, should_stop=lambda: next(asked))
    ]
    assert found == [0]


@pytest.mark.parametrize("address", ["ray://host:10001", "host", "remote", "host:port"])
def test_an_address_is_one(address: str) -> None:
    with pytest.raises(InvalidConfig, match="ray: expected local, auto or HOST:PORT, got"):
        RayConfig(ray=address)


def test_one_player_plays_as_without_and_several_share_the_episodes() -> None:
    episodes = range(20)
    terms = {"cost": 0.1, "budget": Budget(), "num_envs": 4, "seed": 3}
    alone = play(toy(), ConstantSwitcher(0.5), episodes, **terms)

    def played(count: int) -> list[list[tuple[int, int]]]:
        players = Players(LocalWorkers(lambda _: toy(), count, ModelPair.close))
        found = players.play(ConstantSwitcher(0.5), episodes, **terms)
        players.close()
        return [[(r.step.episode, r.step.choice) for r in episode] for episode in found]

    assert played(1) == [[(r.step.episode, r.step.choice) for r in episode] for episode in alone]
    assert played(3) == played(3) != played(1)
    assert [steps[0][0] for steps in played(3)] == list(episodes)
    # Each worker draws numbers of its own.
    assert len({np.random.default_rng(seed).random() for seed in (3, [3, 1], [3, 2])}) == 3


def test_workers_share_the_slots_of_a_training_and_it_goes_on_as_it_was(tmp_path: Path) -> None:
    two = replace(NAMED, workers=2)
    assert train(two, tmp_path / "two")
    assert train(NAMED, tmp_path / "one")
    assert not same(tmp_path / "one", tmp_path / "two")
    asked = iter(range(100))
    assert not train(two, tmp_path / "cut", should_stop=lambda: next(asked) == 7)
    assert train(two, tmp_path / "cut", resume=True)
    assert same(tmp_path / "cut", tmp_path / "two")


def test_models_that_are_no_names_have_one_worker(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="workers: expected models that workers can load"):
        train(replace(TOY, workers=2), tmp_path / "run", pair=toy())
    with pytest.raises(InvalidConfig, match="workers: expected models that workers can load"):
        evaluate(tmp_path, EvaluateConfig(workers=2), pair=toy())
    assert not (tmp_path / "run").exists()


def test_there_are_no_more_workers_than_environments() -> None:
    with pytest.raises(InvalidConfig, match="workers: expected a whole number from 1 to 4, got 5"):
        TrainConfig(num_envs=4, workers=5)
    with pytest.raises(InvalidConfig, match="workers: expected 1 for a training that does not"):
        TrainConfig(graphs=10, workers=2)


def test_ray_is_not_imported_where_it_is_not_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from londi.cli.main import VERBS\n"
        "from londi.config import EvaluateConfig\n"
        "from londi.evaluation import frontier, sweep\n"
        "from londi.evaluation.evaluate import evaluate\n"
        "from londi.imitation import finetune\n"
        "from londi.learning.trainer import train\n"
        "from londi.oracle import clairvoyant\n"
        "from playthings import TOY, toy\n"
        "folder = Path(sys.argv[1])\n"
        "train(replace(TOY, steps=64, warmup=16), folder, pair=toy())\n"
        "evaluate(folder, EvaluateConfig(episodes=2, validation_episodes=2), pair=toy())\n"
        "print('ray' in sys.modules)"
    )
    tests = str(Path(__file__).parent.parent)
    out = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {tests!r})\n{code}",
            tmp_path / "x",
        ],
        capture_output=True,
        text=True,
    )
    assert (out.stdout, out.returncode) == ("False\n", 0), out.stderr


def test_what_brings_ray_is_named_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "londi.scale.actors", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SystemExit, match="2"):
        main(["limit", "--out", str(tmp_path / "limit"), "--ray", "local"])
    said = "londi: error: ray is not installed; run: pip install 'londi[ray]'\n"
    assert capsys.readouterr().err == said
    assert not (tmp_path / "limit").exists()


def test_what_goes_wrong_is_told_as_it_is() -> None:
    with pytest.raises(LondiError, match="unknown number 'two'"):
        list(LocalWorkers(empty).stream(fails, [("two",)]))
