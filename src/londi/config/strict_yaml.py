"""YAML as settings are written in it: stricter than the language where it hides a mistake.

A key that stands twice, a key without a value and a key that is no text are refused, with their
line. This file does not know which settings there are.
"""

from __future__ import annotations

import re
from typing import Any

import yaml


class YamlFault(yaml.YAMLError):
    """Text that is YAML, and yet no settings; the message names the line."""


class _Loader(yaml.SafeLoader):
    """Numbers as people write them: 1e-3 is one; a date is a text."""


_LEFT_OUT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in _LEFT_OUT]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""[-+]?(?:
            [0-9][0-9_]*\.[0-9_]*(?:e[-+]?[0-9]+)?
            |[0-9][0-9_]*e[-+]?[0-9]+
            |\.[0-9][0-9_]*(?:e[-+]?[0-9]+)?
            |\.inf
        )$|\.nan$""",
        re.X | re.I,
    ),
    list("-+0123456789."),
)


def load(text: str) -> Any:
    """The value that a YAML text holds.

    Raises:
        yaml.YAMLError: if it is no YAML, or hides a mistake.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, "", set())
        return loader.construct_document(node)
    except RecursionError as error:
        raise YamlFault("it is nested too deep") from error
    except ValueError as error:  # such as a whole number of thousands of digits
        raise YamlFault(str(error)) from error
    finally:
        loader.dispose()


def _check(node: yaml.Node, place: str, seen: set[int]) -> None:
    """Raise YamlFault if a key of a mapping in `node` stands twice, has no value or is no text."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _check(inner, place, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            what = key.value if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
            raise YamlFault(f"line {line}: expected a text for a key, got {what or 'nothing'}")
        name = f"{place}{key.value}"
        if key.value in lines:
            raise YamlFault(f"line {line}: {name} stands twice, first in line {lines[key.value]}")
        lines[key.value] = line
        if value.value == "" and value.tag == "tag:yaml.org,2002:null":
            raise YamlFault(f"line {line}: {name} has no value")
        _check(value, f"{name}.", seen)
