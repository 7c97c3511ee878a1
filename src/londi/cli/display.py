"""Tables of results that fit 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from londi.evaluation.curves import Estimate, Frontier
    from londi.evaluation.results import Result
    from londi.oracle.clairvoyant import Limit
    from londi.serve.estimates import TraceEstimate
    from londi.serve.transcripts.summary import Summary
    from londi.storage.trace_tables import Row


def print_results(title: str, head: str, lines: Sequence[tuple[str, Result]]) -> None:
    """Print the figures of results, one a line, and the account of what each spends.

    Args:
        title: over the table.
        head: what the names are, such as ``"method"``.
        lines: names and results.
    """
    capped = any(r.budget is not None for _, r in lines)
    heads = ["return, 95%\ninterval", "success", "call\nrate", "calls\nsaved", "PGR"]
    table = new_table(title, head, heads + ["over\nbudget"] * capped)
    for name, r in lines:
        low, high = r.return_ci
        cells = [
            f"{r.return_mean:.3f}\n{low:.3f}..{high:.3f}",
            f"{r.success_rate:.3f}",
            f"{r.call_rate:.3f}",
            f"{r.cost_saved:.0%}",
            "-" if r.pgr is None else f"{r.pgr:.2f}",
        ]
        over = "-" if r.budget is None else f"{r.exceeded:.1%}\n({r.overspent:.2f})"
        table.add_row(name, *cells, *[over] * capped)
    Console().print(table)
    if capped:
        print("over budget: share of the episodes, and calls beyond it in an episode")
    for name, r in lines:
        if r.substituted_actions or r.aborted:
            print(
                f"{name}: {r.substituted_actions:.1%} of the actions were unknown and replaced by"
                f" the closest valid ones; {r.aborted} of {r.episodes * len(r.seed)} episodes lost"
            )
    print_account(head, lines)


def print_account(head: str, lines: Sequence[tuple[str, Result]]) -> None:
    """Print what 1,000 episodes take, and the share that is saved against DEEPTHINK alone."""
    from londi.reports.account import EPISODES, SAVED, columns, deepthink_of, sentence

    found = [r for _, r in lines]
    shown, deepthink = columns(found), deepthink_of(found)
    heads = [column.head.replace(" in ", "\nin ").replace(" end ", "\nend ") for column in shown]
    table = new_table(f"\n{EPISODES:,} episodes", head, [h.replace(", ", ",\n") for h in heads])
    for name, r in lines:
        cells = [f"{c.cell(r)}\n{c.saved(r, deepthink)}".strip() for c in shown]
        table.add_row(name, *cells)
    Console().print(table)
    if deepthink:
        print(SAVED)
    if text := sentence(found):
        Console(highlight=False, markup=False).print(text)
    if any(r.example_prices for r in found):
        print("money at example prices; give your own with --price")


def print_curves(found: Frontier) -> None:
    """Print what sums up each method's curve."""
    seeds = ", ".join(map(str, found.seeds))
    title = f"{found.env}, {episodes(found.episodes)}, training seeds {seeds}"
    heads = ["APGR", "of the\nlimit", "behind\nlondi", "calls for\n50/80/95%", "calls\nsaved"]
    table = new_table(title, "method", heads)
    for curve in found.curves:
        table.add_row(
            curve.method,
            _estimate(curve.apgr),
            "-" if curve.of_limit is None else f"{curve.of_limit.value:.0%}",
            _estimate(curve.ahead),
            " ".join(f"{100 * rate:.0f}" for rate in curve.cpt) + " %",
            _estimate(curve.saved),
        )
    Console().print(table)


def print_limit(env: str, found: Limit) -> None:
    """Print what the clairvoyant reaches within each number of calls."""
    table = new_table(
        f"{env}, the best of {episodes(len(found.episodes))}",
        "calls at most",
        ["return", "calls made", "call rate"],
    )
    for calls, point in enumerate(found.budgets):
        low, high = point.return_at_least, point.return_at_most
        span = f"{low:.3f}" if low == high else f"{low:.3f}..{high:.3f}"
        table.add_row(str(calls), span, f"{point.calls:.2f}", f"{point.call_rate:.3f}")
    Console().print(table)
    cut = sum(not best.complete for best in found.episodes)
    if cut:
        these = "1 episode has" if cut == 1 else f"{cut} episodes have"
        print(f"{these} more states than were explored")


