"""Options of the verbs: the fields of a configuration, and the folders that runs lie in.

This file knows how a setting is written on the command line and shown in the help. It does not
know what a setting does.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from docstring_parser import parse_from_object
from jsonargparse import ArgumentParser, Namespace

from londi.config.kinds import Misfit, fitted
from londi.config.ray import RayConfig
from londi.config.settings import read_value
from londi.errors import InvalidConfig, LondiError
from londi.storage.paths import as_path

Config = TypeVar("Config")

MORE = "more"
"""Title of the group of those settings that no other group names."""

BESIDE_RESUME = ("resume", "quiet", "tensorboard", *(field.name for field in fields(RayConfig)))
"""Options that may stand beside --resume: they change nothing of what the run computes."""

FLAG, KEYS = "[true|false]", "{KEY: VALUE}"
"""How values of these two forms are written in the help."""
_METAVARS = {int: "N", float: "X", bool: FLAG, str: "TEXT", Any: "VALUE"}


def add_settings(
    parser: ArgumentParser,
    config: type,
    groups: Mapping[str, Sequence[str]] | None = None,
    skip: Sequence[str] = (),
) -> None:
    """Add an option for each field of `config`, and `--config` for a file of them.

    Args:
        parser: the parser of the verb.
        config: the dataclass of its settings; the sentence under a field is its help.
        groups: names of fields by the title of their group, in the order of the help. Fields
            that no group names come last.
        skip: fields without an option.
    """
    known = [field.name for field in fields(config) if field.name not in skip]
    titled = dict(groups or {})
    named = {name for names in titled.values() for name in names}
    titled[MORE if groups else "settings"] = [name for name in known if name not in named]
    parser.add_argument("--config", action="config", help="YAML file with any of these settings.")
    for title, names in titled.items():
        if names:
            _add_group(parser, config, title, names)


def _add_group(parser: ArgumentParser, config: type, title: str, names: Sequence[str]) -> None:
    known = {field.name: field for field in fields(config)}
    hints, sentences = get_type_hints(config), dict(_sentences(config))
    group = parser.add_argument_group(title)
    for name in names:
        group.add_argument(
            f"--{name}",
            type=_reader(hints[name]) if _is_open(hints[name]) else hints[name],
            default=_default(known[name]),
            help=sentences[name],
            metavar=metavar(hints[name]),
        )


class _Unfit(ArgumentTypeError, ValueError):
    """A value that does not fit: the first for a command line, the second for a file."""


def _is_open(hint: object) -> bool:
    """Whether there may be any value within one of this type."""
    return any(inner is Any or _is_open(inner) for inner in get_args(hint))


def _reader(hint: object) -> Callable[[object], Any]:
    """What reads a setting in which any value may stand.

    The library would read such a value twice, so that a text in quotes became a number.
    """

    def read(value: object) -> Any:
        try:
            return fitted(read_value(value) if isinstance(value, str) else value, hint)
        except (Misfit, InvalidConfig) as error:  # the parser adds the name
            raise _Unfit(str(error)) from error

    return read


def add_ray(parser: ArgumentParser) -> None:
    """Add the options of workers on Ray; they are no settings of what is done."""
    names = [field.name for field in fields(RayConfig)]
    _add_group(parser, RayConfig, "workers on Ray", names)


@contextmanager
def ray_of(given: Namespace, workers: int) -> Iterator[RayConfig]:
    """The options of workers on Ray, and a connection to it where they ask for one.

    Args:
        given: the options.
        workers: how many there will be.

    Raises:
        LondiError: if an option is outside its range, or there is no cluster.
    """
    config = config_of(given, RayConfig)
    if not config.ray:
        yield config
        return
    from londi.scale.actors import connected

    with connected(config, workers):
        yield config


def add_quiet(parser: ArgumentParser) -> None:
    """Add `--quiet`."""
    parser.add_argument(
        "--quiet", action="store_true", help="No progress: only results and errors."
    )


def add_overwrite(parser: ArgumentParser) -> None:
    """Add `--overwrite`."""
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace what an earlier run left there."
    )


def add_run(parser: ArgumentParser) -> None:
    """Add the options of a run that has a folder and can be resumed."""
    group = parser.add_argument_group("folder")
    group.add_argument("--out", type=str, default="", metavar="DIR", help="Folder of the new run.")
    group.add_argument(
        "--resume", type=str, default="", metavar="DIR", help="Folder of a run to go on with."
    )
    add_overwrite(parser)
    add_quiet(parser)


def config_of(given: Namespace, kind: Callable[..., Config]) -> Config:
    """The configuration of this `kind`, a dataclass, that the options give.

    Raises:
        LondiError: if a setting is outside its range.
    """
    values = given.as_dict()
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: values[name] for name in names})


def run_of(given: Namespace, kind: type[Config]) -> tuple[Config, Path]:
    """The configuration and the folder of a new run, or of one to be resumed.

    Raises:
        LondiError: if neither --out nor --resume is given, or there is no such run.
    """
    from londi.storage.runs import read_run

    if given.resume:
        folder = as_path(given.resume)
        return read_run(folder, kind), folder
    if not given.out:
        raise LondiError("expected --out DIR for a new run, or --resume DIR")
    return config_of(given, kind), as_path(given.out)


def metavar(hint: object) -> str:
    """How a value of this type is written in the help, such as ``N|none``."""
    if hint in _METAVARS:
        return _METAVARS[hint]
    origin = get_origin(hint)
    if origin is Literal:
        return "|".join(map(str, get_args(hint)))
    inner = [metavar(arg) for arg in get_args(hint) if arg not in (NoneType, ...)]
    if origin in (Union, UnionType):
        return "|".join(inner)
    if origin is dict:
        return KEYS
    if origin is tuple and ... not in get_args(hint):
        return f"[{','.join(inner)}]"
    return f"[{inner[0]},...]"


def _default(field: Field[object]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _sentences(config: type) -> Iterator[tuple[str, str]]:
    """The documentation under each field, of `config` and of what it inherits from."""
    for kind in reversed(config.__mro__[:-1]):
        for param in parse_from_object(kind).params:
            yield param.arg_name, " ".join((param.description or "").split())
