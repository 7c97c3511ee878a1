"""What is measured of each system: latency at levels of load, and the rate at which it breaks.

This file knows loads and their results. It does not know how a system is started.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from generator import Load, Percentiles, Result

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Level:
    """A load below the limit of every system.

    Attributes:
        name: what it is called.
        connections: most connections; of many of them three quarters are busy at a time.
        rate: requests a second.
        think: seconds for which the upstream thinks.
        stream: whether answers are streams.
    """

    name: str
    connections: int
    rate: float
    think: float
    stream: bool = False


LEVELS = (
    Level("1 connection", 1, 20, 0.01),
    Level("32 connections", 32, 50, 0.48),
    Level("256 connections", 256, 50, 3.84),
    Level("streams", 32, 25, 0.1, stream=True),
)

CONNECTIONS = 256
"""Connections at the search for the breaking rate, where the upstream does not think."""
FIRST_RATE, MOST_RATE = 25.0, 12_800.0
"""Where that search begins, and where it gives up."""
HALVINGS = 3
"""Steps of the search between the last rate that held and the first that did not."""
MOST_P99 = 1.0
"""Seconds that the 99th percentile may reach at a rate that holds."""
MOST_BACKLOG = 0.1
"""Part of a load's duration that answers may still take after its last request."""


class Generator:
    """Sends loads from a process of its own.

    Args:
        on: cores that it may use.
        upstream: address of the mock upstream.
    """

    def __init__(self, on: set[int], upstream: str) -> None:
        self._on, self._upstream = on, upstream

    def play(self, load: Load, think: float) -> Result:
        """The result of a load, while the upstream thinks for so many seconds."""
        with urllib.request.urlopen(f"{self._upstream}/think/{think}", timeout=10):
            pass
        cores = ",".join(map(str, sorted(self._on)))
        done = subprocess.run(
            ["taskset", "-c", cores, sys.executable, str(FOLDER / "generator.py")],
            input=json.dumps(asdict(load)),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            timeout=load.seconds + load.patience + 120,
        )
        return Result(**json.loads(done.stdout))


def latency(
    generator: Generator, url: str, level: Level, seconds: float, seed: int
) -> dict[str, Any]:
    """Percentiles at a level, with what went wrong."""
    load = Load(url, level.connections, level.rate, seconds, level.stream, seed, level.think + 10)
    result = generator.play(load, level.think)
    return asdict(result) | {"failed": sum(result.errors.values()) + result.unanswered}


def holds(result: Result, seconds: float) -> bool:
    """Whether a system keeps up with a load."""
    return (
        not result.errors
        and not result.unanswered
        and result.latency["p99"] <= 1e3 * MOST_P99
        and result.drained <= MOST_BACKLOG * seconds
    )


def breaking_rate(generator: Generator, url: str, seconds: float, seed: int) -> dict[str, Any]:
    """The highest rate that holds, and all that was tried."""
    tried: list[tuple[float, bool, Percentiles, dict[str, int]]] = []

    def try_once(rate: float) -> bool:
        load = Load(url, CONNECTIONS, rate, seconds, seed=seed + len(tried), patience=seconds)
        result = generator.play(load, 0.0)
        held = holds(result, seconds)
        tried.append((rate, held, result.latency, result.errors))
        return held

    def try_out(rate: float) -> bool:
        # Once more, since the machine may have been busy with something else.
        return try_once(rate) or try_once(rate)

    low, high = 0.0, FIRST_RATE
    while high <= MOST_RATE and try_out(high):
        low, high = high, 2 * high
    for _ in range(HALVINGS if low and high <= MOST_RATE else 0):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if try_out(middle) else (low, middle)
    return {"rate": low, "tried": tried}


def median(values: Sequence[float]) -> float:
    """The median of what is a number."""
    numbers = [value for value in values if value == value]
    return statistics.median(numbers) if numbers else float("nan")
