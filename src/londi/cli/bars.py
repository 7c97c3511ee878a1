"""Two bars of progress, one after the other.

This file knows when a bar is shown, and not what is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from londi.reports.progress import Bar


@contextmanager
def one_after_the_other(first: Bar, second: Callable[[], Bar]) -> Iterator[Callable[[], Bar]]:
    """Show the first bar, until the second is asked for.

    Args:
        first: the bar that is shown at once.
        second: makes the other one.

    Yields:
        What gives the second bar; the first has ended then.
    """
    with ExitStack() as bars:
        bars.enter_context(first)
        made: list[Bar] = []

        def later() -> Bar:
            if not made:
                bars.close()
                made.append(bars.enter_context(second()))
            return made[0]

        yield later
