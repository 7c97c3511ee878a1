"""Bars of progress of a command that goes through stages.

This file knows when a bar is shown, and not what is counted.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from londi.reports.progress import Bar


class Stages:
    """One bar at a time: that of a stage ends where the next one begins.

    Args:
        first: name of the first stage, whose bar is shown at once.
        total: what it counts to.
        quiet: show nothing.
    """

    def __init__(self, first: str, total: int = 0, *, quiet: bool, **shown: Any) -> None:
        self._quiet, self._open = quiet, ExitStack()
        self._begin(first, total, shown)

    def __enter__(self) -> Stages:
        self._open.enter_context(self._bar)
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    def bar(self, stage: str, total: int = 0, **shown: Any) -> Bar:
        """The bar of that stage; others of `Bar`'s arguments count where it begins."""
        if stage != self._stage:
            self._open.close()
            self._begin(stage, total, shown)
            self._open.enter_context(self._bar)
        return self._bar

    def _begin(self, stage: str, total: int, shown: dict[str, Any]) -> None:
        self._stage = stage
        self._bar = Bar(stage, total, quiet=self._quiet, **shown)
