"""How many episodes were played under a budget in `mask` mode, and in how many it was exceeded.

    python benchmarks/violations.py SWEEP ...

Counts those of the trainings (`progress.jsonl` looks back on a hundred episodes at every report,
more than end between two of them) and those that the Switchers were evaluated on (`played.json`).
"""

import json
from collections import Counter
from pathlib import Path

from arguments import existing, make_parser

from londi.config import TrainConfig
from londi.evaluation.sweep import PLAYED, RUNS
from londi.learning.statistics import read_progress
from londi.storage.runs import read_run


def main(sweeps: list[Path]) -> None:
    """Print the counts by environment."""
    played: Counter[str] = Counter()
    exceeded: Counter[str] = Counter()
    for run in (folder for sweep in sweeps for folder in sorted((sweep / RUNS).iterdir())):
        config = read_run(run, TrainConfig)
        if config.budget == "none" or config.budget_mode != "mask":
            continue
        reports = read_progress(run)
        played[config.env] += reports[-1].episodes
        exceeded[config.env] += sum(report.overspent > 0 for report in reports)
        if (run / PLAYED).is_file():
            rows = json.loads((run / PLAYED).read_text(encoding="utf-8"))
            played[config.env] += len(rows)
            exceeded[config.env] += sum(row["overspent"] > 0 for row in rows)
    for env, episodes in played.items():
        print(f"{env}: {episodes} episodes, the budget exceeded in {exceeded[env]}")


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("sweeps", type=existing, nargs="+")
    main(given.parse_args().sweeps)
