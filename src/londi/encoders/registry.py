"""Encoders by name.

This file knows what there is and what each needs of the two models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from londi.encoders.base import ConfidenceEncoder, Encoder, NoEncoder, ProgressEncoder
from londi.encoders.pretrained import ModelEncoder, SentenceEncoder
from londi.encoders.quick import QuickEncoder, QuickWordsEncoder
from londi.encoders.tokens import TokenEncoder
from londi.errors import InvalidConfig, UnknownName
from londi.models.base import LanguageModel, unwrap
from londi.storage.names import is_spec, resolve

ENCODERS = (
    "quick",
    "quick-words",
    "transformer",
    "model:<name>",
    "sentence:<model>",
    "module:name",
)
"""What a learned Switcher's encoder may be called."""


def make_encoder(spec: str, quick: LanguageModel, deepthink: LanguageModel) -> Encoder:
    """The encoder that `spec` names, for a Switcher between `quick` and `deepthink`.

    A `module:name` is called with the two models and returns an `Encoder`.

    Raises:
        UnknownName: if `spec` names none.
        InvalidConfig: if it needs what these models do not have.
    """
    if spec == "none":
        return NoEncoder()
    if spec == "confidence":
        return ConfidenceEncoder()
    if spec == "progress":
        return ProgressEncoder()
    if spec.startswith("sentence:"):
        return SentenceEncoder(spec.removeprefix("sentence:"))
    if spec.startswith("model:"):
        return ModelEncoder(spec.removeprefix("model:"))
    if is_spec(spec):
        brought = cast(Callable[[LanguageModel, LanguageModel], Encoder], resolve(spec, "encoder"))
        own = brought(quick, deepthink)
        own.spec = spec
        return own
    if spec not in ENCODERS:
        raise UnknownName("encoder", spec, ENCODERS)
    inner: list[Any] = [unwrap(quick), unwrap(deepthink)]
    if spec in ("quick", "quick-words"):
        if hasattr(inner[0], "embedding_size"):
            made = QuickEncoder if spec == "quick" else QuickWordsEncoder
            return made(inner[0].embedding_size)
        raise InvalidConfig(
            f"encoder: {spec!r} needs a QUICK that gives an embedding, got"
            f" {quick.name!r}; use 'transformer' or 'sentence:<model>'"
        )
    for model in inner:
        if hasattr(model, "tokenizer"):
            return TokenEncoder(model.tokenizer)
    raise InvalidConfig(
        f"encoder: 'transformer' needs a language model with a tokenizer, got {quick.name!r}"
        f" and {deepthink.name!r}; use 'sentence:<model>'"
    )
