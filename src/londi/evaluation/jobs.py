"""Parts of a sweep, done one after the other, in several processes, or on Ray.

This file knows processes and interruptions, and not what a part does.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import Protocol

from londi.config.ray import RayConfig
from londi.envs.scienceworld.simulator import warm
from londi.errors import LondiError, RunInUse
from londi.scale.opening import on_ray, open_workers

_TICK = 0.5  # seconds between two looks at whether to stop
_GOING = 120.0
"""Seconds after which a worker that was lost has let go of its run."""


class LeftOff(Exception):
    """A part was asked to stop before its end."""


class Part(Protocol):
    """A piece of work that can be done in another process."""

    @property
    def name(self) -> str: ...

    @property
    def ended(self) -> bool: ...

    def do(self, should_stop: Callable[[], bool]) -> str:
        """Do it; its figures, in short.

        Raises:
            LeftOff: if it was asked to stop; a training leaves a checkpoint then.
        """
        ...

    def warnings(self) -> tuple[str, ...]:
        """Diagnoses of its training."""
        ...


def run_parts(
    parts: Sequence[Part],
    jobs: int,
    should_stop: Callable[[], bool],
    ray: RayConfig | None = None,
) -> Iterator[tuple[Part, str]]:
    """Do the parts, `jobs` at once; each that ends, with its figures."""
    if on_ray(ray):
        workers = open_workers(int, min(jobs, len(parts)), ray)  # they have nothing of their own
        with closing(workers):
            units = [(part,) for part in parts]
            told = workers.stream(_do_on_ray, units, should_stop=should_stop, reports=False)
            for place, figures in told:
                yield parts[place], figures
        return
    if jobs == 1:
        with warm(), suppress(LeftOff):
            for part in parts:
                if should_stop():
                    return
                yield part, part.do(should_stop)
        return
    context = get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(jobs, context, _ready, (stop,)) as pool:
        left = {pool.submit(_do_there, part): part for part in parts}
        try:
            while left:
                ended, _ = wait(left, _TICK, FIRST_COMPLETED)
                if should_stop():
                    stop.set()
                    for future in left:
                        future.cancel()
                for future in ended:
                    part = left.pop(future)
                    figures, error = ("", "") if future.cancelled() else future.result()
                    if error:
                        raise LondiError(error)
                    if figures:  # it may have ended while others left off
                        yield part, figures
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


_stop: Event | None = None
"""In a process of `run_parts`: set once it is to leave off."""


_stay = ExitStack()
"""In a process of `run_parts`: what lasts until it ends."""


def _ready(stop: Event) -> None:
    """Ctrl-C reaches every process of a terminal; here the parent says what it means."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stay.enter_context(warm())


def _do_there(part: Part) -> tuple[str, str]:
    """The figures that a part's `do` returns, and the message of a `LondiError`."""
    assert _stop
    try:
        return part.do(_stop.is_set), ""
    except LeftOff:
        return "", ""
    except LondiError as error:  # as text: not every exception survives the way back
        return "", str(error)


def _do_on_ray(_: int, part: Part) -> Iterator[str]:
    """The figures of a part; none if it was left."""
    from londi.scale.actors import cancelled

    begun = time.monotonic()
    while True:
        try:
            with suppress(LeftOff):
                yield part.do(cancelled)
            return
        except RunInUse:  # by the worker that was lost with its node, which ends soon
            if time.monotonic() - begun > _GOING:
                raise
            time.sleep(_TICK)
