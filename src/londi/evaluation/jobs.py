"""Parts of a sweep, done one after the other, in several processes, or on Ray.

A part whose process is lost, or ended since it hung, is begun again, once. This file knows
processes and interruptions, and not what a part does.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Protocol

from londi.config.ray import RayConfig
from londi.envs.scienceworld.simulator import warm
from londi.errors import LondiError, RunInUse
from londi.models.devices import VISIBLE, deal_gpus, visible_gpus
from londi.scale.opening import on_ray, open_workers
from londi.scale.watchdog import watchdog
from londi.scale.workers import WorkersLost

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


@dataclass(frozen=True)
class Watch:
    """How parts are watched.

    Attributes:
        timeout: seconds for which a part may not ask whether to stop; its process is ended then. 0
            for any time.
        folder: where the stacks of a part that hangs are written, as ``hung-NAME.txt``.
    """

    timeout: float = 0.0
    folder: Path = Path()

    def do(self, part: Part, should_stop: Callable[[], bool]) -> str:
        """Do a part; each time that it asks whether to stop is a sign of life."""

        def look() -> bool:
            alive()
            return should_stop()

        with watchdog(self.timeout, self._stacks(part)) as alive:
            return part.do(look)

    def told(self, part: Part, reason: str) -> str:
        """Why the process of a part was lost: `reason`, if it was not ended since it hung."""
        file = self._stacks(part)
        if self.timeout and file.is_file() and file.stat().st_size:
            reason = (
                f"no progress for {self.timeout / 60:g} minutes; its stacks are in {str(file)!r}"
            )
        return f"{part.name}: {reason}"

    def _stacks(self, part: Part) -> Path:
        return self.folder / f"hung-{part.name}.txt"


def run_parts(
    parts: Sequence[Part],
    jobs: int,
    should_stop: Callable[[], bool],
    ray: RayConfig | None = None,
    *,
    devices: Collection[str] = (),
    watch: Watch = Watch(),
) -> Iterator[tuple[Part, str]]:
    """Do the parts, `jobs` at once; each that ends, with its figures.

    Args:
        parts: what is to be done.
        jobs: how many at once.
        should_stop: asked now and then; if true, parts under way are left and no other is begun.
        ray: where; None for this machine.
        devices: of the models of all parts; where it is `cuda`, each job has one GPU.
        watch: how they are watched.

    Raises:
        LondiError: of a part, at once; or with the names of parts whose processes were lost again
            and again, which is on this machine once the others are done.
    """
    jobs = min(jobs, len(parts))
    if ray is not None and on_ray(ray):
        yield from _on_ray(parts, jobs, should_stop, ray, devices, watch)
    elif jobs > 1 or watch.timeout:
        slots = deal_gpus(devices, visible_gpus(), jobs)
        yield from _in_processes(parts, slots, should_stop, watch)
    else:
        with warm(), suppress(LeftOff):
            for part in parts:
                if should_stop():
                    return
                yield part, part.do(should_stop)


def _on_ray(
    parts: Sequence[Part],
    jobs: int,
    should_stop: Callable[[], bool],
    ray: RayConfig,
    devices: Collection[str],
    watch: Watch,
) -> Iterator[tuple[Part, str]]:
    device = max(devices, key=lambda name: name.startswith("cuda"), default="cpu")
    # Workers have nothing of their own.
    with closing(open_workers(int, jobs, ray, device=device)) as workers:
        units = [(part, watch) for part in parts]
        told = workers.stream(_do_on_ray, units, should_stop=should_stop, reports=False, alike=True)
        try:
            for place, figures in told:
                yield parts[place], figures
        except WorkersLost as lost:
            raise LondiError(watch.told(parts[lost.place], str(lost))) from lost


def _in_processes(
    parts: Sequence[Part], gpus: Sequence[str], should_stop: Callable[[], bool], watch: Watch
) -> Iterator[tuple[Part, str]]:
    """Do the parts in as many processes as there are `gpus`, each of them of one."""
    stop = get_context("spawn").Event()
    slots = [_Slot(stop, gpu) for gpu in gpus]
    waiting, free, running = deque(parts), deque(slots), dict[Future[_Done], tuple[_Slot, Part]]()
    once, twice = set[str](), list[str]()  # parts whose process was lost
    try:
        while waiting or running:
            if should_stop():
                stop.set()
                waiting.clear()
            while waiting and free:
                slot, part = free.popleft(), waiting.popleft()
                running[slot.pool.submit(_do_there, part, watch)] = slot, part
            for future in wait(running, _TICK, FIRST_COMPLETED).done:
                slot, part = running.pop(future)
                free.append(slot)
                try:
                    figures, error = future.result()
                except BrokenProcessPool:
                    slot.renew()
                    if part.name in once:
                        twice.append(watch.told(part, "its process was lost twice"))
                    else:
                        once.add(part.name)
                        waiting.appendleft(part)
                    continue
                if error:
                    raise LondiError(error)
                if figures:  # it may have ended while others left off
                    yield part, figures
    finally:
        stop.set()
        for slot in slots:
            slot.pool.shutdown(cancel_futures=True)
    if twice:
        raise LondiError("; ".join(twice))


class _Slot:
    """A process that does parts one after the other.

    Args:
        stop: set once its part is to leave off.
        gpu: the one that it uses, as `CUDA_VISIBLE_DEVICES` names it; empty for all.
    """

    def __init__(self, stop: Event, gpu: str) -> None:
        self._begin = partial(ProcessPoolExecutor, 1, get_context("spawn"), _ready, (stop, gpu))
        self.pool = self._begin()

    def renew(self) -> None:
        """Have another process in the place of one that was lost."""
        self.pool.shutdown()
        self.pool = self._begin()


_Done = tuple[str, str]
"""The figures that a part's `do` returns, and the message of a `LondiError`."""


_stop: Event | None = None
"""In a process of `run_parts`: set once it is to leave off."""


_stay = ExitStack()
"""In a process of `run_parts`: what lasts until it ends."""


def _ready(stop: Event, gpu: str = "") -> None:
    """Ctrl-C reaches every process of a terminal; here the parent says what it means."""
    global _stop
    _stop = stop
    if gpu:  # CUDA looks when it is first used
        os.environ[VISIBLE] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stay.enter_context(warm())


def _do_there(part: Part, watch: Watch) -> _Done:
    assert _stop
    try:
        return watch.do(part, _stop.is_set), ""
    except LeftOff:
        return "", ""
    except LondiError as error:  # as text: not every exception survives the way back
        return "", str(error)


def _do_on_ray(_: int, part: Part, watch: Watch) -> Iterator[str]:
    """The figures of a part; none if it was left."""
    from londi.scale.actors import cancelled

    begun = time.monotonic()
    while True:
        try:
            with suppress(LeftOff):
                yield watch.do(part, cancelled)
            return
        except RunInUse:  # by the worker that was lost with its node, which ends soon
            if time.monotonic() - begun > _GOING:
                raise
            time.sleep(_TICK)
