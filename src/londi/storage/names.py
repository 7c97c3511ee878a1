"""Things by `module:name`, as a user brings them.

This file knows importing, and not what is brought.
"""

from __future__ import annotations

from importlib import import_module

from londi.errors import InvalidConfig, UnknownName


def is_spec(name: str) -> bool:
    """Whether `name` has the form `module:name`."""
    module, colon, attribute = name.partition(":")
    parts = [*module.split("."), attribute]
    return bool(colon) and all(part.isidentifier() for part in parts)


def resolve(spec: str, kind: str) -> object:
    """The object that `spec`, a `module:name`, names.

    Args:
        spec: such as ``"mine:Model"``.
        kind: the thing in words, such as ``"model"``, for errors.

    Raises:
        InvalidConfig: if it has another form, or the module cannot be imported.
        UnknownName: if the module has no such attribute; suggests the nearest.
    """
    if not is_spec(spec):
        raise InvalidConfig(f"{kind}: expected module:name, got {spec!r}")
    module, _, attribute = spec.partition(":")
    try:
        found = import_module(module)
    except ImportError as error:
        raise InvalidConfig(f"{kind}: cannot import {module!r}: {error}") from error
    if attribute not in vars(found):
        raise UnknownName(f"{kind} in {module}", attribute, [n for n in vars(found) if n[0] != "_"])
    return vars(found)[attribute]
