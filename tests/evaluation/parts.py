"""Pieces of work for `run_parts`; they lie here so that another process can import them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from londi.envs.scienceworld.simulator import keeps_simulators
from londi.errors import UnknownName
from londi.evaluation.jobs import LeftOff


@dataclass(frozen=True)
class Plain:
    """Leaves a file of its name, and tells whether simulators are kept while it works."""

    name: str
    folder: Path

    ended = False

    def do(self, should_stop: Callable[[], bool]) -> str:
        (self.folder / self.name).touch()
        return "warm" if keeps_simulators() else "cold"

    def warnings(self) -> tuple[str, ...]:
        return ()


class Waits(Plain):
    """Leaves a file of its name, and works until it is asked to stop."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        parent = os.getppid()
        (self.folder / self.name).touch()
        while not should_stop() and os.getppid() == parent:  # nor does it outlive who would ask
            os.sched_yield()
        raise LeftOff


class Meets(Plain):
    """Waits at a pipe for the one at its other end, and ends with that one's process."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        mode = "w" if self.name == "writer" else "r"
        with open(self.folder / "pipe", mode) as pipe:
            if mode == "w":
                pipe.write(str(os.getpid()))
                return str(os.getpid())
            return pipe.read()


class Interrupted(Plain):
    """Is sent what a terminal sends to all processes at Ctrl-C."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "went on"


class Fails(Plain):
    """Cannot be done; its error is none that survives the way out of a process."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        raise UnknownName("name of a disk", self.name, ["a"])


class Breaks(Plain):
    """Has a fault that nobody foresaw."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        raise ZeroDivisionError(self.name)
