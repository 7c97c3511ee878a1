"""Memory of a training that goes on and on: the first part of the time against the last.

    python benchmarks/soak.py [--minutes 60] [--parts 6] [OPTION OF LONDI TRAIN ...]

A training of the built-in BabyAI pair in a process of its own, with the answer cache in a file and
a checkpoint every 4,000 steps. Memory grows by design until the replay buffer is full, so the time
counts from there. A row of the table is a part of the time: steps done, and the means of what is
resident (VmRSS), of the process's own memory (RssAnon) and of mapped files (RssFile), in MB. Exit
code 1 if the resident memory of the last part is above that of the first by more than 2%.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ALLOWED = 0.02
CAPACITY = 10_000
FIELDS = ("VmRSS", "RssAnon", "RssFile")


class Sample(NamedTuple):
    """The process at one moment: steps done, and MB of each of `FIELDS`."""

    steps: int
    memory: tuple[float, ...]


def memory_of(process: int) -> tuple[float, ...]:
    """MB of each of `FIELDS`."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith(" kB")}
    return tuple(int(kilobytes[name]) / 1024 for name in FIELDS)


def steps_of(run: Path) -> int:
    """Steps of the last whole report; 0 before the first."""
    file = run / "progress.jsonl"
    reports = file.read_bytes()[-4_000:].splitlines(keepends=True) if file.is_file() else []
    whole = [line for line in reports if line.startswith(b"{") and line.endswith(b"}\n")]
    return int(json.loads(whole[-1])["step"]) if whole else 0


def watched(
    process: subprocess.Popen[bytes], run: Path, capacity: int, seconds: float
) -> list[Sample]:
    """The process once a second, from when its buffer is full."""
    samples: list[Sample] = []
    end = float("inf")
    while time.monotonic() < end:
        time.sleep(1)
        if process.poll() is not None:
            raise SystemExit(f"the training ended with code {process.returncode}")
        steps = steps_of(run)
        if steps >= capacity:
            end = min(end, time.monotonic() + seconds)
            samples.append(Sample(steps, memory_of(process.pid)))
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--parts", type=int, default=6)
    parser.add_argument("--capacity", type=int, default=CAPACITY)
    given, options = parser.parse_known_args()
    with TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "londi", "train", "--out", str(run)]
        command += ["--cache", str(Path(folder) / "answers.sqlite"), "--seed", "0"]
        command += ["--steps", "1000000000"]
        command += ["--capacity", str(given.capacity), "--report_every", "160", *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            samples = watched(process, run, given.capacity, 60 * given.minutes)
        finally:
            process.kill()
            process.wait()
    print("| part | until step | " + " | ".join(f"{name}, MB" for name in FIELDS) + " |")
    print("|---" * (2 + len(FIELDS)) + "|")
    size = len(samples) // given.parts
    means = []
    for number in range(given.parts):
        part = samples[number * size : (number + 1) * size]
        means.append(
            [statistics.fmean(column) for column in zip(*(s.memory for s in part), strict=True)]
        )
        row = " | ".join(f"{mean:.1f}" for mean in means[-1])
        print(f"| {number + 1} | {part[-1].steps:,} | {row} |")
    change = means[-1][0] / means[0][0] - 1
    minutes = len(samples) / 60
    print(f"\n{minutes:.0f} minutes; resident memory of the last part: {change:+.1%} of the first.")
    return int(change > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
