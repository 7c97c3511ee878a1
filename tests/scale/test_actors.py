"""Workers on small clusters of Ray: what is lost, what hangs, and that nothing changes by it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gymnasium import Env

from evaluation.parts import Hangs, Seen
from londi.config import EvaluateConfig, FinetuneConfig, FrontierConfig, LimitConfig
from londi.config.ray import RayConfig
from londi.errors import LondiError
from londi.evaluation.evaluate import Evaluation, evaluate
from londi.evaluation.frontier import frontier
from londi.evaluation.jobs import Watch, run_parts
from londi.evaluation.sweep import read_rows, sweep
from londi.imitation.demonstrations import load_demonstrations
from londi.imitation.finetune import finetune
from londi.learning.trainer import train
from londi.models.registry import load_model
from londi.oracle.clairvoyant import clairvoyant
from londi.scale.opening import open_workers
from playthings import same
from scale.test_workers import NAMED, NAMED_SWEEP
from scale.units import (
    FAULT,
    Waits,
    counting,
    empty,
    fails,
    gpus,
    heavy,
    played,
    simulator,
    told,
)

ray = pytest.importorskip("ray")

from londi.scale.actors import RayWorkers  # noqa: E402

RUNS = ("here", "there")
SMALL: dict[str, Any] = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


class Raylets:
    """A cluster of small nodes with room for two workers each, and this process's connection."""

    def __init__(self, fault: Path) -> None:
        self.fault = fault
        self.begin()

    def begin(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
        self.node = self.add()
        ray.init(address=self.cluster.address, log_to_driver=False, logging_level="ERROR")

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=2, **SMALL)

    def lose_a_node(self) -> None:
        """End the node that does all the work, once another one is there."""
        lost, self.node = self.node, self.add()
        self.cluster.remove_node(lost, allow_graceful=False)

    def config(self, timeout: float = 600.0) -> RayConfig:
        return RayConfig(ray=self.cluster.address, ray_timeout=timeout)

    def end(self) -> None:
        ray.shutdown()
        self.cluster.shutdown()


@pytest.fixture(scope="module")
def raylets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raylets]:
    fault = tmp_path_factory.mktemp("fault") / "fault"
    with pytest.MonkeyPatch.context() as patch:
        tests = str(Path(__file__).parent.parent)
        patch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]))
        patch.setenv(FAULT, str(fault))
        patch.setenv("RAY_worker_niceness", "0")  # else the tests wait for all other processes
        there = Raylets(fault)
        yield there
        there.end()


def counted(workers: RayWorkers[Any], fault: str, raylets: Raylets) -> list[tuple[int, int]]:
    """Two units of counting; the fault comes once the first of them is under way."""
    found = []
    for place, (item, _) in workers.stream(counting, [(10, 30), (50, 30)]):
        found.append((place, item))
        if len(found) == 5:
            if fault == "node":
                raylets.lose_a_node()
            else:
                raylets.fault.write_text(fault)
    return found


@pytest.mark.parametrize("fault", ["die", "hang", "node"])
def test_what_a_lost_worker_did_is_done_again_and_counted_once(
    fault: str, raylets: Raylets
) -> None:
    workers = RayWorkers(empty, 2, list.clear, raylets.config(20.0))
    found = counted(workers, fault, raylets)
    workers.close()
    assert not raylets.fault.exists()
    assert [item for place, item in found if place == 0] == list(range(10, 40))
    assert [item for place, item in found if place == 1] == list(range(50, 80))


@pytest.mark.filterwarnings("ignore:ray. 2 workers take 4 CPUs")
def test_units_of_a_worker_that_finds_no_room_are_done_by_the_others(raylets: Raylets) -> None:
    config = replace(raylets.config(20.0), ray_cpus=2.0)  # a worker fills the node
    workers = RayWorkers(empty, 2, list.clear, config)
    units = [(10, 30), (50, 30), (90, 30)]
    found = []
    for place, (item, process) in workers.stream(counting, units, alike=True):
        found.append((place, item, process))
        if len(found) == 5:
            raylets.fault.write_text("die")
    workers.close()
    assert not raylets.fault.exists()
    for unit, (first, items) in enumerate(units):
        numbers = [item for place, item, _ in found if place == unit]
        assert numbers == list(range(first, first + items))
    assert len({process for *_, process in found}) == 2, "one after the other"


