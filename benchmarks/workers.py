"""Steps a second of a ScienceWorld training with one and with two workers.

    python benchmarks/workers.py [--steps 3000] [--turns 2] [--envs 8]

The learner makes no gradient steps before the last one, and all answers of the models come from a
cache that a run before has filled, so that the simulator is what takes the time. Three ways take
turns: one worker in this process, one on Ray, two on Ray. Seconds are counted from the first report
on, when models and simulators are up. Prints a line for each run, and the median ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from londi import TrainConfig, train
from londi.config.ray import RayConfig
from londi.learning.statistics import Progress

WAYS = {
    "one worker, this process": (1, ""),
    "one worker, Ray": (1, "local"),
    "two workers, Ray": (2, "local"),
}


def steps_a_second(config: TrainConfig, ray: RayConfig) -> float:
    """The speed of a training between its first report and its last."""
    seen: list[tuple[int, float]] = []

    def note(progress: Progress) -> None:
        seen.append((progress.step, time.perf_counter()))

    with TemporaryDirectory() as folder:
        train(config, Path(folder) / "run", on_progress=note, ray=ray)
    (first, began), (last, ended) = seen[0], seen[-1]
    return (last - first) / (ended - began)


def main(steps: int, turns: int, envs: int) -> None:
    with TemporaryDirectory() as folder:
        config = TrainConfig(
            env="londi/ScienceWorld-short-v0",
            cache=str(Path(folder) / "answers.sqlite"),
            steps=steps,
            warmup=steps - 1,
            num_envs=envs,
            report_every=max(1, steps // 5),
        )
        speeds: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(turns + 1):
            for way, (workers, ray) in WAYS.items():
                speed = steps_a_second(replace(config, workers=workers), RayConfig(ray))
                if turn:  # the first fills the cache
                    speeds[way].append(speed)
                    print(f"{way}: {speed:.0f} steps/s", flush=True)
        base, *others = WAYS
        for way in others:
            pairs = zip(speeds[way], speeds[base], strict=True)
            print(f"{way}: {statistics.median(a / b for a, b in pairs):.2f} times {base}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--envs", type=int, default=8)
    given = parser.parse_args()
    main(given.steps, given.turns, given.envs)
