"""The universal Switchers of a sweep, each played where another was trained for that point alone.

    londi sweep --config configs/sweeps/universal.yaml --out DIR
    python benchmarks/universal.py DIR

Both play the same held-out episodes. Means over the seeds of either; the differences with 95%
intervals, bootstrapped over the seeds of either and the episodes of both.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from arguments import existing, make_parser

from londi.config import EvaluateConfig, SweepConfig, TrainConfig
from londi.config.settings import make_config
from londi.envs.scienceworld.simulator import warm
from londi.evaluation.evaluate import read_played, write_played
from londi.evaluation.metrics import bootstrap_difference
from londi.evaluation.results import Episode, call_rate
from londi.evaluation.sweep import PLAYED, RUNS, play_held_out
from londi.storage.runs import read_run


def main(sweep: Path) -> None:
    """Print the table of all points."""
    evaluation = make_config(EvaluateConfig, read_run(sweep, SweepConfig).evaluation)
    universal: list[Path] = []
    points: defaultdict[tuple[str, float], list[Path]] = defaultdict(list)
    steps = 0
    for file in sorted((sweep / RUNS).glob(f"*/{PLAYED}")):
        config = read_run(file.parent, TrainConfig)
        if config.universal:
            universal.append(file.parent)
        else:
            points[str(config.budget), config.cost].append(file.parent)
            steps += config.steps
    print("| c | n | alone: return | calls | universal: return | calls | difference | of worth |")
    print("|---|---|---|---|---|---|---|---|")
    with warm():
        for (budget, cost), runs in sorted(points.items()):
            point = read_run(runs[0], TrainConfig)
            alone = [read_played(run / PLAYED) for run in runs]
            ours = [there(run, point, evaluation) for run in universal]
            cells = [
                text
                for side in (alone, ours)
                for text in (f"{mean(side, 'total'):.3f}", f"{call_rate(side):.3f}")
            ]
            cells += [difference(ours, alone, price) for price in (0.0, cost)]
            print(f"| {cost:g} | {budget} | {' | '.join(cells)} |", flush=True)
    share = sum(read_run(run, TrainConfig).steps for run in universal) / steps
    print(f"\n{share:.2f} of the environment steps of all the others")


def there(run: Path, point: TrainConfig, evaluation: EvaluateConfig) -> list[Episode]:
    """The held-out episodes as the universal Switcher in `run` plays them on a point's terms."""
    file = run / f"played-c={point.cost:g}-n={point.budget}.json"
    if not file.is_file():
        config = replace(read_run(run, TrainConfig), cost=point.cost, budget=point.budget)
        write_played(file, play_held_out(config, run, evaluation))
    return read_played(file)


def mean(played: list[list[Episode]], field: str) -> float:
    """Over seeds and episodes."""
    return float(np.mean([[getattr(e, field) for e in run] for run in played]))


def difference(ours: list[list[Episode]], alone: list[list[Episode]], price: float) -> str:
    """By how much our returns, less this price of a call, are more, with its interval."""
    a, b = (
        np.array([[e.total - price * e.calls for e in run] for run in side])
        for side in (ours, alone)
    )
    low, high = bootstrap_difference(a, b)
    return f"{a.mean() - b.mean():+.3f} ({low:+.3f} .. {high:+.3f})"


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("sweep", type=existing)
    main(given.parse_args().sweep)
