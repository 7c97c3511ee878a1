"""State on disk: nested dicts of tensors and numbers as safetensors and JSON, never pickle.

Rows of a log (`row_log.py`) are files of their own, which a later state takes over as they are.
This file does not know what the state means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from londi.errors import DamagedFile
from londi.storage.atomic import present_folder, replacing_folder
from londi.storage.row_log import RowLog, save_rows, stored_rows
from londi.storage.tensors import write_errors_of_safetensors
from londi.types import Values

TENSORS = "state.safetensors"
STRUCTURE = "state.json"


def save_state(folder: Path, state: Values) -> None:
    """Write `state` into `folder`; a kill leaves the old state or the new one.

    Args:
        folder: where to; its parent must exist.
        state: nested dicts, lists and tuples of tensors, NumPy arrays, logs of rows and JSON
            values; dict keys are text or whole numbers.

    Raises:
        LondiError: if it cannot be written; the old state is still there.
    """
    tensors: dict[str, torch.Tensor] = {}
    logs: list[RowLog] = []
    structure = json.dumps(_split(state, "", tensors, logs))
    with replacing_folder(folder) as part:
        with write_errors_of_safetensors():
            save_file(tensors, part / TENSORS)
        for log in logs:
            save_rows(log, part, folder)
        (part / STRUCTURE).write_text(structure, encoding="utf-8")


def load_state(folder: Path, expected: Mapping[str, type] | None = None) -> Values:
    """Read what `save_state` wrote.

    Args:
        folder: where it was written.
        expected: keys that the state must have, and the type of each one's value.

    Raises:
        DamagedFile: if a file is missing, cut short or of another kind, or a key is missing.
    """
    source = present_folder(folder)
    try:
        structure = json.loads((source / STRUCTURE).read_text(encoding="utf-8"))
        tensors = load_file(source / TENSORS)
        unused = set(tensors)
        state = _join(structure, tensors, unused, source)
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise DamagedFile(f"the state in {str(source)!r}: {_reason(error)}") from error
    if not isinstance(state, dict):
        raise DamagedFile(f"the state in {str(source)!r}: expected keys with values")
    if unused:
        raise DamagedFile(f"the state in {str(source)!r}: {STRUCTURE} lacks {min(unused)!r}")
    for key, kind in (expected or {}).items():
        if not isinstance(state.get(key), kind):
            raise DamagedFile(
                f"the state in {str(source)!r}: expected {key!r} of type {kind.__name__}"
            )
    return state


def has_state(folder: Path) -> bool:
    """Whether there is a state to load."""
    return (present_folder(folder) / STRUCTURE).is_file()


def _split(value: object, path: str, tensors: dict[str, torch.Tensor], logs: list[RowLog]) -> Any:
    """`value` with each tensor and log replaced by its name; they go into `tensors` and `logs`."""
    if isinstance(value, dict):
        items = [[k, _split(v, f"{path}/{k}", tensors, logs)] for k, v in value.items()]
        return {"dict": items}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_split(v, f"{path}/{i}", tensors, logs) for i, v in enumerate(value)]}
    if isinstance(value, RowLog):
        logs.append(value)
        return {"rows": [value.name, value.first, value.end]}
    # The number tells apart paths that read alike, such as those of the keys 1 and "1".
    path = f"{len(tensors)}{path}"
    if isinstance(value, np.ndarray):
        tensors[path] = torch.from_numpy(value.copy())
        return {"array": path}
    if isinstance(value, torch.Tensor):
        # A clone: tied weights share memory, which safetensors refuses.
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"tensor": path}
    return value


def _join(value: Any, tensors: Mapping[str, torch.Tensor], unused: set[str], source: Path) -> Any:
    """The inverse of `_split`; takes the names that it meets out of `unused`.

    Raises:
        ValueError: if `_split` cannot have made `value`.
        OSError: if a file of rows in `source` cannot be read.
        SafetensorError: if one is cut short.
    """
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError(f"{STRUCTURE} holds a bare list")
        return value
    if len(value) != 1:
        raise ValueError(f"{STRUCTURE} holds an entry of {len(value)} kinds")
    ((kind, inner),) = value.items()
    if kind in ("array", "tensor"):
        if not isinstance(inner, str) or inner not in tensors:
            raise ValueError(f"{TENSORS} lacks {inner!r}")
        unused.discard(inner)
        return tensors[inner].numpy() if kind == "array" else tensors[inner]
    if kind == "rows":
        if not (isinstance(inner, list) and [type(part) for part in inner] == [str, int, int]):
            raise ValueError(f"{STRUCTURE} holds rows without a name and two numbers")
        return stored_rows(source, *inner)
    if kind not in ("dict", "list", "tuple") or not isinstance(inner, list):
        raise ValueError(f"{STRUCTURE} holds an entry of the unknown kind {kind!r}")
    if kind == "dict":
        if not all(isinstance(e, list) and len(e) == 2 and _is_key(e[0]) for e in inner):
            raise ValueError(f"{STRUCTURE} holds a dict that is not made of keys with values")
        return {k: _join(v, tensors, unused, source) for k, v in inner}
    joined = [_join(v, tensors, unused, source) for v in inner]
    return tuple(joined) if kind == "tuple" else joined


def _is_key(value: object) -> bool:
    return isinstance(value, (str, int))


def _reason(error: Exception) -> str:
    """What is wrong, in one line without the words of a library."""
    if isinstance(error, FileNotFoundError):
        return f"{Path(str(error.filename)).name} is missing" if error.filename else "files missing"
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return f"{STRUCTURE} is no JSON"
    if isinstance(error, SafetensorError):
        return f"{TENSORS} is cut short or no such file"
    if isinstance(error, RecursionError):
        return f"{STRUCTURE} is nested too deep"
    return str(error)
