"""State on disk: nested dicts of tensors and numbers as safetensors and JSON, never pickle.

A state is written under a temporary name and renamed, so that a kill leaves the old one or
the new one. This file does not know what the state means.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

TENSORS = "state.safetensors"
STRUCTURE = "state.json"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` into `folder`, replacing what was there in one rename.

    Args:
        folder: where to; its parent must exist.
        state: nested dicts, lists and tuples of tensors, NumPy arrays and JSON values; dict
            keys are text or whole numbers.
    """
    tensors: dict[str, torch.Tensor] = {}
    structure = _split(state, "", tensors)
    part, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    shutil.rmtree(part, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():  # a kill fell between the renames: the old state is the only one
        old.rename(folder)
    part.mkdir(parents=True)
    save_file(tensors, part / TENSORS)
    with open(part / STRUCTURE, "w", encoding="utf-8") as out:
        json.dump(structure, out)
        out.flush()
        os.fsync(out.fileno())
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_state(folder: Path) -> Any:
    """Read what `save_state` wrote, also where a kill fell between its two renames."""
    old = folder.with_name(folder.name + ".old")
    source = folder if folder.is_dir() else old
    structure = json.loads((source / STRUCTURE).read_text(encoding="utf-8"))
    return _join(structure, load_file(source / TENSORS))


def has_state(folder: Path) -> bool:
    """Whether there is a state to load."""
    return any((f / STRUCTURE).is_file() for f in (folder, folder.with_name(folder.name + ".old")))


def _split(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """`value` with each tensor replaced by its name; the tensors go into `tensors`."""
    if isinstance(value, dict):
        items = [[k, _split(v, f"{path}/{k}", tensors)] for k, v in value.items()]
        return {"dict": items}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_split(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]}
    # The number tells apart paths that read alike, such as those of the keys 1 and "1".
    path = f"{len(tensors)}{path}"
    if isinstance(value, np.ndarray):
        tensors[path] = torch.from_numpy(value.copy())
        return {"array": path}
    if isinstance(value, torch.Tensor):
        # A clone, since tied weights share memory and safetensors wants none shared.
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"tensor": path}
    return value


def _join(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "dict":
        return {k: _join(v, tensors) for k, v in inner}
    if kind == "array":
        return tensors[inner].numpy()
    if kind == "tensor":
        return tensors[inner]
    joined = [_join(v, tensors) for v in inner]
    return tuple(joined) if kind == "tuple" else joined
