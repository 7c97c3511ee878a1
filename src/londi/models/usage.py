"""Tokens as the APIs of models count them, read from the JSON of an answer.

This file knows JSON that others have written: what is of another shape counts as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from londi.types import Usage

Body = Mapping[str, Any]

MOST_TOKENS = 10**12
"""More than any model reads or writes; a larger number is taken for this one."""


def openai_usage(used: Body, tokens: str, output: str, details: str) -> Usage:
    """The usage of one call, from an answer of OpenAI's APIs.

    Args:
        used: the member `usage` of the answer.
        tokens: key of the prompt's tokens.
        output: key of the answer's.
        details: key of what is said of the prompt's.
    """
    told, prompt = member(used, details), count(used, tokens)
    cached = min(count(told, "cached_tokens"), prompt)
    return Usage(
        calls=1,
        tokens=prompt,
        output_tokens=count(used, output),
        cached_tokens=cached,
        cache_write_tokens=min(count(told, "cache_write_tokens"), prompt - cached),
    )


def member(body: Body, name: str) -> dict[str, Any]:
    """An object in an object; an empty one where there is none."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def count(body: Body, name: str) -> int:
    """A number of tokens; 0 where there is none."""
    found = body.get(name)
    return min(found, MOST_TOKENS) if type(found) is int and found > 0 else 0
