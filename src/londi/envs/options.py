"""Checks of the values that options of environments have. This file knows no environment."""

from __future__ import annotations

from collections.abc import Iterable

from londi.errors import InvalidConfig, UnknownName


def check_flags(**values: object) -> None:
    """Check that each of these options is True or False.

    Raises:
        InvalidConfig: if one is not, such as the text ``"no"``, which would count as true.
    """
    for name, value in values.items():
        if not isinstance(value, bool):
            raise InvalidConfig(f"{name}: expected True or False, got {value!r}")


def check_counts(most: int | None = None, /, **values: object) -> None:
    """Check that each of these options is a whole number from 1 to `most`.

    Raises:
        InvalidConfig: if one is not.
    """
    expected = ">= 1" if most is None else f"from 1 to {most}"
    for name, value in values.items():
        if type(value) is not int or value < 1 or (most is not None and value > most):
            raise InvalidConfig(f"{name}: expected a whole number {expected}, got {value!r}")


def check_seconds(**values: object) -> None:
    """Check that each of these options is a number of seconds, below a million.

    Raises:
        InvalidConfig: if one is not.
    """
    for name, value in values.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and 0 < value < 1e6):  # type: ignore[operator]
            raise InvalidConfig(f"{name}: expected a number > 0, got {value!r}")


def check_names(kind: str, names: Iterable[object], known: Iterable[str]) -> None:
    """Check that each of these names is one of those that are known.

    Raises:
        UnknownName: if one is not; suggests the nearest.
    """
    known = list(known)
    for name in names:
        if name not in known:
            raise UnknownName(kind, str(name), known)


def checked_names(option: str, value: object, kind: str, known: Iterable[str]) -> tuple[str, ...]:
    """The names that an option gives: a text with commas, or a list of texts.

    Args:
        option: its name.
        value: its value.
        kind: what each name is one of.
        known: all of them.

    Raises:
        InvalidConfig: if it is neither.
        UnknownName: if there is no such name; suggests the nearest.
    """
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(one, str) for one in names):
        raise InvalidConfig(f"{option}: expected a text or a list of texts, got {value!r}")
    given = tuple(filter(None, (one.strip() for one in names)))
    check_names(kind, given, known)
    return given
