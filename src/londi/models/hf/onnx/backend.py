"""The choice between torch and ONNX Runtime for a loaded model.

This file knows when ONNX Runtime can be used, and checks that its answers are torch's.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import numpy as np

from londi.errors import InvalidConfig, ModelError
from londi.models.check import PROMPTS
from londi.models.hf.engine import Answer
from londi.models.hf.onnx.engine import OnnxEngine
from londi.models.hf.onnx.graphs import forward_of
from londi.models.hf.transformer import TransformerModel

Backend = Literal["auto", "onnx", "torch"]

TOLERANCE = 1e-4
"""Largest difference of two log-probabilities that rounding explains, in float32."""

_SAMPLE = [*PROMPTS, *(replace(prompt, actions=()) for prompt in PROMPTS)]


def use_backend(model: TransformerModel, backend: Backend) -> None:
    """Let `backend` compute the answers of `model`.

    ``"auto"`` is ONNX Runtime on a CPU in float32, and torch elsewhere. Where a model cannot be
    exported or its answers would differ, ``"auto"`` stays with torch and warns.

    Raises:
        InvalidConfig: if ONNX Runtime is asked for on another device or in another format.
        ModelError: if it is asked for and cannot run this model; says why.
    """
    if backend == "torch":
        return
    device, dtype = model.model.device.type, model.format
    if device != "cpu" or dtype != "float32":
        if backend == "onnx":
            raise InvalidConfig(
                "backend: onnx runs on the device cpu in float32, got"
                f" {device} in {dtype}; use torch or auto"
            )
        return
    longest = model.reader.max_tokens + model.max_new_tokens
    try:
        engine = OnnxEngine(model, forward_of(model.model, longest, model.scoring == "glam"))
        _check_same(model, engine)
    except ModelError as error:
        text = f"model {model.name!r} cannot run on ONNX Runtime: {error}"
        if backend == "onnx":
            raise ModelError(f"{text}; use --backend torch") from error
        warnings.warn(f"{text}; it runs on torch, which is slower", stacklevel=2)
    else:
        model.engine = engine


def _check_same(model: TransformerModel, engine: OnnxEngine) -> None:
    """Compare a few answers, alone and in a batch, with those of torch."""
    with model.brief(4):
        tokens = model.reader.read(_SAMPLE)
        wanted = model.answer(_SAMPLE, tokens)
        found = engine.answer(_SAMPLE, tokens)
        alone = [
            engine.answer([prompt], [ids])[0] for prompt, ids in zip(_SAMPLE, tokens, strict=True)
        ]
    for want, *others in zip(wanted, found, alone, strict=True):
        for other in others:
            if not _same(want, other):
                raise ModelError(
                    f"it answers {other[0].action!r} ({other[0].logprob:.6f}) where torch answers"
                    f" {want[0].action!r} ({want[0].logprob:.6f})"
                )


def _same(one: Answer, other: Answer) -> bool:
    (choice, state), (again, same) = one, other
    return (
        choice.action == again.action
        and abs(choice.logprob - again.logprob) <= TOLERANCE * max(1.0, abs(choice.logprob))
        and bool(np.allclose(state, same, rtol=1e-3, atol=1e-4))
    )
