"""A process that finds no package of the extra `train`, as after a plain `pip install londi`, or of
others.
"""

from __future__ import annotations

import subprocess
import sys

from londi import errors

TRAIN = {package for package, extra in errors.EXTRAS.items() if extra == "train"}
HIDDEN = """
import importlib.abc, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def without(packages: set[str], code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process that finds none of these packages."""
    hidden = HIDDEN.format(packages=packages)
    return subprocess.run(
        [sys.executable, "-c", f"{hidden}\n{code}", *args], text=True, capture_output=True
    )


def without_train(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process that finds no package of the extra."""
    return without(TRAIN, code, *args)
