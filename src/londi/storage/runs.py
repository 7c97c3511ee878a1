"""The folder of a run: created with its configuration, read back, and held by one command.

This file knows where the configuration is. It does not know what a run does.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from londi.config.base import Settings
from londi.config.settings import read_config
from londi.errors import InvalidConfig, LondiError, OutputExists, RunInUse
from londi.storage.atomic import swap, sync_folder, write_errors, write_whole
from londi.storage.paths import as_path

CONFIG = "config.yaml"

Config = TypeVar("Config")


def create_run(folder: Path, config: Settings, overwrite: bool = False) -> None:
    """Make the folder of a run and write `config` into it.

    The new folder is written aside first: whatever fails, an earlier run is still there.

    Args:
        folder: where to; an empty folder will do.
        config: a dataclass.
        overwrite: replace an earlier run that is there.

    Raises:
        OutputExists: if there is anything in `folder` and it may not be replaced, or is no run of
            this kind.
        RunInUse: if another command is writing to the run that is to be replaced.
        LondiError: if the folder cannot be made.
    """
    text = _yaml(config)
    if is_free(folder, type(config), overwrite) and folder.is_dir():
        write_whole(folder / CONFIG, [text])  # it may be a mount point, which cannot be renamed
        return
    with making_run(folder, type(config), overwrite) as new:
        write_whole(new / CONFIG, [text])


@contextmanager
def making_run(folder: Path, kind: type, overwrite: bool = False) -> Iterator[Path]:
    """A new folder aside; what was written into it becomes the folder of a run.

    Whatever fails, an earlier run is still there, and nothing else is left.

    Args:
        folder: where to; an empty folder will do.
        kind: of the run's configuration.
        overwrite: replace an earlier run that is there.

    Raises:
        OutputExists, RunInUse, LondiError: as `create_run`.
    """
    is_free(folder, kind, overwrite)  # before anything is written
    folder = folder.resolve()
    with write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A random name: a user's own folder beside this one is never in the way.
        aside = Path(tempfile.mkdtemp(prefix=".londi-", dir=folder.parent))
        try:
            new = aside / "new"
            new.mkdir()
            yield new
            sync_folder(new)
            # Asked again: somebody else may have made a run there meanwhile.
            free = is_free(folder, kind, overwrite)
            with nullcontext() if free else locked(folder):
                swap(new, folder, aside / "old")
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises:
        LondiError: if it cannot be made.
    """
    as_path(folder)
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def is_free(folder: Path, kind: type, overwrite: bool) -> bool:
    """Whether a run can be made in `folder` as it is; false if an earlier one must be replaced.

    Raises:
        OutputExists: if there is anything in `folder` and it may not be replaced, or is no run of
            this `kind`.
        InvalidConfig: if no folder can have that name.
    """
    as_path(folder)
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
    as_path(folder)
    file = folder / CONFIG
    if not file.is_file():
        raise LondiError(f"no run in {str(folder)!r}: it has no {CONFIG}")
    return read_config(file, kind)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run in `folder`, made by `create_run`, so that no second command writes to it.

    The lock is on the run's own config.yaml: it leaves no file behind, and the operating system
    releases it when the process ends, however it ends.

    Raises:
        RunInUse: if another command holds the run.
        LondiError: if there is no run, or it cannot be written to.
    """
    file = folder / CONFIG
    try:
        # Network file systems lock only what is open for writing.
        handle = os.open(file, os.O_RDWR)
    except FileNotFoundError as error:
        raise LondiError(f"no run in {str(folder)!r}: it has no {CONFIG}") from error
    except OSError as error:
        raise LondiError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another command may have replaced the run since its file was opened.
            held = os.path.samestat(os.fstat(handle), file.stat())
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            raise RunInUse(
                f"{str(folder)!r} is in use by another londi command; wait until it ends, or"
                " choose another folder"
            )
        yield
    finally:
        os.close(handle)


class _Dumper(yaml.SafeDumper):
    """Quotes text that only some readers of YAML take for a number, such as 1e3."""


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[\d._]+(?:e[-+]?\d+)?$", re.I),
    list("-+.0123456789"),
)


def _yaml(config: Settings) -> str:
    """The text of config.yaml.

    Raises:
        InvalidConfig: if a value has no form in YAML; names its key.
    """
    lines = []
    for key, value in asdict(config).items():
        try:
            lines.append(
                yaml.dump({key: _plain(value)}, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
            )
        except yaml.YAMLError as error:
            raise InvalidConfig(
                f"{key}: expected text, numbers, lists or mappings, got {value!r}"
            ) from error
    return "".join(lines)


def _plain(value: object) -> Any:
    """`value` in the types that YAML has: tuples become lists, NumPy's numbers Python's."""
    if isinstance(value, dict):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value
