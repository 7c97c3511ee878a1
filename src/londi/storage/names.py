"""Objects of a user's own by name: `module:attribute`, imported when it is asked for.

This file knows Python's modules. It does not know what kinds of things are named.
"""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module

from londi.config.base import is_spec as is_spec
from londi.errors import FOREIGN_ERRORS, InvalidConfig, LondiError, UnknownName, one_line


def resolve(spec: str, kind: str) -> object:
    """The object that `spec` names.

    Args:
        spec: ``"package.module:attribute"``; the attribute may hold dots.
        kind: what is named, for messages, such as ``"model"``.

    Raises:
        InvalidConfig: if `spec` has another form, or its module cannot be imported.
        UnknownName: if the module has no such attribute; suggests the nearest.
    """
    if not is_spec(spec):
        raise InvalidConfig(f"{kind}: expected module:name, got {spec!r}")
    module, _, path = spec.partition(":")
    try:
        found: object = import_module(module)
    except FOREIGN_ERRORS as error:  # whatever a user's module raises when imported
        raise InvalidConfig(
            f"{kind} {spec!r}: cannot import {module!r}: {one_line(error)}"
        ) from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            public = [other for other in dir(found) if not other.startswith("_")]
            raise UnknownName(f"{kind} in {module!r}:", name, public) from error
    return found


def build(spec: str, kind: str, **offered: object) -> object:
    """The object that `spec` names, made first if that is a class or a function.

    Args:
        spec: as `resolve` takes it.
        kind: as `resolve` takes it.
        offered: arguments for a class or function, each given only if it is declared there.

    Raises:
        InvalidConfig: if it cannot be imported or made.
        UnknownName: if the module has no such attribute; suggests the nearest.
    """
    found = resolve(spec, kind)
    if not (inspect.isclass(found) or inspect.isroutine(found) or isinstance(found, partial)):
        return found
    try:
        declared = inspect.signature(found).parameters
        made: object = found(**{key: offered[key] for key in offered if key in declared})
        return made
    except LondiError:
        raise
    except FOREIGN_ERRORS as error:  # whatever a user's code raises
        raise InvalidConfig(f"{kind} {spec!r} cannot be made: {one_line(error)}") from error
