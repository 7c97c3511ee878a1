"""What a benchmark is given: its help is its docstring, and a file that it reads is there."""

from __future__ import annotations

import argparse
from pathlib import Path

OBSERVATION = 211
"""Numbers of an observation of the built-in BabyAI pair, with foresight."""


def make_parser(text: str | None) -> argparse.ArgumentParser:
    """A parser whose help is `text`, line by line."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def existing(name: str) -> Path:
    """A file or folder that is there.

    Raises:
        argparse.ArgumentTypeError: if it is not.
    """
    if not (path := Path(name)).exists():
        raise argparse.ArgumentTypeError(f"expected a file or folder, there is no {name!r}")
    return path
