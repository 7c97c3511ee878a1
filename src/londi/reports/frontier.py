"""The picture of a frontier: three methods in colour, the others in grey, each named beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from londi.evaluation.curves import Frontier, MethodCurve
from londi.reports.labels import Label, place
from londi.reports.plot import COLOURS, GREY, OTHER, ends_line, figure_of, save, title

RIVALS = 2
"""Baselines in colour: those with the largest area under their curve."""


def plot_frontier(found: Frontier, file: Path) -> None:
    """Draw every method as a curve, and what no Switcher exceeds.

    Args:
        found: what was played; its first curve is the universal Switcher.
        file: where to; the ending decides the format.
    """
    figure, axes = figure_of(8.4)
    ends_line(axes, [found.quick, found.deepthink])
    if found.limit:
        rates = [*(best.call_rate for best in found.limit), 1.0]
        most = [best.return_at_most for best in found.limit]
        least = [best.return_at_least for best in found.limit]
        axes.plot(rates, [*most, most[-1]], color="#777777", linestyle=":")
        axes.fill_between(rates[:-1], least, most, color="#777777", alpha=0.2, linewidth=0)
    first, rest = found.curves[0], found.curves[1:]
    rivals = sorted(rest, key=lambda curve: -curve.apgr.value)[:RIVALS]
    for curve in rest:
        if curve not in rivals:
            axes.plot(*_points(found, curve), color=GREY, linewidth=1)
    styles = ((COLOURS["londi"], "o"), (COLOURS["threshold"], "^"), (OTHER, "s"))
    shown = [first, *rivals]
    labels = [Label("QUICK alone", COLOURS["quick"], [0.0], [found.quick.return_mean])]
    labels += [Label("DEEPTHINK alone", COLOURS["deepthink"], [1.0], [found.deepthink.return_mean])]
    if found.limit:
        labels.append(Label("clairvoyant (limit)", "#777777", rates, [*most, most[-1]]))
    # The first is drawn widest and below, so that a rival that is level with it stays visible.
    for k, (curve, (color, marker)) in enumerate(zip(shown, styles, strict=False)):
        x, y = _points(found, curve)
        axes.plot(
            x,
            y,
            color=color,
            marker=marker,
            markersize=7 if k == 0 else 4,
            markerfacecolor=color if k == 0 else "white",
            linewidth=3.0 if k == 0 else 1.3,
            zorder=3 + k,
        )
        if k == 0:
            results = [point.result for point in curve.points]
            low, high = zip(*(r.return_ci for r in results), strict=True)
            band = [r.call_rate for r in results]
            axes.fill_between(band, low, high, color=color, alpha=0.15, linewidth=0)
        labels.append(Label(named(curve), color, x, y))
    for end, marker, color in (
        (found.quick, "s", COLOURS["quick"]),
        (found.deepthink, "D", COLOURS["deepthink"]),
    ):
        axes.plot([end.call_rate], [end.return_mean], marker, color=color, zorder=6)
    runs = len(found.seeds)
    title(axes, found.quick, f" × {runs} training {'seed' if runs == 1 else 'seeds'}")
    others = [curve for curve in rest if curve not in rivals]
    curves = [_points(found, curve) for curve in found.curves]
    if found.limit:
        curves.append((rates, [*most, most[-1]]))
    axes.margins(y=0.14)  # room for names above and below
    if others:
        names = ", ".join(curve.label for curve in others)
        figure.supxlabel(
            f"grey: {names}; dashed: a straight line from QUICK to DEEPTHINK",
            fontsize=7,
            color="#777777",
            wrap=True,
        )
    figure.draw_without_rendering()  # the axes get their place
    place(axes, labels, curves)
    save(figure, file)


def named(curve: MethodCurve) -> str:
    """A method and its APGR; said to be level where its interval beside the first holds zero."""
    level = curve.ahead is not None and curve.ahead.low <= 0.0 <= curve.ahead.high
    return f"{curve.label}, APGR {curve.apgr.value:.3f}{' (level)' if level else ''}"


def _points(found: Frontier, curve: MethodCurve) -> tuple[Sequence[float], Sequence[float]]:
    """Call rates and returns, from QUICK alone to DEEPTHINK alone."""
    results = [found.quick, *(point.result for point in curve.points), found.deepthink]
    return [r.call_rate for r in results], [r.return_mean for r in results]
