"""Return against the number of calls that an episode may make, from none to the largest.

    londi frontier RUN ... --out DIR
    python benchmarks/budgets.py DIR

Plays the universal Switcher at its lowest cost, so that the budget alone keeps it from calling, and
DEEPTHINK until it is out of calls, on the held-out episodes of a comparison; what DIR holds already
is not played again. Prints a table, with the clairvoyant's returns where DIR has them, and leaves
`budgets.png` in DIR.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from arguments import existing, make_parser
from frontier import between
from horizon import figures
from matplotlib.figure import Figure

from londi.baselines.registry import UNIVERSAL, Baseline, OperatingPoint
from londi.config import FrontierConfig
from londi.envs.scienceworld.simulator import warm
from londi.evaluation.comparison import Comparison
from londi.evaluation.curves import read_frontier
from londi.storage.runs import read_run
from londi.switching.switcher import ConstantSwitcher

BUDGETS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 20)
SPEND = Baseline("deepthink", "DEEPTHINK until out of calls", False, lambda bench: [])
LIMIT = "clairvoyant, at most"
COLORS = {UNIVERSAL.label: "#D55E00", SPEND.label: "#000000", LIMIT: "#0072B2"}
Floats = npt.NDArray[np.float64]


def main(folder: Path) -> None:
    """Print the table, and draw it."""
    comparison = Comparison(folder, read_run(folder, FrontierConfig), None, lambda *_: None)
    found = read_frontier(folder)
    most = comparison.trainings[0].most_budget
    budgets = [*(n for n in BUDGETS if n <= most), None]
    lowest = [of_seed[:1] for of_seed in comparison.candidates(UNIVERSAL)]
    spots = [(0, n) for n in budgets]
    spend = [[OperatingPoint("until out of calls", ConstantSwitcher(1.0), 0.0)]]
    with warm():
        ours = comparison.played(UNIVERSAL, lowest, spots, held_out=True)
        spent = comparison.played(SPEND, spend, spots, held_out=True)
    comparison.pair.close()
    limit = found.limit_budgets

    print(f"{found.env}, {found.episodes} held-out episodes, londi at {lowest[0][0].setting}\n")
    print("| n | londi | 95% interval | calls | spends all | DEEPTHINK until out | clairvoyant |")
    print("|---|---|---|---|---|---|---|")
    curves: dict[str, list[tuple[float, float, float]]] = {name: [] for name in COLORS}
    for n, runs, others in zip(budgets, ours, spent, strict=True):
        (mean, low, high, _), (spent_mean, spent_low, spent_high, _) = (
            figures(runs),
            figures(others),
        )
        calls = np.array([[e.calls for e in run] for run in runs])
        tight = f"{(calls == n).mean():.0%}" if n is not None else "-"
        best = limit[n] if n is not None and n < len(limit) else None
        curves[UNIVERSAL.label].append((mean, low, high))
        curves[SPEND.label].append((spent_mean, spent_low, spent_high))
        if best:
            # What nobody exceeds is the line; how far below it the limit may lie, the band.
            curves[LIMIT].append((best.return_at_most, best.return_at_least, best.return_at_most))
        print(
            f"| {'none' if n is None else n} | {mean:.3f} |"
            f" {low:.3f} .. {high:.3f} |"
            f" {calls.mean():.2f} | {tight} | {spent_mean:.3f} |"
            f" {between(best) if best else '-'} |"
        )
    draw([f"{n}" if n is not None else "none" for n in budgets], curves, found.env, folder)


def draw(
    names: list[str], curves: dict[str, list[tuple[float, float, float]]], env: str, folder: Path
) -> None:
    """Return against budget."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for label, rows in curves.items():
        if rows:
            mean, low, high = np.array(rows).T
            at = np.arange(len(mean))
            axes.plot(at, mean, marker="o", color=COLORS[label], label=label)
            axes.fill_between(at, low, high, color=COLORS[label], alpha=0.15, linewidth=0)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("calls that an episode may make")
    axes.set_ylabel("return")
    axes.legend(frameon=False, fontsize=8)
    axes.grid(color="#EEEEEE")
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(env.removeprefix("londi/"), fontsize=10)
    figure.savefig(folder / "budgets.png", dpi=200)


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("folder", type=existing)
    main(given.parse_args().folder)
