"""Pictures of return against call rate. It knows results and no player."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from londi.evaluation.curves import Frontier
from londi.evaluation.metrics import Result
from londi.storage.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT = "return-call-rate.png"

# Colours that are told apart by the colour-blind and in grey (Okabe and Ito), with a marker each.
_STYLES = {
    "quick": ("#555555", "s", "QUICK alone"),
    "deepthink": ("#000000", "D", "DEEPTHINK alone"),
    "random": ("#E69F00", "v", "random"),
    "threshold": ("#0072B2", "^", "threshold on QUICK's confidence"),
    "londi": ("#D55E00", "o", "LONDI"),
}


# As the above, for curves by their place; the first is the universal Switcher.
_CURVES = [
    ("#D55E00", "o"),
    ("#E69F00", "v"),
    ("#56B4E9", "s"),
    ("#009E73", "D"),
    ("#0072B2", "^"),
    ("#CC79A7", "P"),
    ("#999933", "X"),
    ("#332288", "*"),
    ("#666666", "<"),
    ("#882255", ">"),
    ("#117733", "h"),
]


def plot(results: Sequence[Result], file: Path) -> None:
    """Draw every method with its 95% interval, and the line that random switching can reach.

    Args:
        results: one a method.
        file: where to; the ending decides the format (`.png`, `.pdf`, `.svg`).
    """
    figure, axes = _figure(5.6)
    by_method = {result.method: result for result in results}
    _line(axes, [by_method[m] for m in ("quick", "deepthink") if m in by_method])
    for result in results:
        color, marker, label = _STYLES.get(result.method, ("#009E73", "o", result.method))
        _point(axes, result, color, marker, label, zorder=3 if result.method == "londi" else 2)
    runs = len(results[0].seed)
    _title(
        axes,
        results[0],
        f" × {runs} training {'seed' if runs == 1 else 'seeds'}, c = {results[0].cost:g}",
    )
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    _save(figure, file)


def plot_sweep(lines: Sequence[tuple[str, Result]], file: Path) -> None:
    """Draw every line of a sweep's table, and for each pair the line of random switching.

    Args:
        lines: results with their names; those of a pair's models alone come as quick, then
            deepthink.
        file: where to; the ending decides the format.
    """
    from matplotlib import colormaps

    figure, axes = _figure(8.4)
    results = [result for _, result in lines]
    for quick, deepthink in pairwise(results):
        if (quick.method, deepthink.method) == ("quick", "deepthink"):
            _line(axes, [quick, deepthink])
    learned = sum(result.method == "londi" for result in results)
    colors = iter(colormaps["viridis"](np.linspace(0.0, 0.9, max(learned, 1))))
    for k, (name, result) in enumerate(lines):
        if result.method == "londi":
            _point(axes, result, next(colors), "ov^sDPX*"[k % 8], name.removeprefix("londi "))
        else:
            color, marker, label = _STYLES[result.method]
            _point(axes, result, color, marker, label + name.removeprefix(result.method))
    _title(axes, results[0], "")
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    _save(figure, file)


def plot_frontier(found: Frontier, file: Path) -> None:
    """Draw every method as a curve, and what nobody exceeds.

    Args:
        found: what was played.
        file: where to; the ending decides the format.
    """
    figure, axes = _figure(8.4)
    ends = [(end.call_rate, end.return_mean) for end in (found.quick, found.deepthink)]
    _line(axes, [found.quick, found.deepthink])
    if found.limit:
        rates = [*(best.call_rate for best in found.limit), 1.0]
        most = [best.return_at_most for best in found.limit]
        least = [best.return_at_least for best in found.limit]
        axes.plot(rates, [*most, most[-1]], color="#777777", linestyle=":", label="clairvoyant")
        axes.fill_between(rates[:-1], least, most, color="#777777", alpha=0.2, linewidth=0)
    for k, curve in reversed(list(enumerate(found.curves))):
        results = [point.result for point in curve.points]
        points = [ends[0], *((r.call_rate, r.return_mean) for r in results), ends[1]]
        color, marker = _CURVES[k % len(_CURVES)]
        axes.plot(
            *zip(*points, strict=True),
            color=color,
            marker=marker,
            markersize=6 if k == 0 else 4,
            linewidth=2.2 if k == 0 else 1,
            label=curve.label,
            zorder=3 if k == 0 else 2,
        )
        if k == 0:
            low, high = zip(*(r.return_ci for r in results), strict=True)
            rates = [r.call_rate for r in results]
            axes.fill_between(rates, low, high, color=color, alpha=0.15, linewidth=0)
    runs = len(found.seeds)
    _title(axes, found.quick, f" × {runs} training {'seed' if runs == 1 else 'seeds'}")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], frameon=False, fontsize=8, loc="outside right upper")
    _save(figure, file)


def _figure(width: float) -> tuple[Figure, Axes]:
    # Drawn without pyplot: no global state and no window, whatever backend is configured.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.0), layout="constrained")
    return figure, figure.subplots()


def _line(axes: Axes, ends: Sequence[Result]) -> None:
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
    axes: Axes, result: Result, color: Any, marker: str, label: str, zorder: int = 2
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


def _title(axes: Axes, first: Result, more: str) -> None:
    axes.set_xlabel("call rate (DEEPTHINK steps / steps)")
    axes.set_ylabel("return")
    axes.set_xlim(-0.04, 1.04)
    axes.set_title(
        f"{first.env.removeprefix('londi/')}\n{first.episodes} held-out episodes{more}", fontsize=10
    )
    axes.grid(color="#EEEEEE")
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, file: Path) -> None:
    with replacing(file) as part:
        figure.savefig(part, dpi=200, format=file.suffix[1:])
