"""Units of work; they lie here so that workers can import them, which takes no torch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from londi.errors import UnknownName
from londi.evaluation.jobs import LeftOff

FAULT = "LONDI_TEST_FAULT"
"""Variable with the name of a file: who finds it does once what stands in it."""


def suffer() -> None:
    """Die or hang, if that is asked for; nobody else does then."""
    file = Path(os.environ.get(FAULT, "no such file"))
    try:
        fault = file.read_text()
        file.unlink()
    except FileNotFoundError:
        return
    if fault == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1e6)


def counting(context: list[int], first: int, items: int) -> Iterator[tuple[int, int]]:
    """Counts up, with the process that counts; `context` tells how often it was used there."""
    context.append(first)
    for k in range(items):
        suffer()
        yield first + k, os.getpid()


def fails(context: list[int], name: str) -> Iterator[int]:
    yield 1
    raise UnknownName("number", name, ["one"])


def empty(place: int) -> list[int]:
    return [place]


@dataclass(frozen=True)
class Waits:
    """A part of a sweep that works until it is asked to stop, and leaves two files."""

    name: str
    folder: Path

    ended = False

    def do(self, should_stop: Callable[[], bool]) -> str:
        (self.folder / self.name).touch()
        while not should_stop():
            time.sleep(0.01)
        (self.folder / f"{self.name} left off").touch()
        raise LeftOff

    def warnings(self) -> tuple[str, ...]:
        return ()
