"""Values held against the types of a dataclass: settings and the records in files.

Types are compared strictly, as JSON and YAML write them: a text that looks like a number is no
number. This file does not know what a value means.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from londi.errors import InvalidConfig, LondiError, UnknownName
from londi.types import Values

T = TypeVar("T")

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    NoneType: "nothing",
}
_KINDS: dict[type, Values] = {}


class Misfit(Exception):
    """A value that is not of its type.

    Attributes:
        place: the keys and indices that lead to it.
    """

    def __init__(self, kind: object, value: object, place: str = "") -> None:
        super().__init__()
        self.kind, self.value, self.place = kind, value, place

    def below(self, place: str) -> Misfit:
        """The same one step further out."""
        dot = "." if self.place and self.place[0] != "[" else ""
        return Misfit(self.kind, self.value, f"{place}{dot}{self.place}")

    def __str__(self) -> str:
        return f"{self.place}: expected {words(self.kind)}, got {shown(self.value)}".lstrip(": ")


def fitted(value: object, kind: object) -> Any:
    """`value` as a value of the type `kind`.

    NumPy's numbers become Python's, whole numbers become floats where a float is expected, lists
    become tuples and paths become texts.

    Args:
        value: as read from a file or given in Python.
        kind: a type as in an annotation: numbers, text, lists, mappings, dataclasses, unions.

    Raises:
        Misfit: if it is of another type.
        UnknownName: if a mapping for a dataclass has a key that is no field.
        InvalidConfig: if a dataclass refuses its values.
    """
    if isinstance(value, np.generic):
        value = value.item()
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _one_of(value, kind, arguments)
    if origin is Literal:
        if any(type(value) is type(choice) and value == choice for choice in arguments):
            return value
    elif origin in (list, tuple) and isinstance(value, (list, tuple)):
        if origin is list or arguments[-1] is ...:
            kinds = [arguments[0]] * len(value)
        else:
            kinds = list(arguments)
        if len(kinds) == len(value):
            return origin(_items(zip(value, kinds, strict=True)))
    elif origin is dict and isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _inner(key, inner, arguments[1]) for key, inner in value.items()}
    elif isinstance(kind, type) and is_dataclass(kind):
        if isinstance(value, kind):
            return value
        if isinstance(value, Mapping):
            return record(kind, value)
    elif kind is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    elif (
        isinstance(kind, type)
        and isinstance(value, kind)
        and (kind is bool or not isinstance(value, bool))  # a bool is an int to Python
    ):
        return value
    raise Misfit(kind, value)


def record(kind: type[T], values: Mapping[str, object]) -> T:
    """A dataclass from `values` by field name; fields with a default may be left out.

    Raises:
        Misfit, UnknownName, InvalidConfig: as `fitted`.
    """
    hints, known = kinds(kind), {f.name: f for f in _fields(kind)}
    for key in values:
        if key not in known:
            raise UnknownName("key", str(key), known)
    for name, field in known.items():
        if name not in values and field.default is field.default_factory is MISSING:
            raise InvalidConfig(f"{name}: expected {words(hints[name])}, got no such key")
    return kind(**{key: _inner(key, value, hints[key]) for key, value in values.items()})


def conform(config: object) -> None:
    """Give each field of a dataclass, a frozen one too, a value of the field's own type.

    Raises:
        InvalidConfig: if a value is of another type; names the field.
    """
    hints = kinds(type(config))
    for field in fields(config):  # type: ignore[arg-type]
        try:
            value = _inner(field.name, getattr(config, field.name), hints[field.name])
        except Misfit as error:
            raise InvalidConfig(str(error)) from error
        object.__setattr__(config, field.name, value)


def kinds(kind: type) -> Values:
    """The type of each field of a dataclass."""
    if kind not in _KINDS:
        _KINDS[kind] = get_type_hints(kind)
    return _KINDS[kind]


def words(kind: object) -> str:
    """A type in words, such as "a whole number or 'none'"."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(words(inner) for inner in arguments)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple and arguments[-1] is not ...:
        return f"a list of {len(arguments)}"
    if origin in (list, tuple):
        return "a list"
    return next((text for known, text in _WORDS.items() if kind is known), "keys with values")


def shown(value: object) -> str:
    """A value as it stands in a message: on one line, and cut where it is long."""
    if value is None:
        return "nothing"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _one_of(value: object, kind: object, choices: Iterable[object]) -> Any:
    inside: Misfit | LondiError | None = None
    for choice in choices:
        try:
            return fitted(value, choice)
        except Misfit as error:
            inside = error if error.place else inside
        except LondiError as error:
            inside = error
    # What is wrong within a list or a record says more than that no choice fits.
    raise inside or Misfit(kind, value)


def _items(pairs: Iterable[tuple[object, object]]) -> list[Any]:
    return [_inner(f"[{place}]", value, kind) for place, (value, kind) in enumerate(pairs)]


def _inner(place: str, value: object, kind: object) -> Any:
    try:
        return fitted(value, kind)
    except Misfit as error:
        raise error.below(place) from None
    except UnknownName as error:  # a record within has no such key
        raise InvalidConfig(f"{place}: {error}") from error
    except InvalidConfig as error:  # it refuses a value, and names the key
        raise InvalidConfig(f"{place}.{error}") from error


def _fields(kind: type) -> tuple[Field[object], ...]:
    return tuple(f for f in fields(kind) if f.init)
