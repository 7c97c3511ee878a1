"""`londi serve` as a process, before upstreams of a test."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Start = Callable[..., str]
"""Starts a gateway with other settings, and gives its address."""


class Gateway:
    """A gateway that can be started, killed, and started again at the same address.

    Args:
        folder: of its settings and its log.
        upstream: address of the models `small` and `large`.
        changes: settings in place of those of a gateway that always calls DEEPTHINK.
    """

    def __init__(self, folder: Path, upstream: str, **changes: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        values = {
            "quick": {"model": "small", "base_url": upstream},
            "deepthink": {"model": "large", "base_url": upstream},
            "switcher": "always-deepthink",
            "listen": f"127.0.0.1:{port}",
        }
        self.url = f"http://127.0.0.1:{port}/v1"
        self._settings, self._log = folder / f"serve-{port}.yaml", folder / f"serve-{port}.log"
        self._settings.write_text(json.dumps(values | changes))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has printed, in all its lives."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it; it listens when this returns."""
        command = [sys.executable, "-m", "londi", "serve", "--config", str(self._settings)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout
        assert self._process.stdout.readline().startswith(b"serving at "), self.log

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self._process.kill()
        self._process.communicate()

    def stop(self, told: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to end, and wait."""
        self._process.send_signal(told)
        rest, _ = self._process.communicate()
        with self._log.open("ab") as log:
            log.write(rest)

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._process.poll() is None:
            self.stop(signal.SIGINT) if kind is None else self.kill()
        if kind is None:
            assert "Traceback" not in self.log, self.log