def print_summary(file: str, found: Summary) -> None:
    """Print the figures of traces: who answered, how often, and what it took."""
    heads = ["steps", "failed", "prompt\ntokens", "cached", "output\ntokens", "seconds\na step"]
    table = new_table(f"{file}: {found.sessions:,} sessions, {found.steps:,} steps", "model", heads)
    for model in found.models:
        table.add_row(
            model.model or "unknown",
            f"{model.steps:,}",
            f"{model.failed:,}",
            f"{model.prompt_tokens:,}",
            f"{model.cached_tokens:,}",
            f"{model.output_tokens:,}",
            "-" if model.seconds is None else f"{model.seconds:.3g}",
        )
    Console().print(table)
    if found.chosen:
        print(
            f"DEEPTHINK was chosen at {found.calls:,} of {found.chosen:,} steps"
            f" ({found.calls / found.chosen:.1%})"
        )
    print(f"propensity known at {found.propensities:,} steps")
    for name, count in found.reasons.items():
        print(f"settled by {name}: {count:,}")
    if found.policies:
        print(f"policies: {', '.join(found.policies)}")
    if found.value is not None:
        print(f"feedback for {found.rated:,} sessions, mean {found.value:.4g}")


def print_estimate(found: TraceEstimate) -> None:
    """Print what a Switcher is estimated to do, beside what the log did, and how sure that is."""
    logged = {value.outcome: value for value in found.checks if value.method == "logged"}
    table = new_table(
        f"{found.switcher} on {found.sessions:,} sessions of {found.traces}, c = {found.cost:g}",
        "a session",
        ["estimate, 95%\ninterval", "the log\nitself", "saved against\nalways-DEEPTHINK"],
    )
    saved = {one.outcome: one for one in found.savings}
    for value in found.values:
        one = saved.get(value.outcome)
        table.add_row(
            value.outcome,
            _between(value.estimate, value.interval, ".4g"),
            _between(logged[value.outcome].estimate, logged[value.outcome].interval, ".4g"),
            "-" if one is None or one.refused else _between(one.estimate, one.interval, ".0%"),
        )
    Console().print(table)
    assert found.effective_sample_size is not None
    print(
        f"estimated by {found.method}; the log is worth {found.effective_sample_size:,.0f} sessions"
        " of this Switcher's"
    )
    if found.trained_on:
        print(f"{found.trained_on:,} sessions are left out: the Switcher was trained on them")
    for one in found.savings:
        if one.refused:
            print(f"no saving of {one.outcome}: {one.refused.message}")


def _between(value: float | None, interval: tuple[float, float] | None, form: str) -> str:
    if value is None:
        return "-"
    low_high = "" if interval is None else f"\n{interval[0]:{form}}..{interval[1]:{form}}"
    return f"{value:{form}}{low_high}"


def print_steps(session: str, steps: Sequence[Row], feedback: Sequence[Row]) -> None:
    """Print one session of traces, a line a step."""
    heads = ["choice", "P(call)", "propensity", "reason", "tokens", "seconds", "value"]
    table = new_table(f"session {session}", "step", heads)
    values = {row["step"]: row["value"] for row in feedback}
    for row in steps:
        table.add_row(
            f"{row['step']} {row['model'] or ''}",
            *(_cell(row[name]) for name in ("choice", "probability", "propensity", "reason")),
            f"{_cell(row['prompt_tokens'])} + {_cell(row['output_tokens'])}",
            _cell(row["seconds"]),
            _cell(values.get(row["step"])),
        )
    Console().print(table)
    if None in values:
        print(f"feedback for the session: {values[None]:.4g}")


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def played(result: Result) -> str:
    """The environment and the number of episodes, as the title of a table."""
    return f"{result.env}, {episodes(result.episodes)}"


def episodes(number: int) -> str:
    """So many held-out episodes, in words."""
    return f"{number} held-out episode{'' if number == 1 else 's'}"


def new_table(title: str, first: str, heads: Sequence[str]) -> Table:
    """A table with a column of names, and one of figures for each of `heads`."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _estimate(figure: Estimate | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.value:.3f}\n{figure.low:.3f}..{figure.high:.3f}"