@pytest.mark.parametrize("fault", ["", "die"])
def test_a_full_object_store_loses_nothing(fault: str, raylets: Raylets) -> None:
    """Nearly five times what it holds, all of it kept by who reads; a worker dies at that."""
    workers = RayWorkers(empty, 2, list.clear, raylets.config())
    found = []
    for place, item in workers.stream(heavy, [(0, 12), (12, 12)]):
        found.append((place, item))
        if fault and len(found) == 1:
            raylets.fault.write_text(fault)
    workers.close()
    assert not raylets.fault.exists()
    for unit, numbers in enumerate((range(12), range(12, 24))):
        assert [k for place, (k, _) in found if place == unit] == list(numbers)
    assert all((beside == k).all() for _, (k, beside) in found)


def test_no_simulator_outlives_its_worker(raylets: Raylets, tmp_path: Path) -> None:
    """One worker is killed in mid-episode, the others are ended."""
    raylets.fault.write_text("die")
    workers = RayWorkers(simulator, 2, Env.close, raylets.config())
    seen: dict[int, list[str]] = {0: [], 1: []}
    for place, look in workers.stream(played, [(3, 6, tmp_path), (3, 6, tmp_path)]):
        seen[place].append(look)
    workers.close()
    assert not raylets.fault.exists()
    assert seen[0] == seen[1] and len(seen[0]) == 6
    simulators = [Path("/proc", file.name) for file in tmp_path.iterdir()]
    assert len(simulators) == 3  # one is of the worker that came in the place of the killed one
    deadline = time.monotonic() + 60
    while any(process.exists() for process in simulators):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_error_is_told_in_its_own_words_and_units_wait_for_a_free_worker(
    raylets: Raylets,
) -> None:
    workers = RayWorkers(empty, 1, list.clear, raylets.config())
    found = list(workers.stream(counting, [(10, 1), (20, 1), (30, 1)]))
    assert [(place, item) for place, (item, _) in found] == [(0, 10), (1, 20), (2, 30)]
    (process,) = {process for _, (_, process) in found}
    assert process != os.getpid()
    with pytest.raises(LondiError, match="unknown number 'two'; did you mean 'one'"):
        list(workers.stream(fails, [("two",)]))
    workers.close()


def test_workers_that_are_lost_again_and_again_end_the_work(raylets: Raylets) -> None:
    class Breaks:
        def __init__(self, place: int) -> None:
            os._exit(1)

    workers: RayWorkers[Any] = RayWorkers(Breaks, 1, list.clear, raylets.config())
    with pytest.raises(LondiError, match="4 workers were lost at the same place"):
        list(workers.stream(counting, [(0, 1)]))
    workers.close()


def test_parts_of_a_sweep_leave_off_before_it_ends(raylets: Raylets, tmp_path: Path) -> None:
    parts = [Waits(name, tmp_path) for name in ("a", "b", "c")]

    def here() -> set[str]:
        return {file.name for file in tmp_path.iterdir()}

    assert list(run_parts(parts, 2, lambda: {"a", "b"} <= here(), raylets.config())) == []
    assert here() == {"a", "b", "a left off", "b left off"}


def test_each_worker_has_a_gpu_or_a_share_of_one(raylets: Raylets, tmp_path: Path) -> None:
    """GPUs that Ray only counts."""
    node = raylets.cluster.add_node(num_cpus=4, num_gpus=2, **SMALL)
    shared = replace(raylets.config(), ray_gpus=0.5)
    workers = open_workers(gpus, 4, shared, device="cuda")
    found = [seen for _, seen in workers.stream(told, [()] * 4)]
    workers.close()
    # Each counts from 0, so that the device of all of them is the one GPU that they see.
    assert sorted(found) == [("0", "cuda"), ("0", "cuda"), ("1", "cuda"), ("1", "cuda")]
    parts = [Seen(name, tmp_path) for name in ("a1", "a2")]
    (tmp_path / "a3").touch()  # the third that the others wait for
    seen = run_parts(parts, 2, lambda: False, raylets.config(), devices={"cpu", "cuda"})
    assert sorted(figures for _, figures in seen) == ["0", "1"]
    raylets.cluster.remove_node(node)


def test_a_part_of_a_sweep_that_hangs_is_begun_again_and_then_named(
    raylets: Raylets, tmp_path: Path
) -> None:
    watch = Watch(3.0, tmp_path)
    config = raylets.config()
    once = list(run_parts([Hangs("once", tmp_path)], 1, lambda: False, config, watch=watch))
    assert [figures for _, figures in once] == ["went on"]
    with pytest.raises(LondiError, match=r"twice: no progress for 0.05 minutes; its stacks are"):
        list(run_parts([Hangs("twice", tmp_path)], 1, lambda: False, config, watch=watch))


