"""The picture of an evaluation: return against call rate. It knows results and no player."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from londi.metrics import Result

PLOT = "return-call-rate.png"

# Colours that are told apart by the colour-blind and in grey (Okabe and Ito), with a marker each.
_STYLES = {
    "quick": ("#555555", "s", "QUICK alone"),
    "deepthink": ("#000000", "D", "DEEPTHINK alone"),
    "random": ("#E69F00", "v", "random"),
    "threshold": ("#0072B2", "^", "threshold on QUICK's confidence"),
    "londi": ("#D55E00", "o", "LONDI"),
}


def plot(results: Sequence[Result], file: Path) -> None:
    """Draw every method with its 95% interval, and the line that random switching can reach.

    Args:
        results: one a method.
        file: where to; the ending decides the format (`.png`, `.pdf`, `.svg`).
    """
    # Drawn without pyplot: no global state and no window, whatever backend is configured.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.subplots()
    by_method = {result.method: result for result in results}
    ends = [by_method[m] for m in ("quick", "deepthink") if m in by_method]
    axes.plot(
        [end.call_rate for end in ends],
        [end.return_mean for end in ends],
        color="#BBBBBB",
        linestyle="--",
        linewidth=1,
        zorder=1,
        label="QUICK to DEEPTHINK",
    )
    for result in results:
        color, marker, label = _STYLES.get(result.method, ("#009E73", "o", result.method))
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
            zorder=3 if result.method == "londi" else 2,
            label=label,
        )
    first = results[0]
    axes.set_xlabel("call rate (DEEPTHINK steps / steps)")
    axes.set_ylabel("return")
    axes.set_xlim(-0.04, 1.04)
    runs = len(first.seed)
    axes.set_title(
        f"{first.env.removeprefix('londi/')}\n{first.episodes} held-out episodes"
        f" × {runs} training {'seed' if runs == 1 else 'seeds'}, c = {first.cost:g}",
        fontsize=10,
    )
    axes.grid(color="#EEEEEE")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    part = file.with_name("part-" + file.name)
    figure.savefig(part, dpi=200)
    part.replace(file)
