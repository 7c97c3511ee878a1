"""The notebooks: each runs as a plain script, in less than a minute of one core."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import londi

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.py"))
MINUTE = 60.0


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3
    for file in NOTEBOOKS:
        assert file.read_text(encoding="utf-8").startswith("# %% [markdown]\n# # ")


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(file: Path, tmp_path: Path) -> None:
    own = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    own["PYTHONPATH"] = str(Path(londi.__file__).parent.parent)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(
        [sys.executable, file], cwd=tmp_path, env=os.environ | own, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.returncode == 0, ran.stderr
    # Processor seconds, which a busy machine does not lengthen.
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert spent < MINUTE
