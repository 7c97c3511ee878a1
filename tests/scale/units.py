"""Units of work; they lie here so that workers can import them, which takes no torch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import gymnasium as gym
import numpy as np

from londi.envs.registry import make_env
from londi.errors import UnknownName
from londi.evaluation.jobs import LeftOff
from londi.models.devices import worker_device
from londi.types import Array

T = TypeVar("T")

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


def heavy(context: list[int], first: int, items: int) -> Iterator[tuple[int, Array]]:
    """Counts up with 16 MiB beside each number."""
    for k in range(first, first + items):
        suffer()
        yield k, np.full(2**21, k)


def simulator(place: int) -> gym.Env[str, str]:
    return make_env("londi/ScienceWorld-find-plant-v0")


def played(game: gym.Env[str, str], seed: int, steps: int, folder: Path) -> Iterator[str]:
    """What is seen in an episode; the process of its simulator leaves a file by its number."""
    game.reset(seed=seed)
    children = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    for child in Path(children).read_text().split():
        if Path(f"/proc/{child}/comm").read_text() == "java\n":
            (folder / child).touch()
    for k in range(steps):
        if k == 3:
            suffer()
        yield str(game.step("look around")[0])


def fails(context: list[int], name: str) -> Iterator[int]:
    yield 1
    raise UnknownName("number", name, ["one"])


def empty(place: int) -> list[int]:
    return [place]


def gpus(place: int) -> tuple[str, str]:
    """The GPUs that a worker may use, and the device of its models where that is `cuda`."""
    return os.environ["CUDA_VISIBLE_DEVICES"], worker_device("cuda", place)


def told(context: T) -> Iterator[T]:
    yield context


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
