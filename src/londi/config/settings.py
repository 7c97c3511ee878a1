"""A typed configuration from a YAML file, and what is wrong with one, in one line.

The types are checked by jsonargparse, for files and for the command line alike. This file does
not know what a setting means.
"""

from __future__ import annotations

import re
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from jsonargparse import ArgumentParser, Namespace

from londi.errors import InvalidConfig, UnknownName

Config = TypeVar("Config")

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "tuple": "a list",
    "dict": "keys with values",
}
_WRONG_VALUE = re.compile(
    r"Parser key \"(?:\w+\.)*(?P<key>\w+)\": (?:"
    r"Expected an? (?P<one>.+?)\. Got value: (?P<got>.*)"
    r"|Does not validate .*?Subtypes: \[(?P<many>.*?)\] Errors: .*Given value: (?P<given>.*)"
    r")$"
)


def read_config(file: Path, kind: type[Config]) -> Config:
    """The configuration of this `kind`, a dataclass, that a YAML file holds.

    Raises:
        InvalidConfig: if the file is no YAML, or a value has the wrong type or range.
        UnknownName: if it has a key that is no setting.
    """
    try:
        return _make(kind, lambda parser: parser.parse_path(str(file)), f"{str(file)!r}: ")
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{str(file)!r} is no text") from error


def make_config(kind: type[Config], values: Mapping[str, Any], where: str = "") -> Config:
    """The configuration of this `kind`, a dataclass, with these values and defaults for the rest.

    Args:
        kind: the dataclass.
        values: by name.
        where: put in front of an error.

    Raises:
        InvalidConfig: if a value has the wrong type or range.
        UnknownName: if there is no such setting.
    """
    return _make(kind, lambda parser: parser.parse_object(dict(values)), where)


def _make(kind: type[Config], parse: Callable[[ArgumentParser], Namespace], where: str) -> Config:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, fail_untyped=True)
    names = setting_names(kind)
    try:
        values = parse(parser).as_dict()
    except (ArgumentError, TypeError) as error:
        raise explain(str(error), names, where) from error
    return kind(**{name: values[name] for name in names})


def setting_names(kind: Any) -> list[str]:
    """The names of the settings of a configuration."""
    return [field.name for field in fields(kind)]


def explain(message: str, known: Sequence[str], where: str = "") -> InvalidConfig | UnknownName:
    """The error behind what jsonargparse says, in one line.

    Args:
        message: what it says.
        known: the names of the settings; the nearest to an unknown one is suggested.
        where: put in front.
    """
    message = re.sub(r"\s+", " ", message).strip()
    message = re.sub(r"<class '(\w+)'>|typing.Literal\[([^\]]*)\]", r"\1\2", message)
    if unknown := re.search(r"nrecognized arguments: (?:--)?([^\s=]+)", message):
        return UnknownName("option", f"--{unknown[1]}", [f"--{name}" for name in known])
    if unknown := re.search(r"(?:Option|Key|option) '([\w.]+)'(?: is not accepted|$)", message):
        last = unknown[1].rpartition(".")[2]  # settings are not nested, whatever the file is
        return UnknownName(f"{where}key", unknown[1], [last] if last in known else known)
    message = message.replace("Problems parsing config:", "not YAML:")
    message = re.sub(r"Unexpected config: *$", "Unexpected config: nothing", message)
    message = message.replace("Unexpected config:", "expected keys with values, got")
    message = re.sub(r'Parser key "(\w+)": File does not exist:', r"\1: there is no file", message)
    if wrong := _WRONG_VALUE.match(message):
        kinds = (wrong["one"] or wrong["many"]).split(", ")
        # A setting is left at nothing by leaving it out.
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds if kind != "NoneType")
        value = wrong["got"] if wrong["one"] else wrong["given"]
        return InvalidConfig(f"{where}{wrong['key']}: expected {wanted}, got {value}")
    return InvalidConfig(where + message)
