"""Without bfcl_eval: names are known, and making the environment says how it is installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from londi.envs.registry import environment_names, make_env
from londi.envs.toolcalls import tasks
from londi.envs.toolcalls.tasks import VERSION
from londi.errors import InvalidConfig, MissingExtra

COMMAND = f"pip install 'londi[tools]' && pip install --no-deps bfcl_eval=={VERSION}"


@pytest.mark.parametrize("package", ["bfcl_eval", "mpmath"])
def test_what_is_missing_is_named_with_the_command(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bfcl_eval", None if package == "bfcl_eval" else tasks)
    monkeypatch.setitem(sys.modules, "mpmath", None if package == "mpmath" else tasks)
    with pytest.raises(MissingExtra) as missing:
        make_env("londi/ToolCalls-v0")
    assert str(missing.value) == f"{package} is not installed; run: {COMMAND}"


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("bfcl_eval", "mpmath"):
        monkeypatch.setitem(sys.modules, package, tasks)
    monkeypatch.setattr(tasks, "version", {"bfcl_eval": "2027.1.1"}.__getitem__)
    expected = f"bfcl_eval: expected release {VERSION}, got 2027.1.1; run: pip install --no-deps"
    with pytest.raises(InvalidConfig, match=expected):
        make_env("londi/ToolCalls-v0")


def test_naming_it_imports_nothing() -> None:
    assert "londi/ToolCalls-v0" in environment_names()
    code = "import sys, londi; print([n for n in ('bfcl_eval', 'mpmath') if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
