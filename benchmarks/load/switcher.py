"""A Switcher for the benchmark: a small universal one that reads text, trained in seconds.

What it has learned does not matter here. It has the size and the inputs of a real one.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from londi.evaluation.export import export
from londi.learning.trainer import train

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from playthings import UNIVERSAL, toy


def make_switcher(folder: Path) -> Path:
    """Train and export it; the file."""
    file = folder / "switcher.onnx"
    config = replace(
        UNIVERSAL, encoder="text", width=128, steps=400, warmup=100, checkpoint_every=400
    )
    train(config, folder / "run", pair=toy())
    export(folder / "run", file, pair=toy())
    return file


if __name__ == "__main__":
    make_switcher(Path(sys.argv[1]))
