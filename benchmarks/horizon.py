"""Return and call rate by how long an episode has to be: what switching does as horizons grow.

    londi frontier RUN ... --out DIR
    python benchmarks/horizon.py DIR

Reads what QUICK, DEEPTHINK and the universal Switcher have played of the held-out episodes, lets
the environment's expert play them too, and parts them by the steps that it takes. Prints a table
and leaves `horizon.png` in DIR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from arguments import existing, make_parser
from matplotlib.figure import Figure

from londi.config import FrontierConfig, TrainConfig
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds
from londi.evaluation.comparison import played_file
from londi.evaluation.curves import read_frontier
from londi.evaluation.evaluate import read_played
from londi.evaluation.metrics import bootstrap
from londi.evaluation.play import play, summary
from londi.evaluation.results import Episode, call_rate
from londi.models.pair import load_pair
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher

BINS = 5
STYLES = {
    "quick": ("#555555", "s"),
    "deepthink": ("#000000", "D"),
    "londi": ("#D55E00", "o"),
    "coin": ("#E69F00", "v"),
}


def main(folder: Path) -> None:
    """Print the table, and draw it."""
    config = read_run(folder, FrontierConfig)
    training = read_run(Path(config.runs[0]), TrainConfig)
    found = read_frontier(folder)
    point = min(found.curves[0].points, key=lambda p: abs(p.result.cost - training.cost))

    def played(method: str, setting: str, seeds: Sequence[int]) -> list[list[Episode]]:
        files = [played_file(folder, True, method, setting, None, seed) for seed in seeds]
        return [read_played(file) for file in files]

    methods = {name: played(name, "alone", found.seeds[:1]) for name in ("quick", "deepthink")}
    methods["londi"] = played("londi", point.setting, found.seeds)
    lengths = np.array([e.steps for e in expert(training, config)])
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, BINS + 1)).astype(int))
    bins = [
        (low, high, np.flatnonzero((lengths >= low) & (lengths <= high)))
        for low, high in zip([edges[0], *(edges[1:-1] + 1)], edges[1:], strict=True)
    ]
    print(f"{found.env}, {config.episodes} held-out episodes, londi at {point.setting}\n")
    print("| expert's steps | episodes | QUICK | DEEPTHINK | LONDI | 95% interval | call rate |")
    print("|---|---|---|---|---|---|---|")
    rows: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in methods}
    for low, high, which in bins:
        for name, runs in methods.items():
            part = [[run[k] for k in which] for run in runs]
            rows[name].append(figures(part))
        quick, deepthink, (mean, least, most, rate) = (rows[n][-1] for n in methods)
        print(
            f"| {low} to {high} | {len(which)} | {quick[0]:.3f} | {deepthink[0]:.3f} | {mean:.3f} |"
            f" {least:.3f} .. {most:.3f} | {rate:.3f} |"
        )
    names = [f"{low}–{high}" for low, high, _ in bins]
    draw(names, rows, found.env, folder / "horizon.png", "steps that the expert takes")


def figures(runs: Sequence[Sequence[Episode]]) -> tuple[float, float, float, float]:
    """The mean return over seeds and episodes, its interval, and the call rate."""
    returns = np.array([[e.total for e in run] for run in runs])
    return float(returns.mean()), *bootstrap(returns), call_rate(runs)


def expert(training: TrainConfig, config: FrontierConfig) -> list[Episode]:
    """The held-out episodes as the environment's expert plays them."""
    pair = load_pair(replace(training, deepthink="expert", cache="none"), config.seed)
    with warm():
        played = play(
            pair,
            ConstantSwitcher(1.0),
            held_out_seeds(config.episodes),
            cost=0.0,
            budget=Budget(),
            num_envs=config.num_envs,
            seed=config.seed,
        )
    return summary(played)


def draw(
    names: Sequence[str],
    rows: dict[str, list[tuple[float, float, float, float]]],
    title: str,
    file: Path,
    across: str,
) -> None:
    """Return on the left, call rate on the right."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    at = np.arange(len(names))
    for name, figures in rows.items():
        mean, low, high, rate = np.array(figures).T
        color, marker = STYLES[name]
        error = np.maximum(0.0, [mean - low, high - mean])
        left.errorbar(at, mean, yerr=error, color=color, marker=marker, capsize=3, label=name)
        if name == "londi":
            right.plot(at, rate, color=color, marker=marker)
    left.set_ylabel("return")
    right.set_ylabel("call rate of londi")
    right.set_ylim(0, 1)
    left.legend(frameon=False, fontsize=8)
    wide = sum(map(len, names)) > 60
    for axes in (left, right):
        axes.set_xticks(at, names, rotation=40 if wide else 0, ha="right" if wide else "center")
        axes.tick_params(labelsize=8)
        axes.set_xlabel(across)
        axes.grid(color="#EEEEEE")
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title.removeprefix("londi/"), fontsize=10)
    figure.savefig(file, dpi=200)


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("folder", type=existing)
    main(given.parse_args().folder)
