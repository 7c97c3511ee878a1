"""Checks of the values that options of environments have. This file knows no environment."""

from __future__ import annotations

from londi.errors import InvalidConfig


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
