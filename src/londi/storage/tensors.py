"""Arrays in one safetensors file, whose errors are those of the operating system.

This file does not know what the arrays are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from londi.types import Array


@contextmanager
def write_errors_of_safetensors() -> Iterator[None]:
    """Raise the operating system's error that a `SafetensorError` inside hides.

    Raises:
        OSError: if a write inside fails, such as on a full disk.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        raise (
            OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(error)
        ) from error


def save_arrays(file: Path, arrays: dict[str, Array]) -> None:
    """Write `arrays` by name into a new file.

    Raises:
        OSError: if it cannot be written.
    """
    with write_errors_of_safetensors():
        save_file(arrays, file)


def load_arrays(file: Path) -> dict[str, Array]:
    """Read what `save_arrays` wrote.

    Raises:
        OSError: if it cannot be read.
        SafetensorError: if it is cut short or no such file.
    """
    return load_file(file)


def check_arrays(file: Path) -> None:
    """See that the file is there and whole, without reading the arrays.

    Raises:
        OSError: if it cannot be read.
        SafetensorError: if it is cut short or no such file.
    """
    with safe_open(file, "numpy"):
        pass
