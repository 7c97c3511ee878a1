"""Worked solutions of two datasets of reasoning-gym, line by line.

    products          long multiplication: a partial product or a sum a line, the product last
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
Step = Callable[[Metadata, Sequence[str]], str | None]
"""The next line, from a task and the lines so far; None where a task has no worked solution."""


def next_line(step: Step, metadata: Metadata, text: str) -> str | None:
    """The rest of the line that a text has come to.

    Args:
        step: makes the next line, with a line break behind all lines but the last.
        metadata: of the task.
        text: the text so far; blank lines in it do not count.
    """
    *lines, begun = text.split("\n")
    line = step(metadata, [line.strip() for line in lines if line.strip()])
    return None if line is None else line.removeprefix(begun)


def product_line(metadata: Metadata, lines: Sequence[str]) -> str | None:
    """The next line of a long multiplication of two whole numbers >= 0, from the units on.

    The first line is a partial product. For each further digit of the second factor come its
    partial product, and the sum so far; then the product.
    """
    factors = metadata["expression"].split(" * ")
    if len(factors) != 2 or not all(factor.isdecimal() for factor in factors):
        return None
    first = int(factors[0])
    units, *parts = (int(digit) * 10**k for k, digit in enumerate(reversed(factors[1])))
    if not lines:
        return f"{first}*{units}={first * units}\n"
    total = _result(lines[0], first * units)
    # Two lines a digit: its partial product, and the sum.
    for part, at in zip(parts, range(1, 2 * len(parts), 2), strict=True):
        if len(lines) == at:
            return f"{first}*{part}={first * part}\n"
        product = _result(lines[at], first * part)
        if len(lines) == at + 1:
            return f"{total}+{product}={total + product}\n"
        total = _result(lines[at + 1], total + product)
    return str(total)


def _result(line: str, right: int) -> int:
    """The number behind the sign of equality, as it stands there; the right one where none does."""
    found = re.search(r"=(\d{1,50})$", line)
    return int(found[1]) if found else right


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


WORKED: dict[str, Step] = {"products": product_line, "number_sorting": sorted_line}
"""Worked solutions by the name of the dataset."""
