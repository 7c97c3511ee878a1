"""YAML as settings are written in it."""

from __future__ import annotations

import jsonargparse
import pytest
import yaml

from londi.config.strict_yaml import YamlFault, load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e-3", {"a": 0.001}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: [.5, 5., -1.5e+2]", {"a": [0.5, 5.0, -150.0]}),
        ("a: .inf", {"a": float("inf")}),
        ("a: 2024-01-31", {"a": "2024-01-31"}),
        ("a: null\nb: ~", {"a": None, "b": None}),
        ("a: ''", {"a": ""}),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("true", True),
        ("", None),
        ("[1, a]", [1, "a"]),
    ],
)
def test_what_it_reads(text: str, value: object) -> None:
    assert load(text) == value


@pytest.mark.parametrize("text", ["1e5", "1.5", "-3", "1_000.5", "abc", ".5", "1.e3", "e5", "[1]"])
def test_numbers_are_read_as_the_command_line_reads_them(text: str) -> None:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--x", type=object)
    theirs = parser.parse_string(f"x: {text}").x
    assert load(text) == theirs and type(load(text)) is type(theirs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: a stands twice, first in line 1"),
        ("a:\n  b: 1\n  b: 2", "line 3: a.b stands twice, first in line 2"),
        ("- {a: 1}\n- {a: 1, a: 2}", "line 2: a stands twice, first in line 2"),
        ("a:", "line 1: a has no value"),
        ("a: 1\nb:\nc: 2", "line 2: b has no value"),
        ("a: {b: }", "line 1: a.b has no value"),
        ("a: {b}", "line 1: a.b has no value"),
        ("1: 2", "line 1: expected a text for a key, got 1"),
        ("a: {yes: 2}", "line 1: expected a text for a key, got yes"),
        ("? [a]\n: 1", "line 1: expected a text for a key, got a list or a mapping"),
        ("?\n: 1", "line 1: expected a text for a key, got nothing"),
        ("[" * 9999, "nested too deep"),
        ("a: " + "9" * 9999, "digits"),
    ],
)
def test_a_hidden_mistake_is_refused(text: str, message: str) -> None:
    with pytest.raises(YamlFault) as caught:
        load(text)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["a: [1", "a: !!python/object:os.x {}", "a: 1\n---\nb: 2", "\t- x"]
)
def test_what_is_no_yaml_is_an_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load(text)


def test_a_list_that_holds_itself_ends() -> None:
    assert load("&x [*x]")
