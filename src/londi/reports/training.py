"""The training curve of a run: return and call rate against steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from londi.learning.statistics import Progress
from londi.reports.plot import COLOURS, save, styled

TRAINING = "training.png"


def plot_training(reports: Sequence[Progress], file: Path) -> None:
    """Draw return and call rate of a training, one above the other.

    Args:
        reports: of the run, the earliest first; without any there is no picture.
        file: where to; the ending decides the format (`.png`, `.pdf`, `.svg`).
    """
    from matplotlib.figure import Figure

    if not reports:
        return
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    panels = figure.subplots(2, sharex=True)
    steps = [report.step for report in reports]
    returns = [report.return_mean for report in reports]
    rates = [report.call_rate for report in reports]
    for axes, values, name in zip(panels, (returns, rates), ("return", "call rate"), strict=True):
        axes.plot(
            steps,
            values,
            color=COLOURS["londi"],
            linewidth=1.6,
            marker="o" if len(steps) < 3 else "",
        )
        axes.set_ylabel(name)
        styled(axes)
    panels[1].set_ylim(-0.04, 1.04)
    panels[1].set_xlabel("environment steps")
    panels[1].xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    panels[0].set_title("Training, mean of the last 100 episodes", fontsize=10)
    save(figure, file)
