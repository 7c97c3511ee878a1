"""A real Redis, where it is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def installed() -> bool:
    """Whether there is a server, and the package that speaks to it."""
    return shutil.which("redis-server") is not None and find_spec("redis") is not None


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server, as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    server = subprocess.Popen([*command, "--save", ""], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout
        try:
            next(line for line in server.stdout if "eady to accept connections" in line)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
