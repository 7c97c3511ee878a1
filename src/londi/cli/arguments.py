"""Arguments as the parsers know them: the names of options, flags, and values within settings.

This file knows how arguments are written, and not what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from londi.config.kinds import shown
from londi.config.settings import read_value
from londi.errors import InvalidConfig


def spelled(arguments: Sequence[str], flags: set[str], folders: bool = False) -> list[str]:
    """The arguments as the parsers know them.

    An option has the name of the field that holds it, so `--call-rate` is `--call_rate`; and
    one of true and false without a value is true.

    Args:
        arguments: as they were given.
        flags: the options of true and false.
        folders: whether the verb takes words that are no options, which may follow a flag.
    """
    found: list[str] = []
    for k, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name[:2] != "--":
            found.append(argument)
            continue
        name = "--" + name[2:].replace("-", "_")
        following = arguments[k + 1].lower() if k + 1 < len(arguments) else "--"
        own = following in ("true", "false") or not (folders or following.startswith("--"))
        if name in flags and not equals and not own:
            equals, value = "=", "true"
        found.append(f"{name}{equals}{value}")
    return found


def without_keys(
    arguments: Sequence[str], keyed: set[str]
) -> tuple[list[str], list[tuple[list[str], object]]]:
    """The arguments that name a whole setting, and values within settings.

    Args:
        arguments: as `spelled` gives them.
        keyed: the options that take keys with values; `--OPTION.KEY VALUE` gives one of them, and
            `--OPTION.KEY.KEY VALUE` one within that.

    Returns:
        The other arguments; and of each value the name of the setting with the keys, and the value.

    Raises:
        InvalidConfig: if a value is missing, or no YAML.
    """
    plain: list[str] = []
    inner: list[tuple[list[str], object]] = []
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        option, *keys = option.split(".")
        if option not in keyed or not keys:
            plain.append(argument)
            continue
        place = [option.removeprefix("--"), *keys]
        value = value if equals else next(rest, "--")
        if value.startswith("--"):
            raise InvalidConfig(f"--{'.'.join(place)}: expected a value")
        inner.append((place, read_value(value, f"{'.'.join(place)}: ")))
    return plain, inner


def with_value(values: object, keys: Sequence[str], value: object, where: str) -> object:
    """`values` with another value at these keys, one within the other.

    Raises:
        InvalidConfig: if a value on the way there is none with keys; `where` is put in front.
    """
    if not keys:
        return value
    if not isinstance(values, Mapping):
        raise InvalidConfig(f"{where}: expected keys with values, got {shown(values)}")
    key, *further = keys
    inner = with_value(values.get(key, {}), further, value, f"{where}.{key}")
    return {**values, key: inner}
