"""The page of a run: its figures, its picture and its training curve in one file.

The page asks nobody for anything: style and pictures are in it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from londi.evaluation.results import Result
from londi.reports.account import EPISODES, SAVED, columns, deepthink_of, sentence
from londi.reports.html import REPORT
from londi.reports.plot import PLOT
from londi.reports.template import fill
from londi.reports.training import TRAINING
from londi.storage.atomic import write_whole

_PICTURES = {
    PLOT: "Return against call rate. Bars are 95% intervals.",
    TRAINING: "The training: mean return and call rate of the last 100 episodes.",
}


def write_run_page(
    folder: Path,
    title: str,
    lines: Sequence[tuple[str, Result]] = (),
    run: Path | None = None,
) -> Path:
    """Write `report.html` of a training, an evaluation or a sweep.

    Args:
        folder: where to; a picture of the results that lies there is shown.
        title: what was played, or trained.
        lines: the figures, by name.
        run: the folder of the training, whose curve is shown.

    Returns:
        The file of the page.
    """
    pictures = [folder / PLOT] if lines else []
    pictures += [run / TRAINING] if run else []
    parts = {
        "title": escape(title),
        "headline": _headline(lines),
        "table": _table(lines) + _account(lines) if lines else "",
        "pictures": "".join(_picture(file) for file in pictures if file.is_file()),
    }
    write_whole(folder / REPORT, [fill("run.html", parts)])
    return folder / REPORT


def _headline(lines: Sequence[tuple[str, Result]]) -> str:
    """The main figures of a page with one Switcher: what is saved, and what is recovered."""
    found = [result for _, result in lines if result.method == "londi"]
    if len(found) != 1:
        return ""
    (result,) = found
    items = [("of DEEPTHINK’s calls saved", f"{result.cost_saved:.0%}")]
    if result.pgr is not None:
        items.append(("of the gap from QUICK to DEEPTHINK recovered", f"{result.pgr:.0%}"))
    ends = {r.method: r for _, r in lines}
    if "deepthink" in ends and ends["deepthink"].lm_cpu_seconds and result.lm_cpu_seconds:
        saved = 1 - result.lm_cpu_seconds / ends["deepthink"].lm_cpu_seconds
        items.append(("of the seconds in the models saved", f"{saved:.0%}"))
    if result.money_saved is not None:
        note = " (example prices)" if result.example_prices else ""
        items.append((f"of the money saved{note}", f"{result.money_saved:.0%}"))
    inner = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in items)
    return f'<dl class="headline">{inner}</dl>'


def _table(lines: Sequence[tuple[str, Result]]) -> str:
    capped = any(r.budget is not None for _, r in lines)
    heads = ["method", "return", "success", "call rate", "calls saved", "gap recovered"]
    heads += ["over budget"] * capped
    rows = []
    for name, r in lines:
        low, high = r.return_ci
        cells = [
            escape(name),
            f"{r.return_mean:.3f}<small>{low:.3f} to {high:.3f}</small>",
            f"{r.success_rate:.3f}",
            f"{r.call_rate:.3f}",
            f"{r.cost_saved:.0%}",
            "–" if r.pgr is None else f"{r.pgr:.2f}",
        ]
        cells += ["–" if r.budget is None else f"{r.exceeded:.1%}"] * capped
        rows.append((r.method, cells))
    return _html(heads, rows)


def _account(lines: Sequence[tuple[str, Result]]) -> str:
    """The account of 1,000 episodes, with the share that is saved."""
    found = [r for _, r in lines]
    shown, deepthink = columns(found), deepthink_of(found)
    rows = []
    for name, r in lines:
        cells = [escape(name)]
        for column in shown:
            saved = column.saved(r, deepthink)
            cells.append(column.cell(r) + (f"<small>{saved}</small>" if saved else ""))
        rows.append((r.method, cells))
    notes = [f"Amounts of {EPISODES:,} episodes.", SAVED if deepthink else ""]
    text = escape(sentence(found))
    return (
        f"<h2>The account</h2><p>{' '.join(notes)}</p>"
        + _html(["method", *(column.head for column in shown)], rows)
        + (f"<p>{text}.</p>" if text else "")
    )


def _html(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table; a row is its method and its cells."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = ""
    for method, cells in rows:
        first = ' class="first"' if method == "londi" else ""
        body += f"<tr{first}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    return (
        '<div class="scroll" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _picture(file: Path) -> str:
    data = b64encode(file.read_bytes()).decode()
    caption = _PICTURES[file.name]
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
