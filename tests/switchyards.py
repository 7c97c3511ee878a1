"""Switchyard for tests: the real package where there is one, and a stand-in that crashes at exit.

python3 -m venv switchyard && switchyard/bin/pip install nemo-switchyard
SWITCHYARD=switchyard/bin/python python -m pytest tests/baselines
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from londi.baselines.switchyard_process import find_switchyard
from londi.errors import InvalidConfig

_STAND_IN = """
import atexit, os
from types import SimpleNamespace as Named

class Router:
    def __init__(self, settings):
        self.settings = settings

    async def run_stream(self, request, models):
        text = str(request["messages"][-1])
        if "crash" in text:
            os.abort()
        if "wrong" in text:
            raise ValueError("so it is")
        tier = "capable" if "hard" in text else "efficient"
        if self.settings["picker"] == "capable_first":
            tier = "capable"
        yield Named(outcome=Named(selected_model_ids=models[tier]))

def stage_router(**settings):
    return Router(settings)

atexit.register(os.abort)
os._exit = lambda code: os.abort()
"""


def real() -> str:
    """An interpreter that has the real package; the test is skipped where there is none."""
    try:
        return find_switchyard(os.environ.get("SWITCHYARD", ""))
    except InvalidConfig:
        pytest.skip("nemo-switchyard is not installed; SWITCHYARD may name a Python that has it")


def stand_in(folder: Path) -> str:
    """An interpreter with a package that calls DEEPTHINK where it is hard, and aborts at its end.

    Args:
        folder: where it may be written.
    """
    package = folder / "lib" / "switchyard" / "libsy"
    package.mkdir(parents=True, exist_ok=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "algorithms.py").write_text(_STAND_IN)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={folder / "lib"} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return str(python)
