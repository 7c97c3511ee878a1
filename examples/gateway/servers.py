"""Processes that serve: the models, and `londi serve` in front of them.

This file knows how they are started and ended. It does not know what they are asked.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODELS = {
    "quick": {
        "model": "builtin:scienceworld-quick",
        "price": {"input": 0.1, "output": 0.4},
    },
    "deepthink": {
        "model": "builtin:scienceworld-deepthink",
        "price": {"input": 2.0, "output": 8.0},
    },
}
"""QUICK and DEEPTHINK, with made-up prices in US dollars a million tokens: nobody sells them."""
SERVE = ("-m", "londi", "serve")
"""Command of a gateway."""
BOUND = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
"""Prefix of a command that ends with its parent, even where that is killed; Linux has it."""


@contextmanager
def serving(command: Sequence[str], log: Path) -> Iterator[str]:
    """A process that prints `serving at URL` when it listens; gives the address.

    Raises:
        RuntimeError: if it ends before.
    """
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*BOUND, sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for run.py, which ends it after the agent
        )
    try:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("serving at "):
                break
        else:
            raise RuntimeError(f"{command[0]} did not start; {log} says why")
        yield line.split()[2].rstrip(",;")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


@contextmanager
def gateway(
    settings: dict[str, Any], name: str, folder: Path, command: Sequence[str] = SERVE
) -> Iterator[str]:
    """A gateway with these settings, by default `londi serve`; gives its address."""
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(settings | {"listen": "127.0.0.1:0"}, indent=1) + "\n")
    with serving([*command, "--config", str(file)], folder / f"{name}.log") as url:
        yield url
