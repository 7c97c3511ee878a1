"""`londi report`: a page, a table and a picture of what `londi frontier` has played.

The page is a single file that loads nothing: its style, its script (`page/`) and its data are in
it. This file knows figures, not how they were played.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from londi.errors import LondiError
from londi.evaluation.curves import (
    FRONTIER,
    TIMELINES,
    CurvePoint,
    Frontier,
    read_frontier,
    read_timelines,
)
from londi.reports.frontier import plot_frontier
from londi.reports.template import PAGE, fill
from londi.storage.atomic import write_whole

REPORT = "report.html"
TABLE = "frontier.csv"
PICTURE = "frontier.png"


def report(folder: Path) -> Path:
    """Write `report.html`, `frontier.csv` and `frontier.png` into the folder of a comparison.

    Args:
        folder: of `londi frontier`.

    Returns:
        The file of the page.

    Raises:
        LondiError: if there is no comparison in `folder`, or it cannot be read.
    """
    for name in (FRONTIER, TIMELINES):
        if not (folder / name).is_file():
            raise LondiError(
                f"no frontier in {str(folder)!r}: it has no {name}; expected the folder of"
                " `londi frontier`, once it has ended"
            )
    found, timelines = read_frontier(folder), read_timelines(folder)
    try:
        text = page(asdict(found) | {"timelines": [asdict(line) for line in timelines]})
    except ValueError as error:  # a figure that is no number
        raise LondiError(f"the frontier in {str(folder)!r} is damaged") from error
    write_whole(folder / REPORT, [text])
    write_whole(folder / TABLE, [table(found)])
    plot_frontier(found, folder / PICTURE)
    return folder / REPORT


def page(data: Mapping[str, object]) -> str:
    """The page of these figures."""
    scripts = (PAGE / name for name in ("charts.js", "report.js"))
    script = "\n".join(part.read_text(encoding="utf-8") for part in scripts)
    # No text of an environment can end the element that holds it. What is not a number is
    # refused: Python writes it, browsers cannot read it, and the page would stay empty.
    written = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return fill("report.html", {"script": script, "data": written})


def table(found: Frontier) -> str:
    """Every point as a line of CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(next(_rows(found))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(found))
    return out.getvalue()


def _rows(found: Frontier) -> Iterator[dict[str, object]]:
    for result in (found.quick, found.deepthink):
        yield _row("alone", CurvePoint("alone", result, np.nan))
    for curve in found.curves:
        for kind, points in (("curve", curve.points), ("budget", curve.budgets)):
            for point in points:
                yield _row(kind, point)
    for point in found.surface:
        yield _row("surface", point)
    blank = dict.fromkeys(_row("", CurvePoint("", found.quick, np.nan)), "")
    for budget, best in [(None, b) for b in found.limit] + list(enumerate(found.limit_budgets)):
        yield blank | {
            "kind": "limit",
            "method": "clairvoyant",
            "budget": "" if budget is None else budget,
            "call_rate": best.call_rate,
            "return": best.return_at_most,
            "return_low": best.return_at_least,
            "return_high": best.return_at_most,
        }


def _row(kind: str, point: CurvePoint) -> dict[str, object]:
    result = point.result
    low, high = result.return_ci
    return {
        "kind": kind,
        "method": result.method,
        "setting": point.setting,
        "cost": result.cost,
        "budget": "" if result.budget is None else result.budget,
        "call_rate": result.call_rate,
        "return": result.return_mean,
        "return_low": low,
        "return_high": high,
        "return_iqm": "" if np.isnan(point.iqm) else point.iqm,
        "success_rate": result.success_rate,
        "calls_saved": result.cost_saved,
        "pgr": _known(result.pgr),
        "lm_seconds": result.lm_seconds,
        "calls": _known(result.calls),
        "lm_cpu_seconds": _known(result.lm_cpu_seconds),
        "lm_flops": result.lm_flops,
        "money": _known(result.money),
        "money_saved": _known(result.money_saved),
        "bill": _known(result.bill),
        "currency": result.currency or "",
        "prices": result.prices or "",
        "overspent": result.overspent,
    }


def _known(figure: float | None) -> float | str:
    """A figure as a cell of CSV: empty where it is not known."""
    return "" if figure is None else figure
