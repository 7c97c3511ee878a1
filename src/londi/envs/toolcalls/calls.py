"""Function calls in a model's text: read by Python's grammar, literals only, never evaluated.

This file knows the form of a call. It does not know which functions there are.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass

LONGEST = 10_000
"""Characters of a text that is read as a call."""
_MOST = 10**40  # greater whole numbers are no argument: a power of them would take for ever

_BEGUN = re.compile(r"\[?\s*(?P<name>[A-Za-z_]\w*)\(")


class IllFormed(ValueError):
    """A text that begins as a call and is none; the message says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function.

    Attributes:
        name: the function's name.
        positional: its arguments without a name.
        named: its arguments with a name.
    """

    name: str
    positional: tuple[object, ...]
    named: dict[str, object]


def read_call(text: str, functions: Collection[str]) -> Call | None:
    """The call that a text is, alone or as the one entry of a list; None for a message.

    Args:
        text: as a model wrote it.
        functions: names of functions, whose beginning makes a text a call in any case.

    Raises:
        IllFormed: if the text is a call in form that cannot be made: more than one call, an
            argument that is no literal, or a call of a known function that does not end well.
    """
    text = text.strip().strip("`").strip()
    begun = _BEGUN.match(text)
    known = begun is not None and begun["name"] in functions
    if begun is None:
        return None
    try:
        if len(text) > LONGEST:
            raise IllFormed(f"expected at most {LONGEST} characters, got {len(text)}")
        return _made(_parsed(text))
    except IllFormed:
        raise
    except _NoCall as error:
        if known:
            raise IllFormed(str(error)) from error
        return None


class _NoCall(Exception):
    """A text that Python does not read as a call."""


def _parsed(text: str) -> ast.Call:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strings such as 'a\d'
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _NoCall(
            f"expected one call such as f(a='b'), which Python can read: {reason}"
        ) from error
    if isinstance(tree, ast.List) and tree.elts:
        if not all(isinstance(entry, ast.Call) for entry in tree.elts):
            raise _NoCall("expected calls alone in a list")
        if len(tree.elts) > 1:
            raise IllFormed(f"expected one call at a time, got {len(tree.elts)}")
        tree = tree.elts[0]
    if not isinstance(tree, ast.Call):
        raise _NoCall("expected one call such as f(a='b'), and nothing else")
    return tree


def _made(tree: ast.Call) -> Call:
    if not isinstance(tree.func, ast.Name):
        raise IllFormed("expected the name of a function in front of the arguments")
    named: dict[str, object] = {}
    for keyword in tree.keywords:
        if keyword.arg is None:
            raise IllFormed("expected each argument by its name or its place, got **")
        if keyword.arg in named:
            raise IllFormed(f"expected the argument {keyword.arg!r} once, got it twice")
        named[keyword.arg] = _literal(keyword.value)
    return Call(tree.func.id, tuple(_literal(value) for value in tree.args), named)


def _literal(tree: ast.expr) -> object:
    try:
        value: object = ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise IllFormed(
            "expected literals as arguments, such as 'text', 3, 0.5, True, None or a list of them"
        ) from error
    _bounded(value)
    return value


def _bounded(value: object) -> None:
    if isinstance(value, dict):
        for entry in (*value, *value.values()):
            _bounded(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            _bounded(entry)
    elif isinstance(value, (set, frozenset)):  # its order is another in each process
        raise IllFormed("expected a list in place of a set")
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise IllFormed("expected Unicode in texts, got half of a surrogate pair") from error
    elif isinstance(value, int) and abs(value) > _MOST:
        raise IllFormed("expected whole numbers of at most 40 digits")
