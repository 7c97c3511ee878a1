"""Switchyard in a process of its own: conversations in, choices of its `stage_router` out.

`nemo-switchyard` is not imported here: it needs an interpreter that has it, and may crash when that
ends. This file knows how the process is started, asked and ended, and nothing of episodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from londi.errors import InvalidConfig, LondiError, one_line

HOW = (
    "python3 -m venv switchyard && switchyard/bin/pip install nemo-switchyard, then --switchyard"
    " switchyard/bin/python"
)
_HOST = Path(__file__).with_name("switchyard_host.py")
_THERE = "there"
_IMPORT = f"from switchyard.libsy.algorithms import stage_router; print({_THERE!r}, flush=True)"

Settings = dict[str, Any]
"""Keywords of `switchyard.libsy.algorithms.stage_router`."""
Message = dict[str, Any]
"""A message in the form of Switchyard's protocol: a role, and content in blocks."""


def find_switchyard(python: str = "") -> str:
    """The interpreter that has `nemo-switchyard`: the one given, or else this one.

    Raises:
        InvalidConfig: if it does not have it; says how to get it.
    """
    found, wrong = os.path.expanduser(python) or sys.executable, ""
    try:
        # A crash at its exit comes after the word.
        tried = subprocess.run([found, "-c", _IMPORT], capture_output=True, text=True, timeout=60)
        there = _THERE in tried.stdout
        wrong = (tried.stderr.strip().splitlines() or [""])[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        there, wrong = False, one_line(error)
    if not there:
        raise InvalidConfig(
            f"stage-router: expected a Python that has nemo-switchyard, got {found!r} ({wrong});"
            f" run: {HOW}"
        )
    return found


class Switchyard:
    """The process, started when it is first asked. It ends with this object, or with londi.

    Args:
        python: the interpreter that has `nemo-switchyard`.
    """

    def __init__(self, python: str) -> None:
        self._python = python
        self._process: subprocess.Popen[str] | None = None

    def picks_capable(
        self, settings: Settings, conversations: Sequence[Sequence[Message]]
    ) -> list[bool]:
        """Whether `stage_router` picks the capable model at the end of each conversation.

        Raises:
            LondiError: if it cannot, or the process has ended.
        """
        asked = json.dumps({"settings": settings, "conversations": list(conversations)})
        process = self._process = self._process or self._start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(asked + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise LondiError(f"stage-router: Switchyard's process ended with {process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise LondiError(f"stage-router: Switchyard says {answer['error']}")
        capable: list[bool] = answer["capable"]
        return capable

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [self._python, str(_HOST)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"RUST_LOG": "error"},
            start_new_session=True,  # Ctrl-C is for londi alone
        )
        weakref.finalize(self, _end, process)
        return process


def _end(process: subprocess.Popen[str]) -> None:
    """End the process by ending its input; how it ends does not matter."""
    try:
        process.communicate(timeout=10)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
