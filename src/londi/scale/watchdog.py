"""A watchdog: ends a process that shows no sign of life, so that whoever watches it can replace it.

This file knows processes, and not what they do.
"""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

_OFTEN = 1.0  # seconds between two windings: each starts a thread


@contextmanager
def watchdog(seconds: float, stacks: Path) -> Iterator[Callable[[], None]]:
    """End this process, with the exit code 1, where it shows no sign of life for so long.

    The thread that ends it is none of Python's, so that a library that holds the interpreter is
    ended as well.

    Args:
        seconds: how long; 0 for never.
        stacks: file that the stacks of all threads are written to then; it is removed otherwise.

    Yields:
        What is to be called as a sign of life.
    """
    if not seconds:
        yield lambda: None
        return
    wound = -inf
    stacks.parent.mkdir(parents=True, exist_ok=True)
    with stacks.open("w") as file:

        def alive() -> None:
            nonlocal wound
            now = time.monotonic()
            if now - wound >= min(_OFTEN, seconds / 10):
                wound = now
                faulthandler.dump_traceback_later(seconds, exit=True, file=file)

        alive()
        try:
            yield alive
        finally:
            faulthandler.cancel_dump_traceback_later()
            stacks.unlink()
