"""A progress bar that always tells the time left; for the command line and for Python.

    from londi.reports.progress import Bar

    with Bar("training", config.steps) as bar:
        train(config, folder, on_progress=bar)

On a terminal it is one live line. Elsewhere it is plain lines of standard error: one for every
twentieth of the work, and at least one every 30 seconds. This file knows steps done and seconds
passed. It does not know what is being done.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from londi.learning.statistics import Progress

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

EVERY = 30.0
"""Most seconds between two plain lines."""
FIRST = 10.0
"""Seconds until the first plain line, where there is no report before."""
LINES = 20
"""Plain lines in all, where the work takes less than `EVERY` for each."""
_EVENTS = 30  # reports that the speed is measured over
_BAR = 20  # columns
_GAP = "  "


class Bar:
    """A progress bar, used as a context manager.

    It is also a callable for `on_progress=` of `londi.train`.

    Args:
        what: what is being done, such as ``"training"``.
        total: steps to be done; 0 if a report will tell.
        begun: steps that an earlier process has done.
        waiting: what happens before the first report.
        words: a report of a training, in words.
        quiet: show nothing.
        console: where to; standard error without one.
        clock: seconds, from any start.

    Attributes:
        done, total: steps done, and to be done.
    """

    def __init__(
        self,
        what: str,
        total: int = 0,
        *,
        begun: int = 0,
        waiting: str = "loading models",
        words: Callable[[Progress], str] | None = None,
        quiet: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self.done, self.total = begun, total
        self._what, self._waiting, self._quiet, self._clock = what, waiting, quiet, clock
        self._words = words or told
        self._console = console or Console(stderr=True)
        self._text, self._shown = "", False
        self._start = self._printed = clock()
        self._printed_done = begun
        self._events: deque[tuple[float, int]] = deque([(self._start, begun)], maxlen=_EVENTS)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        live = self._console.is_terminal and not quiet
        self._live = (
            Live(self, console=self._console, refresh_per_second=4, vertical_overflow="crop")
            if live
            else None
        )

    def __enter__(self) -> Bar:
        if self._live:
            self._live.start()
        elif not self._quiet:
            # Reports print their own lines; this is for what takes long between two of them.
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._live:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show a report of a training."""
        self.total = progress.steps
        self.show(progress.step, self._words(progress))

    def show(self, done: int, text: str = "") -> None:
        """Move to `done` steps, and say `text`: parts with two spaces between them."""
        with self._lock:
            self.done, self._text, self._shown = done, text, True
            if done != self._events[-1][1]:
                self._events.append((self._clock(), done))
            share = self.total / LINES
            if self._plain and (done - self._printed_done >= share or done >= self.total):
                self._print()
        self.tick()

    def tick(self) -> None:
        """Look at the clock: off a terminal, print a line where the last is `EVERY` old.

        The first line, of what is waited for, comes after `FIRST`: an error that is found at once
        stands alone.
        """
        with self._lock:
            if not self._plain or self.done >= self.total > 0:
                return
            begun = self._shown or self._printed > self._start
            if self._clock() - self._printed >= (EVERY if begun else FIRST):
                self._print()

    def note(self, text: str) -> None:
        """Print a line that stays, above the bar."""
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def line(self, width: int | None = None) -> str:
        """The bar as text; on few columns the text goes first, then the bar, then the name.

        Args:
            width: columns; any number without it, and no bar then.
        """
        now = self._clock()
        if not self._shown:
            waited = f"{self._what}{_GAP}{clock_time(now - self._start)}{_GAP}{self._waiting}"
            return waited if width is None else waited[:width]
        left = self._left(now)
        count = f"{self.done}/{self.total}"
        parts = [self._what, count, left]
        if width is None:
            return _GAP.join([*parts, self._text]).rstrip()
        if len(_GAP.join(parts)) > width:
            parts = [count, left] if len(_GAP.join([count, left])) <= width else [left]
        elif len(_GAP.join(parts)) + _BAR + len(_GAP) <= width:
            parts.insert(1, self._drawn())
        for piece in filter(None, self._text.split(_GAP)):
            if len(_GAP.join([*parts, piece])) > width:
                break
            parts.append(piece)
        return _GAP.join(parts)[:width]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        with self._lock:
            yield Text(self.line(options.max_width), no_wrap=True, overflow="crop")

    @property
    def _plain(self) -> bool:
        return self._live is None and not self._quiet

    def _left(self, now: float) -> str:
        (start, begun), (last, done) = self._events[0], self._events[-1]
        if self.done >= self.total:
            return f"{clock_time(last - self._start)} in all"
        if done <= begun or last <= start:
            return "-:-- left"
        left = (self.total - done) * (last - start) / (done - begun) - (now - last)
        return f"{clock_time(max(left, 0.0))} left"

    def _drawn(self) -> str:
        full = round(_BAR * min(1.0, self.done / max(self.total, 1)))
        return "━" * full + "·" * (_BAR - full)

    def _print(self) -> None:
        self._printed, self._printed_done = self._clock(), self.done
        self._console.print(self.line(), markup=False, highlight=False, soft_wrap=True)

    def _beat(self) -> None:
        while not self._ended.wait(1.0):
            self.tick()


def clock_time(seconds: float) -> str:
    """Seconds as ``m:ss``, or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def told(progress: Progress) -> str:
    """A report of a training in words, the most important first."""
    parts = [
        f"return {progress.return_mean:.3f}",
        f"call rate {progress.call_rate:.2f}",
        f"success {progress.success_rate:.2f}",
        f"{progress.step / max(progress.seconds, 1e-9):.0f} steps/s",
        f"{progress.lm_seconds / max(progress.seconds, 1e-9):.0%} of the time in the models",
    ]
    if progress.substituted_actions:
        parts.append(f"{progress.substituted_actions:.0%} of the actions substituted")
    if progress.aborted:
        parts.append(f"{progress.aborted} episodes lost")
    return _GAP.join(parts)


def told_of_graphs(progress: Progress) -> str:
    """A report of a training on explored graphs in words."""
    return _GAP.join(
        (
            f"return {progress.return_mean:.3f}",
            f"call rate {progress.call_rate:.2f}",
            f"on {progress.episodes} episodes held back",
        )
    )


def told_of_log(progress: Progress) -> str:
    """A report of a training on logged steps in words; nothing is played in it."""
    return _GAP.join(
        (f"loss {progress.critic_loss:.4g}", f"would call at {progress.call_probability:.0%}")
    )


def told_of_fits(progress: Progress) -> str:
    """A report of an R-learner in words; it has an actor once its last network is fitted."""
    done = progress.step == progress.steps
    return told_of_log(progress) if done else f"loss {progress.critic_loss:.4g}"
