"""Speed and memory of a training, against the code of another checkout, in turn.

    python benchmarks/training.py BEFORE [--env babyai|scienceworld] [--steps N] [--turns N]

BEFORE is a checkout. Both train with the settings of the demonstration, or with those of
configs/builtin/scienceworld.yaml; answers are cached in memory. A row is a training: seconds with
the start of the process, steps a second after the warm-up, and the largest memory of the process.
The median of the ratios stands at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[1]
RUN = "import sys; from londi.cli.main import main; sys.exit(main(sys.argv[1:]))"
SETTINGS = {
    "babyai": [],
    "scienceworld": ["--config", str(HERE / "configs/builtin/scienceworld.yaml")],
}
STEPS = {"babyai": 8000, "scienceworld": 1600}


class Figures(NamedTuple):
    """One training.

    Attributes:
        seconds: wall seconds, with the start of the process.
        speed: environment steps a second, from the first report to the last.
        memory: MB of the process at its largest.
    """

    seconds: float
    speed: float
    memory: float


def train(checkout: Path, env: str, steps: int) -> Figures:
    """Train with the code of a checkout in a process of its own."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        given = ["train", *SETTINGS[env], "--steps", str(steps), "--cache", "memory"]
        given += ["--seed", "0", "--report_every", "200", "--warmup", "400", "--out", str(out)]
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, *given],
            env=os.environ | {"PYTHONPATH": str(checkout / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"the training of {checkout} failed")
        lines = (out / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    first, last = (json.loads(line) for line in (lines[2], lines[-1]))  # after the warm-up
    speed = (last["step"] - first["step"]) / (last["seconds"] - first["seconds"])
    return Figures(seconds, speed, used.ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("--env", choices=list(SETTINGS), default="babyai")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    steps = given.steps or STEPS[given.env]
    checkouts = {"before": given.before, "now": HERE}
    taken: dict[str, list[Figures]] = {name: [] for name in checkouts}
    print("| code | seconds | steps a second | MB |")
    print("|---|---|---|---|")
    for _ in range(given.turns):
        for name, checkout in checkouts.items():
            taken[name].append(train(checkout, given.env, steps))
            seconds, speed, memory = taken[name][-1]
            print(f"| {name} | {seconds:.1f} | {speed:.0f} | {memory:.0f} |", flush=True)
    ratios = [
        statistics.median(new[k] / old[k] for old, new in zip(*taken.values(), strict=True))
        for k in range(3)
    ]
    print("| now / before, median | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


if __name__ == "__main__":
    main()
