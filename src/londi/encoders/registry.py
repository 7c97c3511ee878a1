"""Encoders by name.

This file knows what there is and what each needs of the two models.
"""

from __future__ import annotations

from londi.encoders.base import ConfidenceEncoder, Encoder, NoEncoder, ProgressEncoder
from londi.encoders.pretrained import ModelEncoder, SentenceEncoder
from londi.encoders.quick import QuickEncoder, QuickWordsEncoder
from londi.encoders.tokens import TokenEncoder
from londi.errors import InvalidConfig, UnknownName
from londi.models.base import LanguageModel

SHARE, COST, STEPS, REPEATS = range(4)
"""Places, behind the features of an observation, of the share of the budget left, of c, and of how
long and how often round the episode has gone (`SwitchingVectorEnv`)."""


EXTRAS = 4
"""How many numbers that are."""


ENCODERS = ("quick", "quick-words", "transformer", "model:<name>", "sentence:<model>")
"""What a learned Switcher's encoder may be called."""


def make_encoder(spec: str, quick: LanguageModel, deepthink: LanguageModel) -> Encoder:
    """The encoder that `spec` names, for a Switcher between `quick` and `deepthink`.

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
    if spec not in ENCODERS:
        raise UnknownName("encoder", spec, ENCODERS)
    if spec in ("quick", "quick-words"):
        if quick.embedding_size:
            made = QuickEncoder if spec == "quick" else QuickWordsEncoder
            return made(quick.embedding_size)
        raise InvalidConfig(
            f"encoder: {spec!r} needs a QUICK that gives an embedding, got"
            f" {quick.name!r}; use 'transformer' or 'sentence:<model>'"
        )
    for model in (quick, deepthink):
        if model.tokenizer is not None:
            return TokenEncoder(model.tokenizer)
    raise InvalidConfig(
        f"encoder: 'transformer' needs a language model with a tokenizer, got {quick.name!r}"
        f" and {deepthink.name!r}; use 'sentence:<model>'"
    )
