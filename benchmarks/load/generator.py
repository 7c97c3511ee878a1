"""Open-loop load: requests are sent at times that were fixed before, whatever the answers do.

    python generator.py < load.json > result.json

An answer's latency counts from the planned time of its request, so that waiting for a connection is
part of it. This file knows HTTP/1.1 and one address, and no system behind it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import cast
from urllib.parse import urlsplit

from conversations import MARK, requests
from loops import run

GRAIN = 0.002
"""Seconds by which the loop's timer is late at times; within them the clock starts as it fires."""

clock = time.perf_counter
"""That of uvloop has milliseconds only."""


@dataclass(frozen=True)
class Load:
    """What is sent, and when.

    Attributes:
        url: of chat completions.
        connections: most connections; a request waits where all of them are busy.
        rate: requests a second.
        seconds: from the first request to the last.
        stream: whether answers are asked for as streams.
        seed: of the times and the texts.
        patience: seconds after the last request for which its answer is waited for.
    """

    url: str
    connections: int
    rate: float
    seconds: float
    stream: bool = False
    seed: int = 0
    patience: float = 10.0

    def times(self) -> list[float]:
        """Seconds from the begin at which requests are sent: as by many who do not know each other.

        With one connection they are evenly spaced, or most would wait for the one before.
        """
        count = max(1, round(self.rate * self.seconds))
        if self.connections == 1:
            return [k / self.rate for k in range(count)]
        rng = random.Random(self.seed)
        return sorted(rng.uniform(0, self.seconds) for _ in range(count))


Percentiles = dict[str, float]
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Result:
    """What came of a load. Percentiles are in milliseconds.

    Attributes:
        latency: from the planned time of a request to the last byte of its answer.
        first_byte: to the first byte of its body.
        late: from the planned time of a request to when the generator got to it.
        errors: answers that are none, by what is wrong with them.
        unanswered: requests without an answer at the end.
        drained: seconds from the last planned time to the last answer.
    """

    latency: Percentiles
    first_byte: Percentiles
    late: Percentiles
    errors: dict[str, int]
    unanswered: int
    drained: float


@dataclass
class Record:
    """The answers to a load, in seconds, as they come."""

    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


def percentiles(values: Sequence[float]) -> Percentiles:
    """The percentiles of seconds, in milliseconds; no number where there are no values."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(SHARES, float("nan"))
    last = len(ordered) - 1
    return {name: 1e3 * ordered[round(share * last)] for name, share in SHARES.items()}


class Pool:
    """Connections, and the requests that wait for one.

    Args:
        load: what is sent.
        record: what comes of it.

    Attributes:
        left: requests that have no answer yet.
        done: set while there are none.
    """

    def __init__(self, load: Load, record: Record) -> None:
        split = urlsplit(load.url)
        assert split.hostname and split.port
        self._address = (split.hostname, split.port)
        self._head = (
            f"POST {split.path} HTTP/1.1\r\nhost: {split.netloc}\r\n"
            "content-type: application/json\r\nauthorization: Bearer none\r\ncontent-length: "
        ).encode()
        self._most, self._open = load.connections, 0
        self._free: list[Connection] = []
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self.left = 0
        self.record = record
        self.done = asyncio.Event()

    async def open(self) -> None:
        """Open all connections."""
        await asyncio.gather(*(self._connect() for _ in range(self._most)))

    def send(self, body: bytes, began: float) -> None:
        """Send a request as soon as there is a connection for it."""
        self.left += 1
        self.done.clear()
        content = self._head + str(len(body)).encode() + b"\r\n\r\n" + body
        if self._free:
            self._free.pop().send(content, began)
            return
        self._waiting.append((content, began))
        if self._open < self._most:
            task = asyncio.create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def free(self, connection: Connection) -> None:
        """Take back a connection whose answer has come."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def ended(self, error: str = "") -> None:
        """Note the end of an answer."""
        if error:
            self.record.errors[error] = self.record.errors.get(error, 0) + 1
        self.left -= 1
        if not self.left:
            self.done.set()

    def lost(self, connection: Connection) -> None:
        """Forget a connection that was closed."""
        self._open -= 1
        if connection in self._free:
            self._free.remove(connection)

    async def _connect(self) -> None:
        self._open += 1
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(lambda: Connection(self), *self._address)
        except OSError:
            self._open -= 1
            while self._waiting:
                self._waiting.popleft()
                self.ended("no connection")
            return
        self.free(made)


class Connection(asyncio.Protocol):
    """A connection, which has at most one request at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, content: bytes, began: float) -> None:
        """Send a request whose planned time is `began`."""
        self._began, self._busy, self._first = began, True, 0.0
        self._came, self._body, self._size = bytearray(), 0, -1
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            return
        self._came += data
        if not self._body:
            self._read_head()
        if self._body and not self._first and len(self._came) > self._body:
            self._first = clock() - self._began
        if self._body and self._complete():
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        if self._busy:
            self._busy = False
            self._pool.ended("connection closed")

    def _read_head(self) -> None:
        end = self._came.find(b"\r\n\r\n")
        if end < 0:
            return
        self._body = end + 4
        for line in bytes(self._came[:end]).lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self._size = int(line.partition(b":")[2])

    def _complete(self) -> bool:
        if self._size >= 0:
            return len(self._came) >= self._body + self._size
        return self._came.endswith(b"0\r\n\r\n", self._body)

    def _end(self) -> None:
        self._busy = False
        status = self._came[9:12].decode()
        error = "" if status == "200" else f"status {status}"
        if not error and MARK.encode() not in self._came:
            error = "another answer"
        if not error:
            self._pool.record.latencies.append(clock() - self._began)
            self._pool.record.first_bytes.append(self._first)
        self._pool.free(self)
        self._pool.ended(error)


async def play(load: Load) -> Result:
    """Send a load, and wait for its answers."""
    record = Record()
    late: list[float] = []
    times = load.times()
    bodies = list(islice(requests(load.seed, load.stream), len(times) + 1))
    pool = Pool(load, Record())
    await asyncio.wait_for(pool.open(), 30)
    # What an earlier load has left behind is over once this one is answered.
    pool.send(bodies.pop(), clock())
    await asyncio.wait_for(pool.done.wait(), 60)
    pool.record = record

    began = clock() + 0.05
    for after, body in zip(times, bodies, strict=True):
        planned = began + after
        await asyncio.sleep(max(0.0, planned - clock()))
        now = clock()
        late.append(now - planned)
        pool.send(body, now if now - planned < GRAIN else planned)
    with suppress(TimeoutError):
        await asyncio.wait_for(pool.done.wait(), load.patience)
    return Result(
        percentiles(record.latencies),
        percentiles(record.first_bytes),
        percentiles(late),
        record.errors,
        pool.left,
        clock() - (began + times[-1]),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(run(play(Load(**json.load(sys.stdin)))))))
