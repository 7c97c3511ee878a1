"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.calling import ENV
from londi.models.hf.seq2seq import Seq2SeqModel


@pytest.fixture
def config(make_lm: Callable[..., Seq2SeqModel], tmp_path: Path) -> Path:
    """A YAML file of a training that takes seconds."""
    file = tmp_path / "run.yaml"
    file.write_text(
        f"env: {ENV}\nquick: {make_lm().name}\ndeepthink: expert\ncache: none\nsteps: 96\n"
        "warmup: 32\nnum_envs: 4\nbatch_size: 8\nwidth: 16\nreport_every: 16\n"
        "checkpoint_every: 32\n"
    )
    return file