def choices(evaluation: Evaluation) -> list[tuple[str, int, int, str, float]]:
    return [
        (method, r.step.episode, r.step.choice, r.step.action, r.propensity)
        for method, episodes in evaluation.played.items()
        for episode in episodes
        for r in episode
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_and_its_evaluation_are_those_of_this_process(
    workers: int, raylets: Raylets, tmp_path: Path
) -> None:
    """A worker dies in each, and a node in one of them."""
    config = replace(NAMED, workers=workers)
    assert train(config, tmp_path / "here")
    reports = []

    def lose_one(report: Any) -> None:
        reports.append(report)
        if len(reports) == 2:
            raylets.fault.write_text("die")

    assert train(config, tmp_path / "there", ray=raylets.config(), on_progress=lose_one)
    assert not raylets.fault.exists()
    assert same(tmp_path / "here", tmp_path / "there")

    def lose_node(done: int, method: str) -> None:
        if done == 10 and workers == 2:
            raylets.lose_a_node()

    asked = EvaluateConfig(episodes=8, validation_episodes=4, num_envs=4, workers=workers)
    found = evaluate(tmp_path / "there", asked, ray=raylets.config(), on_episode=lose_node)
    assert choices(found) == choices(evaluate(tmp_path / "here", asked))


def test_a_limit_is_that_of_this_process(raylets: Raylets) -> None:
    there = {"env": "londi/BabyAIText-GoToObjS4-v0", "cache": "memory"}
    config = LimitConfig(**there, episodes=3, states=40, most_calls=3, workers=2)
    assert clairvoyant(config, ray=raylets.config()) == clairvoyant(config)


def test_a_sweep_whose_worker_is_lost_has_the_results_of_this_process(
    raylets: Raylets, tmp_path: Path
) -> None:
    assert sweep(NAMED_SWEEP, tmp_path / "here")
    ended: list[str] = []

    def lose(part: Any) -> None:
        ended.append(part.name)
        if len(ended) == 1:
            raylets.lose_a_node()

    config = replace(NAMED_SWEEP, jobs=2)
    assert sweep(config, tmp_path / "there", on_ended=lose, ray=raylets.config())
    assert len(ended) == len(set(ended)) == 3
    for run in ("cost=0.1,seed=0", "cost=0.1,seed=1"):
        assert same(tmp_path / "here/runs" / run, tmp_path / "there/runs" / run)
    rows = [
        [(row.name, row.result.return_mean, row.result.call_rate) for row in read_rows(folder)]
        for folder in (tmp_path / "here", tmp_path / "there")
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_round_of_a_fine_tuning_is_that_of_this_process(
    workers: int, raylets: Raylets, tiny_config: FinetuneConfig, tmp_path: Path
) -> None:
    config = replace(tiny_config, round_workers=workers, num_envs=2, threads=1)
    finetune(config, tmp_path / "here")
    finetune(config, tmp_path / "there", ray=raylets.config())
    here, there = (
        load_demonstrations(tmp_path / run / "demonstrations-1.jsonl.gz") for run in RUNS
    )
    assert here == there
    here, there = (load_model(str(tmp_path / run / "model")).fingerprint for run in RUNS)
    assert here == there


def test_a_comparison_is_that_of_this_process(raylets: Raylets, tmp_path: Path) -> None:
    assert train(replace(NAMED, universal=True, cost_range=(0.02, 0.8)), tmp_path / "run")
    config = FrontierConfig(
        runs=[str(tmp_path / "run")],
        methods=["random"],
        episodes=6,
        validation_episodes=6,
        points=2,
        budgets=[1],
        states=0,
        timelines=1,
        num_envs=4,
        workers=2,
    )
    there = frontier(config, tmp_path / "there", ray=raylets.config())
    assert repr(there) == repr(frontier(config, tmp_path / "here"))


class Killed(Exception):
    """As a kill would, it leaves nothing behind but the last checkpoint."""


def test_a_training_goes_on_on_another_cluster(raylets: Raylets, tmp_path: Path) -> None:
    def die(report: Any) -> None:
        if report.step == 96:
            raise Killed

    config = replace(NAMED, workers=2)
    assert train(config, tmp_path / "here")
    with pytest.raises(Killed):
        train(config, tmp_path / "there", ray=raylets.config(), on_progress=die)
    raylets.end()
    raylets.begin()
    assert train(config, tmp_path / "there", resume=True, ray=raylets.config())
    assert same(tmp_path / "here", tmp_path / "there")
