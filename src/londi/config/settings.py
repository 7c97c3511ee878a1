"""A typed configuration from a YAML file, and errors in one line.

This file does not know what a setting means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import set_loader

from londi.config.kinds import Misfit, record, shown
from londi.config.strict_yaml import YamlFault, load
from londi.errors import InvalidConfig, UnknownName

Config = TypeVar("Config")

YAML_MODE = "londi"
"""The `parser_mode` of a jsonargparse parser that reads YAML as `read_config` does."""

set_loader(YAML_MODE, load, (yaml.YAMLError,))

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "dict": "keys with values",
    "list": "a list",
    "tuple": "a list",
    "tuple with 2 elements": "a list of 2",
    "NoneType": "nothing",
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
    where = f"{str(file)!r}: "
    try:
        values = read_value(file.read_text(encoding="utf-8"), where)
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{str(file)!r} is no text") from error
    except OSError as error:
        raise InvalidConfig(f"{where}{error.strerror or error}") from error
    if not isinstance(values, dict):
        raise InvalidConfig(f"{where}expected keys with values, got {shown(values)}")
    return make_config(kind, values, where)


def read_value(text: str, where: str = "") -> object:
    """The value that a YAML text holds.

    Args:
        text: the text.
        where: put in front of an error.

    Raises:
        InvalidConfig: if it is no YAML, or hides a mistake.
    """
    try:
        return load(text)
    except YamlFault as error:
        raise InvalidConfig(f"{where}{error}") from error
    except yaml.YAMLError as error:
        raise InvalidConfig(where + _no_yaml(str(error))) from error


def make_config(kind: type[Config], values: Mapping[str, object], where: str = "") -> Config:
    """The configuration of this `kind`, a dataclass, with these values and defaults for the rest.

    Args:
        kind: the dataclass.
        values: by name.
        where: put in front of an error.

    Raises:
        InvalidConfig: if a value has the wrong type or range.
        UnknownName: if there is no such setting.
    """
    names = setting_names(kind)
    for name in values:
        if name not in names:
            raise UnknownName("key", str(name), names, where)
    try:
        return record(kind, values)
    except (Misfit, InvalidConfig, UnknownName) as error:
        raise InvalidConfig(f"{where}{error}") from error


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
    if unknown := re.search(r"nrecognized arguments: ([^\s=]+)", message):
        if unknown[1][0] != "-":  # a folder, say, whose --out was forgotten
            return InvalidConfig(f"{where}expected an option, --NAME, got {unknown[1]!r}")
        return UnknownName("option", unknown[1], [f"--{name}" for name in known])
    if unknown := re.search(r"(?:Option|Key|option) '([\w.]+)'(?: is not accepted|$)", message):
        last = unknown[1].rpartition(".")[2]  # settings are not nested, whatever the file is
        return UnknownName("key", unknown[1], [last] if last in known else known, where)
    message = re.sub(r"Problems parsing config: (?=line \d+: )", "", message)
    message = re.sub(r"Problems parsing config: (.*)", lambda m: _no_yaml(m[1]), message)
    message = re.sub(r"Unexpected config: *$", "Unexpected config: nothing", message)
    message = message.replace("Unexpected config:", "expected keys with values, got")
    message = re.sub(r'Parser key "(\w+)": File does not exist:', r"\1: there is no file", message)
    if wrong := _WRONG_VALUE.match(message):
        kinds = (wrong["one"] or wrong["many"]).split(", ")
        # A setting is left at nothing by leaving it out.
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds if kind != "NoneType")
        value = wrong["got"] if wrong["one"] else wrong["given"]
        return InvalidConfig(f"{where}{wrong['key']}: expected {wanted}, got {value}")
    message = re.sub(r'^(?:argument --|Parser key "(?:\w+\.)*)(\w+)"?: ', r"\1: ", message)
    return InvalidConfig(where + message)


def _no_yaml(message: str) -> str:
    """What PyYAML says about a text, in one line."""
    return "not YAML: " + " ".join(message.replace('in "<unicode string>", ', "in ").split())
