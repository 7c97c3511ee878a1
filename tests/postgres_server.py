"""A real Postgres, where it is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

PASSWORD = "a-secret?of@Postgres"
USER = "londi"


def _program(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))


def installed() -> bool:
    """Whether there is a server, and the package that speaks to it."""
    return _program("postgres") is not None and find_spec("psycopg") is not None


class Server:
    """A server that asks for `PASSWORD`; it runs from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"postgresql://{USER}@127.0.0.1:{self._port}/postgres"
        # It refuses to run as root, and a folder of pytest is closed to others.
        self._own = {"user": _other(), "cwd": "/"} if os.getuid() == 0 else {}
        self._folder = Path(tempfile.mkdtemp(prefix="londi-postgres-"))
        self._data = self._folder / "data"

    def start(self) -> None:
        """Start it, at the same address and with the same data as before."""
        self._process = subprocess.Popen(
            [
                *(str(_program("postgres")), "-D", str(self._data), "-p", str(self._port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                *("-c", f"unix_socket_directories={self._folder}"),
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            **self._own,
        )
        assert self._process.stderr
        next(line for line in self._process.stderr if "ready to accept connections" in line)

    def stop(self) -> None:
        """End it, and all connections to it."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        assert self._process.stderr
        self._process.stderr.close()

    def __enter__(self) -> Server:
        secret = self._folder / "secret"
        secret.write_text(PASSWORD)
        if self._own:
            for place in (self._folder, secret):
                shutil.chown(place, self._own["user"])
        subprocess.run(
            [
                *(str(_program("initdb")), "-D", str(self._data), "-U", USER, "--no-sync"),
                *("-A", "scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._own,
        )
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self._folder)


def _other() -> str:
    """A user that is not root."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)
