"""Worked solutions of two datasets of reasoning-gym, line by line.

    chain_sum         the total so far and the next term a line, the last total at the end
    number_sorting    the next number in order a line, the list last

A line follows from the task and from the lines that stand, whoever wrote them: behind a slip comes
the next step from there, in any state. This file knows two kinds of tasks, and no environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Metadata = Mapping[str, Any]
"""The entry `metadata` of a task."""
Step = Callable[[Metadata, Sequence[str]], str]
"""The next line, from a task and the lines so far."""


def next_line(step: Step, metadata: Metadata, text: str) -> str:
    """The rest of the line that a text has come to.

    Args:
        step: makes the next line, with a line break behind all lines but the last.
        metadata: of the task.
        text: the text so far; blank lines in it do not count.
    """
    *lines, begun = text.split("\n")
    line = step(metadata, [line.strip() for line in lines if line.strip()])
    return line.removeprefix(begun)


def sum_line(metadata: Metadata, lines: Sequence[str]) -> str:
    """The next line of a chain of sums and differences of whole numbers.

    A line takes the next term to the total so far; behind the last term comes the total.
    """
    first, *rest = metadata["expression"].split()
    signs, terms = rest[::2], rest[1::2]
    total = int(first)
    for at, (sign, term) in enumerate(zip(signs, terms, strict=True)):
        result = total + int(term) if sign == "+" else total - int(term)
        if at == len(lines):
            return f"{total}{sign}{term}={result}\n"
        found = re.search(r"=(-?\d{1,50})$", lines[at])
        # A line without a result counts as if it were right.
        total = int(found[1]) if found else result
    return str(total)


def sorted_line(metadata: Metadata, lines: Sequence[str]) -> str:
    """The next line of a sorted list: the first number in order that has not been written.

    Behind as many lines as there are numbers comes the list of what stands in them.
    """
    left = list(metadata["original_numbers"])
    if len(lines) >= len(left):
        return f"[{','.join(lines[: len(left)])}]"
    for line in lines:
        if line in left:
            left.remove(line)
    ordered = sorted(left, key=float, reverse=metadata["direction"] == "descending")
    return f"{ordered[0]}\n"


WORKED: dict[str, Step] = {"chain_sum": sum_line, "number_sorting": sorted_line}
"""Worked solutions by the name of the dataset."""
