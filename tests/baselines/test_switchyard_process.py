"""Switchyard's process: asked, ended, and crashed."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from londi.baselines.switchyard_process import Switchyard, find_switchyard
from londi.errors import InvalidConfig, LondiError
from switchyards import stand_in

FIRST = {"picker": "efficient_first"}


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


def test_it_answers_all_conversations_in_their_order(tmp_path: Path) -> None:
    router = Switchyard(stand_in(tmp_path))
    asked = [said("hard"), said("easy"), said("hard")]
    assert router.picks_capable(FIRST, asked) == [True, False, True]
    assert router.picks_capable({"picker": "capable_first"}, asked[1:]) == [True, True]


def test_its_crash_at_the_end_is_nobodys(tmp_path: Path) -> None:
    python = stand_in(tmp_path)
    assert find_switchyard(python) == python
    router = Switchyard(python)
    router.picks_capable(FIRST, [said("easy")])
    process = router._process
    assert process
    del router
    gc.collect()
    assert process.returncode < 0, "it did crash"


def test_londi_ends_well_where_it_crashes(tmp_path: Path) -> None:
    script = (
        "from londi.baselines.switchyard_process import Switchyard\n"
        f"kept = Switchyard({stand_in(tmp_path)!r})\n"
        f"print(kept.picks_capable({FIRST!r}, [{said('hard')!r}]))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[True]\n", "")


@pytest.mark.parametrize(
    ("text", "message"), [("wrong", "ValueError: so it is"), ("crash", "ended with -6")]
)
def test_a_question_that_fails_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LondiError, match=message) as caught:
        Switchyard(stand_in(tmp_path)).picks_capable(FIRST, [said(text)])
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("python", ["no-such-python", sys.executable])
def test_an_interpreter_without_it_is_told_how_to_get_it(
    python: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "switchyard"  # shadows a real one
    broken.mkdir()
    (broken / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(InvalidConfig, match="pip install nemo-switchyard") as caught:
        find_switchyard(python)
    assert len(str(caught.value).splitlines()) == 1
