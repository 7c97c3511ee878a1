"""Encoders by name.

This file knows what there is and what each needs of the two models.
"""

from __future__ import annotations

from collections.abc import Callable

from londi.encoders.base import ConfidenceEncoder, Encoder, NoEncoder, ProgressEncoder
from londi.encoders.pretrained import ModelEncoder, SentenceEncoder
from londi.encoders.quick import QuickEncoder, QuickWordsEncoder
from londi.encoders.text import TextEncoder
from londi.errors import FOREIGN_ERRORS, InvalidConfig, UnknownName, one_line
from londi.models.base import LanguageModel
from londi.storage.names import build, is_spec

ENCODERS = (
    "quick",
    "quick-words",
    "text",
    "transformer",
    "model:<name>",
    "sentence:<model>",
    "module:name",
)
"""Names of encoders for a learned Switcher."""

_PLAIN: dict[str, Callable[[], Encoder]] = {
    "none": NoEncoder,
    "progress": ProgressEncoder,
    "text": TextEncoder,
}


def make_prompt_encoder(spec: str) -> Encoder | None:
    """The encoder that `spec` names if it reads prompts alone, and no model of the pair; else None.

    Raises:
        LondiError: if it cannot be made.
    """
    if spec in _PLAIN:
        return _PLAIN[spec]()
    if spec.startswith("sentence:"):
        return SentenceEncoder(spec.removeprefix("sentence:"))
    if spec.startswith("model:"):
        return ModelEncoder(spec.removeprefix("model:"))
    return None


def make_encoder(spec: str, quick: LanguageModel, deepthink: LanguageModel) -> Encoder:
    """The encoder that `spec` names, for a Switcher between `quick` and `deepthink`.

    A `module:name` is an `Encoder`, or makes one; it is given `quick` and `deepthink` if it takes
    them.

    Raises:
        UnknownName: if `spec` names none.
        InvalidConfig: if it needs what these models do not have.
    """
    if found := make_prompt_encoder(spec):
        return found
    if spec == "confidence":
        return ConfidenceEncoder()
    if is_spec(spec):
        own = build(spec, "encoder", quick=quick, deepthink=deepthink)
        if not isinstance(own, Encoder):
            raise InvalidConfig(
                f"encoder {spec!r}: expected one that derives from londi.encoders.base.Encoder,"
                f" got {type(own).__name__}"
            )
        _check_size(spec, own)
        own.spec = spec
        return own
    if spec not in ENCODERS:
        raise UnknownName("encoder", spec, ENCODERS)
    if spec in ("quick", "quick-words"):
        if quick.embedding_size:
            made = QuickEncoder if spec == "quick" else QuickWordsEncoder
            return made(quick.embedding_size)
        raise InvalidConfig(
            f"encoder: {spec!r} needs a QUICK that gives an embedding, got"
            f" {quick.name!r}; use 'text', 'transformer' or 'sentence:<model>'"
        )
    from londi.encoders.tokens import TokenEncoder

    for model in (quick, deepthink):
        if model.tokenizer is not None:
            return TokenEncoder(model.tokenizer)
    raise InvalidConfig(
        f"encoder: 'transformer' needs a language model with a tokenizer, got {quick.name!r}"
        f" and {deepthink.name!r}; use 'text' or 'sentence:<model>'"
    )


def _check_size(spec: str, own: Encoder) -> None:
    """Check the size that a user's encoder declares.

    Raises:
        InvalidConfig: if it is none.
    """
    try:
        size: object = own.size
    except FOREIGN_ERRORS as error:  # whatever a user's encoder raises
        raise InvalidConfig(f"encoder {spec!r}: no size: {one_line(error)}") from error
    if type(size) is not int or size < 0:
        raise InvalidConfig(f"encoder {spec!r}: expected a size >= 0, got {size!r}")
