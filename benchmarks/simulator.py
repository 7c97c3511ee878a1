"""A step of ScienceWorld, here and in the package's own client, side by side.

    python benchmarks/simulator.py [TASK ...]

Both play the simulator's own solution of the same variations, in turns, so that a busy machine
slows both.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from arguments import make_parser

from londi.envs.scienceworld.env import ScienceWorld
from londi.envs.scienceworld.simulator import java

TASKS = ("boil", "find-plant", "chemistry-mix", "power-component")


def main(tasks: list[str]) -> None:
    # The package launches a plain `java`.
    os.environ["PATH"] = f"{Path(java()).parent}{os.pathsep}{os.environ['PATH']}"
    from scienceworld import ScienceWorldEnv

    ours, theirs = ScienceWorld(expert=True), ScienceWorldEnv("")
    for task in tasks:
        _, info = ours.reset(seed=0, options={"task": task, "variation": 0})
        theirs.load(task, 0, "easy")
        theirs.reset()
        here, there = [], []
        while action := info["expert"]:
            start = time.perf_counter()
            *_, info = ours.step(action)
            middle = time.perf_counter()
            theirs.step(action)
            here.append(middle - start)
            there.append(time.perf_counter() - middle)
        ratio = statistics.median(b / a for a, b in zip(here, there, strict=True))
        print(
            f"{task:<20} {len(here):>3} steps: {1e3 * statistics.median(here):5.1f} ms here,"
            f" {1e3 * statistics.median(there):6.1f} ms there, {ratio:.1f} times"
        )
    ours.close()
    theirs.close()


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("tasks", nargs="*", default=list(TASKS))
    main(given.parse_args().tasks)
