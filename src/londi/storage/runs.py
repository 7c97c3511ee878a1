"""The folder of a run: made new, with its configuration beside everything else.

This file knows where a configuration lies, and nothing of what a run does.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import yaml

from londi.config.settings import read_config
from londi.errors import LondiError, OutputExists

CONFIG = "config.yaml"

Config = TypeVar("Config")


def create_run(folder: Path, config: Any, overwrite: bool = False) -> None:
    """Make the folder of a run and write `config` into it.

    Args:
        folder: where to; an empty folder will do.
        config: a dataclass.
        overwrite: remove an earlier run that is there.

    Raises:
        OutputExists: if there is anything in `folder` and it may not go, or is no such run.
        LondiError: if the folder cannot be made.
    """
    with _writing(folder):
        if not is_free(folder, type(config), overwrite):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.dump(
            _plain(asdict(config)), Dumper=_Dumper, sort_keys=False, allow_unicode=True
        )
        write_whole(folder / CONFIG, [text])


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises:
        LondiError: if it cannot be made.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except LondiError:
        raise
    except OSError as error:
        raise LondiError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error


def is_free(folder: Path, kind: type, overwrite: bool) -> bool:
    """Whether a run can be made in `folder` as it is; false where an earlier one has to go first.

    Raises:
        OutputExists: if there is anything in `folder` and it may not go, or is no run of this
            `kind`: what is to be removed must be known for what it is.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return True
    if not overwrite:
        raise OutputExists(f"{str(folder)!r} exists; give another --out, or --overwrite")
    try:
        read_run(folder, kind)
    except LondiError as error:
        raise OutputExists(
            f"{str(folder)!r} exists and is no run of londi of this kind; it is left"
        ) from error
    return False


def read_run(folder: Path, kind: type[Config]) -> Config:
    """The configuration of the run in `folder`, which was of this `kind`.

    Raises:
        LondiError: if there is none, or it is of another kind.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise LondiError(f"no run in {str(folder)!r}: it has no {CONFIG}")
    return read_config(file, kind)


def write_whole(file: Path, texts: Iterable[str]) -> None:
    """Write `texts` one after the other, whole or not at all."""
    part = file.with_name(file.name + ".part")
    with open(part, "w", encoding="utf-8") as out:
        out.writelines(texts)
    part.replace(file)


class _Dumper(yaml.SafeDumper):
    """Quotes what only some readers of YAML take for a number, such as 1e3."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[\d._]+(?:e[-+]?\d+)?$", re.I),
    list("-+.0123456789"),
)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists, which YAML has."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
