"""Workers as actors of Ray: placed by Ray, watched, and replaced when they are lost.

The only file that imports ray. It knows units of work and their items; not what they are.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, cast

from londi.config.ray import RayConfig
from londi.envs.scienceworld.simulator import warm
from londi.errors import LondiError, MissingExtra, one_line
from londi.scale.workers import Context, Item, News, Workers, WorkersLost

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ModuleNotFoundError as error:
    raise MissingExtra("ray", "ray") from error

TICK = 0.5
"""Seconds between two looks at whether to stop, and for workers that are silent."""
PENDING = 8
"""Items that a worker may be ahead of who reads them."""
ATTEMPTS = 3
"""Workers that may be lost one after the other without a further item."""
LAST = 30.0
"""Seconds that a worker has to end its context."""


@contextmanager
def connected(config: RayConfig, count: int) -> Iterator[None]:
    """Ray, started or found as `config` says, unless this process is connected already.

    Args:
        config: where it is.
        count: workers to come: Ray on this machine makes room for them.

    Raises:
        LondiError: if there is no cluster.
    """
    if ray.is_initialized():
        yield
        return
    # What workers print is not this command's output; what goes wrong comes back as an error.
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if config.ray == "local":
        cores = max(os.cpu_count() or 1, math.ceil(count * config.ray_cpus))
        options |= {"num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(address=config.ray, **options)
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise LondiError(f"ray: no cluster at {config.ray!r}: {one_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def cancelled() -> bool:
    """Inside of a worker: whether its unit of work is to be left."""
    return bool(ray.get_runtime_context().is_canceled())


@dataclass(frozen=True)
class _Failed:
    """An error of the work, as text: not every exception survives the way back."""

    message: str


class _Actor(Generic[Context]):
    """A worker, in a process of its own."""

    def __init__(
        self, make: Callable[[int], Context], place: int, end: Callable[[Context], None]
    ) -> None:
        self._make, self._place, self._end = make, place, end
        self._context: Context | None = None
        self._stay = ExitStack()
        self._stay.enter_context(warm())

    def stream(self, work: Callable[..., Iterator[Item]], *unit: Any) -> Iterator[Item | _Failed]:
        try:
            if self._context is None:
                self._context = self._make(self._place)
            yield from work(self._context, *unit)
        except LondiError as error:
            yield _Failed(str(error))

    def idle(self) -> None:
        """Return once what was asked before is done."""

    def end(self) -> None:
        if self._context is not None:
            self._end(self._context)
        self._stay.close()


@dataclass
class _Job:
    """A unit of work, waiting or under way.

    Attributes:
        place: which unit.
        worker: which worker does it.
        items: its items, as Ray hands them out.
        heard: when there was news of it.
        seen: items that were yielded.
        again: items of a repetition that were yielded before.
        lost: workers that were lost since the last item.
    """

    place: int
    worker: int = 0
    items: Any = None
    heard: float = 0.0
    seen: int = 0
    again: int = 0
    lost: int = 0


class RayWorkers(Workers[Context]):
    """Workers as actors of Ray; see `open_workers` for the arguments.

    Args:
        gpus: that each takes. Ray shows it those alone, counted from 0.
    """

    def __init__(
        self,
        make: Callable[[int], Context],
        count: int,
        end: Callable[[Context], None],
        config: RayConfig,
        gpus: float = 0.0,
    ) -> None:
        self.count, self._config, self._gpus = count, config, gpus
        self._arguments = make, end
        # Replaced here and not by Ray, which knows of no worker that hangs.
        resources = {"num_cpus": config.ray_cpus, "num_gpus": gpus}
        self._class = ray.remote(_Actor).options(**resources, max_restarts=0)
        self._stack = ExitStack()
        self._stack.enter_context(connected(config, count))
        self._actors = [self._begin(place) for place in range(count)]
        self._begun = [actor.idle.remote() for actor in self._actors]
        self._tell_room()

    def stream(
        self,
        work: Callable[..., Iterator[Item]],
        units: Sequence[tuple[Any, ...]],
        *,
        should_stop: Callable[[], bool] = lambda: False,
        reports: bool = True,
        alike: bool = False,
    ) -> Iterator[tuple[int, Item]]:
        def begin(job: _Job, worker: int) -> None:
            call = self._actors[worker].stream.options(
                num_returns="streaming", _generator_backpressure_num_objects=PENDING
            )
            job.worker, job.items, job.again = worker, call.remote(work, *units[job.place]), 0
            job.heard = time.monotonic()

        def replace(job: _Job, reason: str) -> None:
            job.lost += 1
            if job.lost > ATTEMPTS:
                raise WorkersLost(
                    job.place, f"ray: {job.lost} workers were lost at the same place: {reason}"
                )
            self._renew(job.worker)
            self._tell_room()
            if alike:  # the cluster may have no room for another one
                jobs.remove(job)
                free.append(job.worker)
                waiting.appendleft(job)
            else:
                begin(job, job.worker)

        def take() -> int | None:
            """The next worker that may begin a unit, if there is one."""
            able = [worker for worker in free if not alike or self._has_begun(worker)]
            if not able:
                return None
            free.remove(able[0])
            return able[0]

        waiting, jobs = deque(map(_Job, range(len(units)))), list[_Job]()
        free = list(range(self.count))
        try:
            while waiting or jobs:
                if should_stop():
                    self._leave(jobs)
                    return
                while waiting and (worker := take()) is not None:
                    jobs.append(waiting.popleft())
                    begin(jobs[-1], worker)
                if not jobs:  # no worker is there yet
                    ray.wait(list(self._begun), timeout=TICK)
                    continue
                streams = [job.items for job in jobs]
                ray.wait(streams, timeout=TICK)
                ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0)
                for job in list(jobs):
                    if job.items not in ready:
                        if not self._has_begun(job.worker):  # it waits for room in the cluster
                            job.heard = time.monotonic()
                        silent = time.monotonic() - job.heard
                        if reports and silent > self._config.ray_timeout:
                            replace(job, f"no news for {silent:.0f} s")
                        continue
                    try:
                        item = ray.get(next(job.items))
                    except StopIteration:
                        jobs.remove(job)
                        free.append(job.worker)
                        continue
                    except RayTaskError:  # a fault of the work's own
                        raise
                    except RayError as error:
                        replace(job, one_line(error))
                        continue
                    job.heard = time.monotonic()
                    if isinstance(item, _Failed):
                        raise LondiError(item.message)
                    if not isinstance(item, News):
                        job.again += 1
                        if job.again <= job.seen:
                            continue
                        job.seen, job.lost = job.again, 0
                    yield job.place, cast(Item, item)
        finally:
            for job in jobs:  # nobody reads on: an error, or Ctrl-C
                self._kill(job.worker)

    def close(self) -> None:
        with self._stack:
            ending = [actor.end.remote() for actor in self._actors]
            ray.wait(ending, num_returns=len(ending), timeout=LAST)
            for worker in range(self.count):
                self._kill(worker)

    def _begin(self, place: int) -> Any:
        make, end = self._arguments
        return self._class.remote(make, place, end)

    def _renew(self, worker: int) -> None:
        """Put a new worker in the place of one."""
        self._kill(worker)
        self._actors[worker] = self._begin(worker)
        self._begun[worker] = self._actors[worker].idle.remote()

    def _has_begun(self, worker: int) -> bool:
        """Whether the worker's process is there."""
        return bool(ray.wait([self._begun[worker]], timeout=0)[0])

    def _tell_room(self) -> None:
        """Warn of workers that have no room until the cluster grows."""
        there = ray.cluster_resources()
        for name, each in (("CPU", self._config.ray_cpus), ("GPU", self._gpus)):
            if each * self.count > there.get(name, 0.0):
                warnings.warn(
                    f"ray: {self.count} workers take {each * self.count:g} {name}s and the cluster"
                    f" has {there.get(name, 0.0):g}: some wait until it grows",
                    stacklevel=3,
                )

    def _kill(self, worker: int) -> None:
        with suppress(RayError):
            ray.kill(self._actors[worker])

    def _leave(self, jobs: list[_Job]) -> None:
        """Have units left, and wait until they are: a training leaves a checkpoint."""
        for job in jobs:
            ray.cancel(job.items)
        with suppress(RayError):
            ray.get([self._actors[job.worker].idle.remote() for job in jobs])
        jobs.clear()
