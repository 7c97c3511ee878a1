"""Pieces of work for `run_parts`; they lie here so that another process can import them."""

from __future__ import annotations

import ctypes
import os
import signal
import time
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


class Seen(Plain):
    """Tells which GPUs it may use, and ends once all parts of its round are under way."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        (self.folder / self.name).touch()
        round = self.name[0]
        while len(list(self.folder.glob(f"{round}*"))) < 3:
            os.sched_yield()
        return os.environ.get("CUDA_VISIBLE_DEVICES", "all")


class Hangs(Plain):
    """Hangs in a library that holds the interpreter; where it is `once`, it does not again."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        begun = self.folder / self.name
        if self.name == "once" and begun.exists():
            return "went on"
        with begun.open("a") as file:
            file.write("begun\n")
        should_stop()
        ctypes.PyDLL(None).sleep(1000)
        raise AssertionError


class Slow(Plain):
    """Takes longer than a part may be silent, and is not."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            should_stop()
            time.sleep(0.01)
        return "slow"


class Dies(Plain):
    """Its process is killed, as by a system without memory."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Breaks(Plain):
    """Has a fault that nobody foresaw."""

    def do(self, should_stop: Callable[[], bool]) -> str:
        raise ZeroDivisionError(self.name)
