"""Processes of a benchmark: started, held to one core, measured, and ended with all their children.

This file knows Linux, and nothing of what runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START = 60.0
"""Seconds within which a process must be ready."""


def cores() -> tuple[set[int], set[int]]:
    """The core of the gateways, and those of the mock upstream and the generator."""
    gateway, *others = sorted(os.sched_getaffinity(0))
    return {gateway}, set(others) or {gateway}


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    on: set[int],
    ready: str,
    env: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """A process that is ready; its id, which is that of its group as well.

    Args:
        command: what to run.
        log: file of what it prints.
        on: cores that it may use.
        ready: an address that answers once it is ready.
        env: what is added to the environment.

    Raises:
        RuntimeError: if it ends before it is ready, or takes too long.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(env or {}),
            start_new_session=True,
        )
    try:
        os.sched_setaffinity(process.pid, on)  # before it has a thread of its own
        _wait(process, ready, log)
        yield process.pid
    finally:
        _end(process)


def memory(group: int) -> float:
    """Resident memory of all processes of a group, in MB."""
    pages = sum(int(text.split()[1]) for text in _told(group, "statm"))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(group: int) -> float:
    """CPU time of all processes of a group."""
    fields = [text.rpartition(")")[2].split() for text in _told(group, "stat")]
    return sum(int(of[11]) + int(of[12]) for of in fields) / os.sysconf("SC_CLK_TCK")


def _told(group: int, file: str) -> list[str]:
    """A file of /proc, of each process of a group."""
    texts = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):  # no process, or one that has just ended
            if os.getpgid(int(folder.name)) == group:
                texts.append((folder / file).read_text())
    return texts


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(ready, timeout=1):
                return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.1)
    said = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"{process.args!r} was not ready; the end of what it said:\n{said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, gently at first."""
    for sign, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
