"""Pictures of return against call rate: of an evaluation, and of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from londi.evaluation.results import Result
from londi.storage.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import ColorType

PLOT = "return-call-rate.png"

COLOURS = {
    "quick": "#555555",
    "deepthink": "#000000",
    "random": "#E69F00",
    "threshold": "#0072B2",
    "londi": "#D55E00",
}
"""Colours that the colour-blind tell apart, also in grey (Okabe and Ito)."""
OTHER = "#009E73"
GREY = "#BBBBBB"

_STYLES = {
    "quick": ("s", "QUICK alone"),
    "deepthink": ("D", "DEEPTHINK alone"),
    "random": ("v", "random"),
    "threshold": ("^", "threshold on QUICK's confidence"),
    "londi": ("o", "LONDI"),
}


def plot(results: Sequence[Result], file: Path) -> None:
    """Draw every method with its 95% interval, and the line that random switching can reach.

    Args:
        results: one a method.
        file: where to; the ending decides the format (`.png`, `.pdf`, `.svg`).
    """
    figure, axes = figure_of(5.6)
    by_method = {result.method: result for result in results}
    ends_line(axes, [by_method[m] for m in ("quick", "deepthink") if m in by_method])
    for result in results:
        marker, label = _STYLES.get(result.method, ("o", result.method))
        color = COLOURS.get(result.method, OTHER)
        _point(axes, result, color, marker, label, zorder=3 if result.method == "londi" else 2)
    runs = len(results[0].seed)
    title(
        axes,
        results[0],
        f" × {runs} training {'seed' if runs == 1 else 'seeds'}, c = {results[0].cost:g}",
    )
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    save(figure, file)


def plot_sweep(lines: Sequence[tuple[str, Result]], file: Path) -> None:
    """Draw every line of a sweep's table, and for each pair the line of random switching.

    Args:
        lines: results with their names; those of a pair's models alone come as quick, then
            deepthink.
        file: where to; the ending decides the format.
    """
    from matplotlib import colormaps

    figure, axes = figure_of(8.4)
    results = [result for _, result in lines]
    for quick, deepthink in pairwise(results):
        if (quick.method, deepthink.method) == ("quick", "deepthink"):
            ends_line(axes, [quick, deepthink])
    learned = sum(result.method == "londi" for result in results)
    colors = iter(colormaps["viridis"](np.linspace(0.0, 0.9, max(learned, 1))))
    for k, (name, result) in enumerate(lines):
        if result.method == "londi":
            _point(axes, result, next(colors), "ov^sDPX*"[k % 8], name.removeprefix("londi "))
        else:
            marker, label = _STYLES[result.method]
            label += name.removeprefix(result.method)
            _point(axes, result, COLOURS[result.method], marker, label)
    title(axes, results[0], "")
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    save(figure, file)


def figure_of(width: float) -> tuple[Figure, Axes]:
    """An empty picture so many inches wide."""
    # Drawn without pyplot: no global state and no window, whatever backend is configured.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.0), layout="constrained")
    return figure, figure.subplots()


def ends_line(axes: Axes, ends: Sequence[Result]) -> None:
    """Draw what random switching reaches: the line between the two models alone."""
    axes.plot(
        [end.call_rate for end in ends],
        [end.return_mean for end in ends],
        color="#BBBBBB",
        linestyle="--",
        linewidth=1,
        zorder=1,
        label="QUICK to DEEPTHINK",
    )


def _point(
    axes: Axes, result: Result, color: ColorType, marker: str, label: str, zorder: int = 2
) -> None:
    low, high = result.return_ci
    axes.errorbar(
        result.call_rate,
        result.return_mean,
        # Never below zero: the mean and a bound may differ by rounding alone.
        yerr=[[max(0.0, result.return_mean - low)], [max(0.0, high - result.return_mean)]],
        color=color,
        marker=marker,
        markersize=7,
        linestyle="none",
        capsize=3,
        zorder=zorder,
        label=label,
    )


def title(axes: Axes, first: Result, more: str) -> None:
    """Name the axes of return against call rate, and say what was played."""
    axes.set_xlabel("call rate (DEEPTHINK steps / steps)")
    axes.set_ylabel("return")
    axes.set_xlim(-0.04, 1.04)
    axes.set_title(
        f"{first.env.removeprefix('londi/')}\n{first.episodes} held-out episodes{more}", fontsize=10
    )
    styled(axes)


def styled(axes: Axes) -> None:
    """Give axes the look of all pictures: a light grid, no box."""
    axes.grid(color="#EEEEEE")
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, file: Path) -> None:
    """Write a picture, whole or not at all; the ending decides the format."""
    with replacing(file) as part:
        figure.savefig(part, dpi=200, format=file.suffix[1:])
