"""Parsers of the verbs, how their help looks, and what is said of arguments that do not fit."""

from __future__ import annotations

import re
import shutil
import textwrap
from argparse import SUPPRESS, Action, ArgumentError
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from math import inf
from typing import Any

import yaml
from jsonargparse import (
    ArgumentParser,
    DefaultHelpFormatter,
    Namespace,
    set_parsing_settings,
)

from londi.cli.arguments import spelled, with_value, without_keys
from londi.cli.options import BESIDE_RESUME, FLAG, KEYS
from londi.cli.verb import Verb
from londi.config.settings import YAML_MODE, explain
from londi.errors import InvalidConfig, LondiError, UnknownName

_EXAMPLES = "examples:\n"


class Formatter(DefaultHelpFormatter):
    """Help without Python's words: the sentence of an option, and its default."""

    def __init__(self, prog: str) -> None:
        columns = shutil.get_terminal_size().columns
        super().__init__(  # type: ignore[no-untyped-call]
            prog, max_help_position=26, width=min(columns, 100) - 2
        )

    def _expand_help(self, action: Action) -> str:
        if action.dest == "print_config":
            return "Print all settings as YAML, instead of doing anything."
        text = (action.help or "").replace("%%", "%")
        shown = _shown(action.default)
        return f"{text} (default: {shown})" if shown and action.option_strings else text

    def _split_lines(self, text: str, width: int) -> list[str]:
        # The name of a model or an environment stays in one piece.
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(_EXAMPLES):  # one command a line, whatever the width
            return text
        return super()._fill_text(text, width, indent)


def _shown(default: object) -> str:
    """A default as a user would write it; empty where it says nothing."""
    if default is None or default is SUPPRESS or default is False or default in ("", {}, []):
        return ""
    if default is True:
        return "true"
    if isinstance(default, (list, tuple)):
        shown = f"[{','.join(map(str, default))}]"
        return shown if len(shown) <= 80 else ""
    return str(default)


def verb_parser(verb: Verb) -> ArgumentParser:
    """The parser of one verb."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    examples = _EXAMPLES + "\n".join(f"  {line}" for line in verb.examples)
    made = ArgumentParser(
        prog=f"londi {verb.name}",
        usage=f"londi {verb.name} {verb.usage}",
        description=verb.description,
        epilog=examples if verb.examples else "",
        exit_on_error=False,
        allow_abbrev=False,  # one such as --univ would miss what is done here by full names
        formatter_class=Formatter,
        parser_mode=YAML_MODE,
    )
    verb.add_arguments(made)
    # argparse puts the group of --help and its like first; what a verb is about goes before it.
    positionals, options, *rest = made._action_groups
    made._action_groups = [positionals, *rest, options]
    return made


def parser(verbs: Mapping[str, Verb], parsers: Mapping[str, ArgumentParser]) -> ArgumentParser:
    """The parser of `londi`."""
    main = ArgumentParser(
        prog="londi",
        usage="londi VERB [OPTION ...]",
        description="Learn when to call the large language model: LONDI (arXiv 2402.12061).",
        epilog="`londi VERB --help` tells the options of a verb. Start with: londi demo",
        exit_on_error=False,
        allow_abbrev=False,  # one such as --univ would miss what is done here by full names
        formatter_class=Formatter,
        parser_mode=YAML_MODE,
    )
    main.add_argument(
        "--version",
        action="version",
        version=f"londi {version('londi')}",
        help="Print the version and exit.",
    )
    subcommands = main.add_subcommands(dest="verb", metavar="VERB")
    for name, verb in verbs.items():
        first, _, _ = verb.description.partition(". ")
        subcommands.add_subcommand(name, parsers[name], help=first.rstrip(".") + ".")
    return main


def parse(verbs: Mapping[str, Verb], arguments: Sequence[str]) -> tuple[Verb, Namespace] | None:
    """The verb that is asked for, and its options; None where there is only help to give.

    Raises:
        LondiError: if there is no such verb or option, or a value does not fit.
    """
    parsers = {name: verb_parser(verb) for name, verb in verbs.items()}
    main = parser(verbs, parsers)
    if not arguments:
        main.print_help()
        return None
    chosen = arguments[0]
    flags = options_of(parsers[chosen], FLAG) if chosen in parsers else set()
    keyed = options_of(parsers[chosen], KEYS) if chosen in parsers else set()
    folders = chosen in parsers and any(not a.option_strings for a in parsers[chosen]._actions)
    try:
        given = _parsed(main, chosen, *without_keys(spelled(arguments, flags, folders), keyed))
    except ArgumentError as error:
        raise _misused(str(error), chosen, parsers) from error
    except UnicodeDecodeError as error:
        raise InvalidConfig("--config: the file is no text") from error
    name: str = given.verb
    _check_resumed(given[name], parsers[name])
    return verbs[name], given[name]


def options_of(parser: ArgumentParser, metavar: str) -> set[str]:
    """The options that take a value of this form."""
    return {
        option
        for action in parser._actions
        if action.metavar == metavar
        for option in action.option_strings
    }


def _parsed(
    main: ArgumentParser, verb: str, plain: list[str], inner: Sequence[tuple[Sequence[str], Any]]
) -> Namespace:
    """What the arguments say; values within settings are added to what the others say of those."""
    if not inner:
        return main.parse_args(plain)
    there = main.parse_args([one for one in plain if not one.startswith("--print_config")])[verb]
    for (name, *keys), value in inner:
        there[name] = with_value(there[name], keys, value, name)
    for name in {name for (name, *_), _ in inner}:
        text = yaml.safe_dump(there[name], default_flow_style=True, width=inf, sort_keys=False)
        plain.append(f"--{name}={text}")
    return main.parse_args(plain)


def _check_resumed(given: Namespace, parser: ArgumentParser) -> None:
    """A run goes on as it began: an option beside --resume would be ignored, so it is refused."""
    if not given.get("resume"):
        return
    values, defaults = given.as_dict(), parser.get_defaults().as_dict()
    for name in values:
        # Folders that are not named are an empty list, or none at all.
        differs = (values[name] or None) != (defaults[name] or None)
        if differs and name not in BESIDE_RESUME:
            raise LondiError(
                f"a run goes on as it began: expected --resume alone, got --{name} as well"
            )


def _misused(message: str, verb: str, parsers: Mapping[str, ArgumentParser]) -> LondiError:
    """The error behind a parser's message; an unknown name comes with the nearest valid one."""
    if verb.startswith("-"):
        return explain(message, ["help", "version"])
    if verb not in parsers:
        return UnknownName("verb", verb, parsers)
    message = re.sub(r"\bnull\b", "none", message)
    if "arguments are required:" in message:
        return LondiError(f"expected {parsers[verb].usage}")
    options = (option for action in parsers[verb]._actions for option in action.option_strings)
    return explain(message, [name.removeprefix("--") for name in options if name[:2] == "--"])
