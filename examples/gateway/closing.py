"""The closing table: what was estimated of the Switcher, what came, and what stands beside it.

This file knows the files of the stages. It does not know how they were made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from figures import COLUMNS, Session, mean, paired, read_sessions
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

Line = Sequence[tuple[float, float, float] | None]
FORMS = (".3f", ".1f", ".3f", ".2f")


def print_closing(folder: Path) -> None:
    """Print the table, and what is saved on the same episodes."""
    on = read_sessions(folder / "on.db")
    treated = [one for one in on if one.arm == "treated"]
    beside = ("deepthink", "coin", "stage")
    alone, coin, stage = (read_sessions(folder / f"{name}.db") for name in beside)
    estimate = json.loads((folder / "estimate" / "estimate.json").read_text())
    lines: list[tuple[str, int, Line]] = [
        ("estimated", estimate["sessions"], _estimated(estimate)),
        ("Switcher", *_came(treated)),
        ("control group", *_came([one for one in on if one.arm == "control"])),
        ("DEEPTHINK *", *_came(alone)),
        ("coin *", *_came(coin)),
        ("Switchyard *", *_came(stage)),
    ]
    heads = ("return", "calls", "seconds", "USD for\n1,000")
    made = _table("a session, 95% interval", [*heads])
    for name, number, line in lines:
        if number:
            made.add_row(f"{name} ({number})", *map(_cell, _in_thousands(line), FORMS))
    Console().print(made)
    print("estimated: the Switcher, before it was on; *: on the episodes of the Switcher")
    if estimate["refused"]:
        print(f"no estimate: {estimate['refused']['message']}")
    if alone and treated:
        heads = ("return, less\nDEEPTHINK's", *(f"{name}\nsaved" for name in COLUMNS[1:]))
        made = _table("against DEEPTHINK on the same episodes", [*heads])
        for name, sessions in (("Switcher", treated), ("coin", coin), ("Switchyard", stage)):
            if sessions:
                made.add_row(name, *map(_cell, paired(sessions, alone), ("+.3f", *[".0%"] * 3)))
        Console().print(made)
    print("Seconds are waits for answers. Prices are made up: nobody sells these models.")


def _came(sessions: Sequence[Session]) -> tuple[int, Line]:
    return len(sessions), mean(sessions) if sessions else [None] * len(COLUMNS)


def _estimated(estimate: dict[str, object]) -> Line:
    """The columns that were estimated."""
    values = estimate["values"]
    assert isinstance(values, list)
    known = {one["outcome"]: (one["estimate"], *(one["interval"] or ())) for one in values}
    return [known.get(name) for name in COLUMNS]


def _in_thousands(line: Line) -> Line:
    """The same with the money of 1,000 sessions."""
    *others, money = line
    return [*others, money and tuple(1_000 * value for value in money)]  # type: ignore[list-item]


def _cell(value: Sequence[float] | None, form: str) -> str:
    if value is None:
        return "-"
    middle, *ends = value
    return f"{middle:{form}}" + (f"\n{ends[0]:{form}}..{ends[1]:{form}}" if ends else "")


def _table(title: str, heads: list[str]) -> Table:
    made = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False
    )
    made.add_column("", no_wrap=True)
    for head in heads:
        made.add_column(head, justify="right")
    return made
