"""Values held against types."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from londi.config.kinds import Misfit, conform, fitted, words
from londi.errors import InvalidConfig, UnknownName


@dataclass(frozen=True)
class Inner:
    a: int


@dataclass(frozen=True)
class Outer:
    rows: list[Inner] = field(default_factory=list)
    by_name: dict[str, Inner] = field(default_factory=dict)
    one: Inner | None = None


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (1, int, 1),
        (1, float, 1.0),
        (np.int64(3), int, 3),
        (np.float32(0.5), float, 0.5),
        (np.bool_(True), bool, True),
        (np.str_("a"), str, "a"),
        (Path("a/b"), str, "a/b"),
        (None, int | None, None),
        ("none", int | Literal["none"], "none"),
        (np.int64(2), int | Literal["none"], 2),
        ((1, 2), list[int], [1, 2]),
        ([1, 2], tuple[float, float], (1.0, 2.0)),
        ([], tuple[int, ...], ()),
        ({"a": [None, 1]}, dict[str, Any], {"a": [None, 1]}),
        ({"rows": [{"a": 1}]}, Outer, Outer([Inner(1)])),
        (
            {"one": {"a": 1}, "by_name": {"x": {"a": 2}}},
            Outer,
            Outer([], {"x": Inner(2)}, Inner(1)),
        ),
    ],
)
def test_what_fits(value: object, kind: Any, result: object) -> None:
    found = fitted(value, kind)
    assert found == result and type(found) is type(result)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (1.5, int, "expected a whole number, got 1.5"),
        (True, int, "expected a whole number, got True"),
        (True, float, "expected a number, got True"),
        ("1", float, "expected a number, got '1'"),
        (1, bool, "expected true or false, got 1"),
        (1, str, "expected a text, got 1"),
        (None, str, "expected a text, got nothing"),
        (None, int | Literal["none"], "expected a whole number or 'none', got nothing"),
        ("auto", Literal["mask", "penalty"], "expected 'mask' or 'penalty', got 'auto'"),
        (True, Literal[1], "expected 1, got True"),
        ("ab", list[str], "expected a list, got 'ab'"),
        ([1, 2, 3], tuple[int, int], "expected a list of 2, got [1, 2, 3]"),
        ([1, "a"], list[int], "[1]: expected a whole number, got 'a'"),
        ({1: 2}, dict[str, Any], "expected keys with values, got {1: 2}"),
        ({"rows": [{"a": 1}, {"a": None}]}, Outer, "rows[1].a: expected a whole number, got noth"),
        ({"by_name": {"x": 1}}, Outer, "by_name.x: expected keys with values, got 1"),
        ({"one": {"a": "b"}}, Outer, "one.a: expected a whole number, got 'b'"),
        ("x\n" * 999, int, "expected a whole number, got"),
    ],
)
def test_what_does_not_fit_is_one_line(value: object, kind: Any, message: str) -> None:
    with pytest.raises(Misfit) as caught:
        fitted(value, kind)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 150


def test_a_key_that_is_no_field_or_is_missing_is_named() -> None:
    with pytest.raises(UnknownName, match="'row'; did you mean 'rows'"):
        fitted({"row": []}, Outer)
    with pytest.raises(InvalidConfig, match="a: expected a whole number, got no such key"):
        fitted({}, Inner)


def test_a_dataclass_made_in_python_gets_plain_values() -> None:
    made = Inner(np.int64(3))  # type: ignore[arg-type]
    conform(made)
    assert type(made.a) is int
    with pytest.raises(InvalidConfig, match="a: expected a whole number, got 'x'"):
        conform(Inner("x"))  # type: ignore[arg-type]


def test_types_in_words() -> None:
    assert words(float | Literal["auto"] | None) == "a number or 'auto' or nothing"
