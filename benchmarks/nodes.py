"""A sweep of nine runs in this process, on a cluster of two nodes, and with a node that is killed.

    python benchmarks/nodes.py [--steps 2000] [--episodes 100]

Nine trainings of the built-in BabyAI pair: three costs, three seeds each. The cluster is Ray's test
cluster, two nodes of one core each on this machine. A node is killed in the middle of a run, and
the other one does the rest: the lost run goes on from its last checkpoint. Prints the seconds of
each way, those of a run, whether every Switcher is that of this process to the bit and every
figure the same, and the steps that are played again. Exit code 1 if a figure differs.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

import ray
from arguments import make_parser
from ray.cluster_utils import Cluster

from londi.config import SweepConfig
from londi.config.ray import RayConfig
from londi.evaluation.sweep import Ended, read_rows, sweep
from londi.learning.statistics import read_progress
from londi.storage.checkpoint import has_state, load_state
from londi.switching.switcher import CHECKPOINT

NODE: Mapping[str, Any] = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
HERE = "this process"
"""The way that the others are held against."""
KILLED = "two nodes, one killed"
REPORT_EVERY = 50
"""Steps between two reports, and so how exactly the steps lost are known."""


class Nodes:
    """A cluster of two nodes of one core each, and this process's connection to it."""

    def __init__(self) -> None:
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **NODE})
        self._nodes = [self._cluster.add_node(num_cpus=1, **NODE) for _ in range(2)]
        ray.init(address=self._cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        self.config = RayConfig(ray=self._cluster.address)

    def kill_one(self) -> None:
        """End a node with all that runs on it."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def end(self) -> None:
        ray.shutdown()
        self._cluster.shutdown()


class Ends:
    """The moments at which runs end; in the middle of the run behind the third, `then` is done."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.began = time.perf_counter()
        self.moments: list[float] = []
        self._then = then

    def __call__(self, ended: Ended) -> None:
        self.moments.append(time.perf_counter())
        if self._then is not None and len(self.moments) == 3:
            Timer((self.moments[-1] - self.began) / 4, self._then).start()  # two runs in turns


def steps_lost(folder: Path) -> int:
    """The most steps of one begun run that no checkpoint holds, to the last report."""
    lost = [0]
    for run in (folder / "runs").iterdir():
        reports, saved = read_progress(run), run / CHECKPOINT
        kept = load_state(saved)["step"] if has_state(saved) else 0
        lost.append(reports[-1].step - kept if reports else 0)
    return max(lost)


def switchers(folder: Path) -> dict[str, dict[str, bytes]]:
    """The weights of every run's Switcher."""
    return {
        run.name: {
            name: tensor.numpy().tobytes()
            for name, tensor in load_state(run / CHECKPOINT)["switcher"]["actor"].items()
        }
        for run in sorted((folder / "runs").iterdir())
    }


def figures(folder: Path) -> list[tuple[str, float, float]]:
    """Return and call rate of every row of the sweep's table."""
    return [(row.name, row.result.return_mean, row.result.call_rate) for row in read_rows(folder)]


def played(way: str, config: SweepConfig, place: Path, ray: RayConfig | None, ends: Ends) -> bool:
    """Run the sweep in a folder of its own, print its row, and tell whether all is as HERE."""
    sweep(config, place / way, on_ended=ends, ray=ray)
    seconds = time.perf_counter() - ends.began
    gap = statistics.median(b - a for a, b in pairwise(ends.moments))
    same = [of(place / way) == of(place / HERE) for of in (switchers, figures)]
    print(f"| {way} | {seconds:.0f} | {gap:.0f} | {same[0]} | {same[1]} |", flush=True)
    return all(same)


def main(config: SweepConfig, place: Path) -> bool:
    """Run the three sweeps, and tell whether their results are the same."""
    print("| way | seconds | between two ends of runs | Switchers equal | figures equal |")
    print("|---|---|---|---|---|", flush=True)
    equal = [played(HERE, config, place, None, Ends())]
    nodes, config = Nodes(), replace(config, jobs=2)
    equal.append(played("two nodes", config, place, nodes.config, Ends()))
    lost: list[int] = []

    def kill() -> None:
        # Asked just before: it takes seconds to end a node, and the other one goes on.
        lost.append(steps_lost(place / KILLED))
        nodes.kill_one()

    equal.append(played(KILLED, config, place, nodes.config, Ends(kill)))
    nodes.end()
    print(f"At the kill no run had more than {lost[0]} steps behind its last checkpoint.")
    return all(equal)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--episodes", type=int, default=100)
    given = parser.parse_args()
    with TemporaryDirectory() as kept:
        raise SystemExit(
            not main(
                SweepConfig(
                    base={
                        "steps": given.steps,
                        "warmup": 500,
                        "checkpoint_every": 500,
                        "report_every": REPORT_EVERY,
                    },
                    grid=[{"cost": [0.002, 0.005, 0.01], "seed": [0, 1, 2]}],
                    evaluation={"episodes": given.episodes},
                ),
                Path(kept),
            )
        )
