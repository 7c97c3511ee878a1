"""The tests of tool calls run where bfcl_eval is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from londi.envs.toolcalls.tasks import INSTALL

HERE = Path(__file__).parent
BARE = ("test_calls.py", "test_missing.py")
"""Files whose tests need no bfcl_eval."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_spec("bfcl_eval") is not None:
        return
    for item in items:
        if item.path.parent == HERE and item.path.name not in BARE:
            item.add_marker(pytest.mark.skip(reason=f"bfcl_eval is not installed: {INSTALL}"))
