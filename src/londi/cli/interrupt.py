"""Ctrl-C: a run stops between two steps and leaves a checkpoint."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Interrupt:
    """Ctrl-C as a question that a run asks between two steps; a second Ctrl-C kills."""

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Callable[[], bool]:
        self._previous = signal.signal(signal.SIGINT, self._note)
        return lambda: self._asked

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _note(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


def interrupted(verb: str, folder: Path) -> int:
    """Say how an interrupted run is resumed; its exit code."""
    print(f"interrupted; go on with: londi {verb} --resume {folder}", file=sys.stderr)
    return INTERRUPTED
