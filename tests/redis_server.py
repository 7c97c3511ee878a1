"""A real Redis, where it is installed."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def installed() -> bool:
    """Whether there is a server, and the package that speaks to it."""
    return shutil.which("redis-server") is not None and find_spec("redis") is not None


class Server:
    """A server that keeps nothing on disk; it runs from `__enter__` to `__exit__`.

    Args:
        folder: where it works.
        password: what it asks for, if it does.
    """

    def __init__(self, folder: Path, password: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        place = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        secret = ["--requirepass", password] if password else []
        self._command = ["redis-server", *place, *secret, "--save", ""]

    def start(self) -> None:
        """Start it, at the same address as before."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        next(line for line in self._process.stdout if "eady to accept connections" in line)

    def stop(self) -> None:
        """Kill it, and all that it knows."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def freeze(self) -> None:
        """Let it answer nothing, though it can be connected to."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server, as long as the context lasts."""
    with Server(folder) as server:
        yield server.url
