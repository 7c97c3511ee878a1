"""Checks that a language model keeps its contract, in the spirit of Gymnasium's `check_env`.

`check_model` plays a few prompts; `check_members` only looks; `check_replies` is called on every
answer of a run. This file knows the contract, and no implementation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from textwrap import shorten

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import FOREIGN_ERRORS, ModelError, one_line
from londi.models.base import LanguageModel
from londi.types import Reply, Usage, amounts

TOLERANCE = 0.05
"""Largest relative difference of two answers that rounding explains, in half precision too."""

_CHOICES = ("turn left", "turn right", "go forward", "pick up", "drop", "toggle")
_SEEN = ("You see a red ball 1 step forward", "You see a wall 2 steps left")

PROMPTS = (
    Prompt("go to the red ball", _CHOICES, _SEEN[:1]),
    Prompt("pick up the blue key", _CHOICES, (*_SEEN, *_SEEN[:1]), ("turn left", "go forward")),
    Prompt("open the door", ("toggle", "go forward"), _SEEN, ("turn right",)),
)
"""Prompts of different lengths that `check_model` asks, unless others are given."""

BASE = "; derive from londi.models.base.BaseModel, which has defaults"


def check_model(model: LanguageModel, prompts: Sequence[Prompt] | None = None) -> None:
    """Check that `model` keeps the contract of a language model, by asking it a few prompts.

    A random generator of the model is left in the state it was in.

    Args:
        model: the model.
        prompts: at least one prompt to ask; by default a few of BabyAI's.

    Raises:
        ModelError: if a member is missing or wrong, if replies are too few or hold what they must
            not, or if equal prompts get different answers although the model has a fingerprint.
    """
    check_members(model)
    asked = list(PROMPTS if prompts is None else prompts)
    before = model.state()
    together = _asked(model, asked)
    if model.fingerprint is not None:
        for prompt, reply, again in zip(asked, together, _asked(model, asked), strict=True):
            if differ(reply, again):
                raise ModelError(
                    f"model {model.name!r}: expected one answer to equal prompts, got"
                    f" {reply.action!r} and {again.action!r} for {shown(prompt)}; the fingerprint"
                    " of a model that draws is None"
                )
        for prompt, reply in zip(asked, together, strict=True):
            (alone,) = _asked(model, [prompt])
            if differ(reply, alone):
                raise ModelError(
                    f"model {model.name!r}: expected one answer alone and in a batch, got"
                    f" {alone.action!r} alone and {reply.action!r} among {len(asked)} for"
                    f" {shown(prompt)}"
                )
    model.load_state(before)


def _asked(model: LanguageModel, prompts: list[Prompt]) -> list[Reply]:
    replies = model.act(prompts)
    check_replies(model, prompts, replies)
    return replies


def check_members(model: LanguageModel) -> None:
    """Check that `model` has every member of `LanguageModel`, without asking it anything.

    Raises:
        ModelError: if a member is missing or of a wrong type; names it.
    """
    kind = type(model).__name__
    if isinstance(model, type):
        raise ModelError(f"model {model.__name__!r}: expected a model, got the class")
    for member, (expected, holds) in _MEMBERS.items():
        # The one place that must look for what may not be there.
        try:
            value = getattr(model, member, _NONE)
        except FOREIGN_ERRORS as error:  # whatever a user's model raises
            raise ModelError(f"model of type {kind!r}: {member}: {one_line(error)}") from error
        if value is _NONE:
            raise ModelError(f"model of type {kind!r} has no {member!r}{BASE}")
        if not holds(value):
            raise ModelError(
                f"model of type {kind!r}: {member}: expected {expected}, got {value!r}"
            )


def check_replies(
    model: LanguageModel, prompts: Sequence[Prompt], replies: Sequence[Reply]
) -> None:
    """Check that `replies` are answers to `prompts` that can be played and learned from.

    Raises:
        ModelError: if there are too few or too many, an action is no text, a number is NaN or out
            of its range, or an embedding has a wrong size or type.
    """
    if len(replies) != len(prompts):
        raise ModelError(
            f"model {model.name!r}: expected {len(prompts)} replies, one a prompt, got"
            f" {len(replies)}"
        )
    size = model.embedding_size
    for prompt, reply in zip(prompts, replies, strict=True):
        wrong = _wrong(reply, size)
        if wrong:
            raise ModelError(f"model {model.name!r}: {wrong} for {shown(prompt)}")


def differ(one: Reply, other: Reply) -> bool:
    """Whether two answers differ by more than rounding."""
    scale = TOLERANCE * max(1.0, abs(one.logprob))
    if one.logprob != other.logprob and not abs(one.logprob - other.logprob) <= scale:
        return True
    if one.embedding is not None and other.embedding is not None:
        size = float(np.abs(one.embedding).max(initial=0.0))
        far = float(np.abs(one.embedding - other.embedding).max(initial=0.0))
        if far > TOLERANCE * max(size, 1e-6):
            return True
    # Two actions that score alike may change places by rounding.
    return one.action != other.action and one.logprob == other.logprob


def shown(prompt: Prompt) -> str:
    """A prompt in a few words, for a message of one line."""
    return repr(shorten(f"{prompt.goal}: {prompt.observations[-1]}", 100, placeholder=" ..."))


def _wrong(reply: Reply, size: int) -> str:
    """The first fault of a reply; empty if there is none."""
    if not _is(reply, Reply):
        return f"expected a londi.types.Reply, got {reply!r}"
    if not _is(reply.action, str):
        return f"action: expected text, got {reply.action!r}"
    if not _number(reply.logprob) or math.isnan(reply.logprob):
        return f"logprob: expected a number, got {reply.logprob!r}"
    if not _number(reply.confidence) or not 0.0 <= reply.confidence <= 1.0 + 1e-6:
        return f"confidence: expected a number from 0 to 1, got {reply.confidence!r}"
    if not _is(reply.usage, Usage):
        return f"usage: expected a londi.types.Usage, got {reply.usage!r}"
    numbers = amounts(reply.usage)
    plain = _PLAIN.issuperset(map(type, numbers)) or all(map(_number, numbers))
    if not (plain and min(numbers) >= 0 and sum(numbers) < math.inf):  # NaN is not below either
        return f"usage: expected numbers >= 0, got {reply.usage}"
    if reply.usage.cached_tokens + reply.usage.cache_write_tokens > reply.usage.tokens:
        return f"usage: expected cached and written tokens among all tokens, got {reply.usage}"
    return _wrong_embedding(reply.embedding, size)


def _wrong_embedding(embedding: np.ndarray | None, size: int) -> str:
    if embedding is None:
        return f"embedding: expected {size} numbers (embedding_size), got none" if size else ""
    if not _is(embedding, np.ndarray):
        return f"embedding: expected a float32 array, got {type(embedding).__name__}"
    if embedding.dtype != np.float32:
        return f"embedding: expected a float32 array, got {embedding.dtype}"
    if embedding.shape != (size,):
        return f"embedding: expected shape ({size},) (embedding_size), got {embedding.shape}"
    return "" if np.isfinite(embedding).all() else "embedding: expected finite numbers, got others"


def _is(value: object, kind: type) -> bool:
    """`isinstance`, for a value that its declaration says to be of that kind already."""
    return isinstance(value, kind)


def _number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _whole(value: object, least: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return int(value) >= least


_PLAIN = frozenset((int, float))

_NONE = object()

_MEMBERS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "name": ("text", lambda value: isinstance(value, str) and bool(value)),
    "fingerprint": ("text or None", lambda value: value is None or isinstance(value, str)),
    "act": ("a method", callable),
    "embedding_size": ("a whole number >= 0", lambda value: _whole(value, 0)),
    "history": ("None or a whole number >= 1", lambda value: value is None or _whole(value, 1)),
    "tokenizer": ("None or a tokenizer", lambda value: value is None or callable(value)),
    "state": ("a method", callable),
    "load_state": ("a method", callable),
}
"""Each member of `LanguageModel`: what it is, and whether a value is that."""
