"""The arms of traces as the command line shows them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan

from rich.console import Console

from londi.cli.display import new_table
from londi.evaluation.confidence import LEAST, PAPER, Interval
from londi.serve.transcripts.arms import Against, ArmFigures


def print_arms(arms: Sequence[ArmFigures], compared: Sequence[Against]) -> None:
    """Print a line an arm, and what each saves against the control group."""
    heads = ["sessions", "with\nfeedback", "mean\nreward", "calls\na session", "money\na session"]
    table = new_table("sessions by arm", "arm, policy", heads)
    for arm in arms:
        table.add_row(
            f"{arm.arm}, {arm.policy}",
            f"{arm.sessions:,}",
            f"{arm.rewards.count / arm.sessions:.1%}",
            _number(arm.rewards.mean),
            _number(arm.calls.mean),
            _number(arm.money.mean) if arm.money.mean > 0 else "-",
        )
    Console().print(table)
    for arm in arms:
        if arm.unpriced and arm.money.mean > 0:
            print(f"{arm.arm}, {arm.policy}: no price known of {arm.unpriced:,} answers")
    for one in compared:
        print(
            f"{one.arm}, {one.policy}, against the control group beside it"
            f" ({one.sessions[0]:,} and {one.sessions[1]:,} sessions):"
        )
        _line("calls saved", one.calls, "{:.1%}")
        if not isnan(one.money.estimate):
            _line("money saved", one.money, "{:.1%}")
        _line("difference in reward", one.reward, "{:+.3g}")
        if 0.0 not in one.rated:
            print(
                f"  the shares of sessions with feedback differ by {one.rated.estimate:+.1%}, so"
                " that the rewards are not those of like sessions"
            )
    if compared:
        print(f"95% confidence sequences, which hold whenever one looks ({PAPER})")


def _line(name: str, found: Interval, form: str) -> None:
    if isnan(found.estimate):
        return print(f"  {name}: nothing is known yet")
    if found.low == -inf:
        said = f"no interval before {LEAST} sessions of each that vary"
        return print(f"  {name}: {form.format(found.estimate)} ({said})")
    low, high = form.format(found.low), form.format(found.high)
    return print(f"  {name}: {form.format(found.estimate)} ({low} to {high})")


def _number(value: float) -> str:
    return "-" if isnan(value) else f"{value:.4g}"
