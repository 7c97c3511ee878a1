"""Torch's tracing exporter, quietly: a module becomes a graph in ONNX's format.

This file knows the exporter. It does not know what is exported.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

OPSET = 17

Axes = Mapping[str, dict[int, str]]
"""Names of inputs or outputs, each with the names of its axes of any length."""


def trace(module: nn.Module, given: tuple[Tensor, ...], inputs: Axes, outputs: Axes) -> bytes:
    """The graph of `module`, by one pass over `given`; raises whatever the exporter raises."""
    with TemporaryDirectory() as folder, _quiet():
        file = Path(folder) / "graph.onnx"
        # The exporter that traces: the other one takes ten times as long and needs two more
        # packages.
        torch.onnx.export(
            module.eval(),
            given,
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={**inputs, **outputs},
        )
        return file.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    log = torch._C._jit_onnx_log
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch._C._jit_onnx_log = _silent  # on a failure it prints the whole graph
        try:
            yield
        finally:
            torch._C._jit_onnx_log = log


def _silent(*told: object) -> None:
    """Print nothing."""
    del told
