"""Switchyard's server as a process: `python switchyard_host.py ROUTES PORT`.

It is run by the interpreter that has `nemo-switchyard`, and knows nothing of londi.
"""

from __future__ import annotations

import signal
import sys

from switchyard_rust.server import Server


def main(routes: str, port: int) -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with Server(routes, port):
        while True:
            signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
