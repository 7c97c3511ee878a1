"""Graphs of a model in ONNX: exported once, kept in a folder of the cache.

This file knows what a graph takes and gives, and the folder. It does not know how a graph is used.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

from londi.errors import LondiError, ModelError, one_line
from londi.models.hf.loading import quiet
from londi.models.hf.onnx.graphs import Decode, Forward, Read, Score
from londi.models.hf.onnx.trace import Axes, trace
from londi.storage.atomic import replacing

T = TypeVar("T")

FOLDER = Path("~/.cache/londi/onnx")
"""Folder of exported graphs."""
_FORMAT = 6
"""Version of this file's graphs; those of another version are exported anew."""
_LARGEST = 2**31 - 2**20
"""Bytes that one graph can hold: a limit of its format."""

_PROMPT = {0: "B", 1: "L"}
_TREE: Axes = {
    "mask": _PROMPT,
    "nodes": {0: "B", 1: "N"},
    "depth": {0: "R", 1: "N"},
    "seen": {0: "R", 1: "N", 2: "N"},
    "place": {0: "B", 1: "P"},
    "token": {0: "R", 1: "P"},
}
_KEYS = {0: "B", 2: "L"}


def stored(fingerprint: str, part: str, make: Callable[[], bytes], load: Callable[[bytes], T]) -> T:
    """The graph `part` of the model with that fingerprint, made if the cache has none.

    Several processes may make one at once: each writes it whole. A graph that cannot be loaded is
    made anew. Where the folder cannot be written, a warning says so, and the graph is used without.

    Args:
        fingerprint: of the model.
        part: name of the graph.
        make: makes the graph in ONNX's format.
        load: loads it.
    """
    versions = (_FORMAT, torch.__version__, transformers.__version__)
    name = hashlib.sha256(repr((fingerprint, part, versions)).encode()).hexdigest()[:32]
    folder = FOLDER.expanduser()
    file = folder / f"{name}.onnx"
    try:
        return load(file.read_bytes())
    except OSError:
        pass  # there is none
    except Exception:  # whatever the library raises for a damaged file
        file.unlink(missing_ok=True)
    graph = make()
    own = folder / f"{name}.{os.getpid()}-{threading.get_ident()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(own) as aside:
            aside.write_bytes(graph)
        own.replace(file)
    except (LondiError, OSError) as error:
        warnings.warn(
            f"an exported model cannot be kept, and is exported anew next time: {one_line(error)}",
            stacklevel=2,
        )
    return load(graph)


def export_score(forward: Forward) -> bytes:
    """The graph that reads prompts and scores a tree of candidates: `Score`.

    Raises:
        ModelError: if the model cannot be exported.
    """
    inputs = {"ids": _PROMPT} | dict(_TREE)
    outputs = {"values": {0: "B", 1: "P"}, "embedding": {0: "B"}}
    return _exported(forward.score, (_IDS, _IDS, *_EXAMPLE), inputs, outputs)


def export_read(forward: Forward) -> bytes:
    """The graph that reads prompts: `Read`; its outputs are `read0` and so on, an embedding last.

    Raises:
        ModelError: if the model cannot be exported.
    """
    found = _read(forward)
    outputs = {f"read{k}": _KEYS for k in range(len(found) // 2 * 2)}
    if len(found) % 2:
        outputs["embedding"] = {0: "B"}
    return _exported(forward.read, (_IDS, _IDS), {"ids": _PROMPT, "mask": _PROMPT}, outputs)


def export_next(forward: Forward) -> bytes:
    """The graph that gives the likeliest token behind prompts that were read: `Decode`.

    Raises:
        ModelError: if the model cannot be exported.
    """
    found = _read(forward)
    keys = [part.clone() for part in found[: len(found) // 2 * 2]]
    inputs = dict(_TREE) | {f"read{k}": _KEYS for k in range(len(keys))}
    outputs: dict[str, dict[int, str]] = {"best": {0: "B"}, "logprob": {0: "B"}}
    if len(found) % 2 == 0:
        outputs["embedding"] = {0: "B"}
    return _exported(forward.next, (_IDS, *_EXAMPLE, *keys), inputs, outputs)


_IDS = torch.ones(2, 5, dtype=torch.long)
"""Two prompts of five tokens, and their mask."""
_EXAMPLE = (
    torch.ones(2, 3, dtype=torch.long),
    torch.tensor([[0, 1, 1]]),
    torch.tensor([[[True, False, False], [True, True, False], [True, False, True]]]),
    torch.tensor([[0, 0, 1, 2], [3, 3, 4, 5]]),
    torch.ones(1, 4, dtype=torch.long),
)
"""A tree of two candidates behind them: the inputs of `Decode`."""


def _read(forward: Forward) -> tuple[Tensor, ...]:
    """What reading the example gives."""
    with _exportable(forward.model):
        return tuple(forward.read(_IDS, _IDS))


def _exported(
    module: Score | Read | Decode, given: tuple[Tensor, ...], inputs: Axes, outputs: Axes
) -> bytes:
    size = sum(weight.nbytes for weight in module.parameters())
    if size > _LARGEST:
        raise ModelError(f"its weights take {size:,} bytes, and a graph at most {_LARGEST:,}")
    with _exportable(module.model):
        return trace(module, given, inputs, outputs)


@contextmanager
def _exportable(model: PreTrainedModel) -> Iterator[None]:
    """Attention in plain operations, no gradients, and no notices of the libraries.

    Raises:
        ModelError: if the exporter or the model's forward pass fails inside.
    """
    before = model.config._attn_implementation
    with quiet(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_attn_implementation("eager")
        try:
            yield
        except Exception as error:  # whatever a library raises
            raise ModelError(f"the export failed: {one_line(error)}") from error
        finally:
            model.set_attn_implementation(before)
