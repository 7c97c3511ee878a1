"""A replay buffer of ten million transitions: its memory, its draws, and its checkpoints.

    python benchmarks/replay.py FOLDER [--memory] [--transitions N] [--observation D]

FOLDER is on a local disk with room for the buffer twice: its file, and a checkpoint. Transitions
are added in blocks, with 7 draws of 256 after each. At 1%, 10%, 50% and 100% of the transitions a
checkpoint is written, 4,000 transitions are added, and another checkpoint is written, of which a
row has the MB. Times are of the CPU, and behind a stroke of the wall. Memory is the largest
resident one (VmRSS) since the row before, and what of it is the process's own (RssAnon) at its end;
a row without a buffer stands first. With `--memory` the buffer is in memory, as by default in a
training.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
from arguments import OBSERVATION

from londi.learning.replay import Experience, ReplayBuffer
from londi.storage.checkpoint import save_state

BLOCK, BATCH, NEW = 4_096, 256, 4_000
DRAWS = 7
"""After a block; memory is given back within the eighth."""
SHARES = (0.01, 0.1, 0.5, 1.0)


def resident(name: str) -> float:
    """MB of this process, by the name of /proc/self/status."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def block(rows: int, size: int, rng: np.random.Generator) -> Experience:
    """Random transitions."""
    return Experience(
        observation=rng.random((rows, size), np.float32),
        choice=rng.integers(2, size=rows),
        reward=rng.random(rows, np.float32),
        next_observation=rng.random((rows, size), np.float32),
        terminated=rng.random(rows) < 0.1,
        allowed=np.ones((rows, 2), bool),
        next_allowed=np.ones((rows, 2), bool),
        overspent=np.zeros(rows, bool),
    )


class Watch:
    """Seconds of the CPU and of the wall, added up over the contexts that it is."""

    def __init__(self) -> None:
        self.taken = np.zeros(2)

    def __enter__(self) -> None:
        self.taken -= time.process_time(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.taken += time.process_time(), time.perf_counter()


def checkpoint(buffer: ReplayBuffer, folder: Path) -> tuple[float, Watch]:
    """Write one; MB that are new on the disk, and the time."""
    before = {file.stat().st_ino for file in folder.glob("*")}
    watch = Watch()
    with watch:
        save_state(folder, {"buffer": buffer.state()})
    files = [file.stat() for file in folder.iterdir()]
    return sum(file.st_size for file in files if file.st_ino not in before) / 1e6, watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--transitions", type=int, default=10_000_000)
    parser.add_argument("--observation", type=int, default=OBSERVATION)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    saved = given.folder / "checkpoint"
    rng = np.random.default_rng(0)
    some = block(BLOCK, given.observation, rng)
    print("| transitions | GB | resident, MB | own, MB | ms a draw | checkpoint, MB | seconds |")
    print("|---" * 7 + "|")
    print(f"| 0 | 0 | {resident('VmRSS'):.0f} | {resident('RssAnon'):.0f} | | | |", flush=True)
    folder = "" if given.memory else str(given.folder)
    buffer = ReplayBuffer(given.transitions, given.observation, folder)
    try:
        for share in SHARES:
            most, draws, drawing = 0.0, 0, Watch()
            while len(buffer) < share * given.transitions:
                buffer.add(some)
                with drawing:
                    for _ in range(DRAWS):
                        buffer.sample(BATCH, 0.1, 0.0, rng)
                draws += DRAWS
                most = max(most, resident("VmRSS"))
            checkpoint(buffer, saved)
            buffer.add(block(NEW, given.observation, rng))
            written, saving = checkpoint(buffer, saved)
            most = max(most, resident("VmRSS"))
            size = len(buffer) * (8 * given.observation + 32) / 1e9
            row = [f"{len(buffer):,}", f"{size:.2f}", f"{most:.0f}", f"{resident('RssAnon'):.0f}"]
            row.append(" / ".join(f"{1e3 * taken / draws:.2f}" for taken in drawing.taken))
            row += [f"{written:.1f}", " / ".join(f"{taken:.2f}" for taken in saving.taken)]
            print("| " + " | ".join(row) + " |", flush=True)
    finally:
        shutil.rmtree(saved, ignore_errors=True)


if __name__ == "__main__":
    main()
