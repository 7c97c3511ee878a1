"""The reference of the command line as a page of Markdown, written from the parsers themselves.

This file knows how an option is shown. It does not know what any of them does.
"""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from londi.cli.parser import Formatter, verb_parser
from londi.cli.verb import Verb

_COMMON = {"help", "print_config"}
"""Options of every verb, which the head of the page explains."""


def described(verbs: Mapping[str, Verb]) -> str:
    """A section a verb: what it does, how it is called, its options in tables, and examples."""
    return "\n".join(line for verb in verbs.values() for line in _section(verb))


def _section(verb: Verb) -> Iterator[str]:
    parser = verb_parser(verb)
    formatter = Formatter(parser.prog)
    yield from (f"## londi {verb.name}", "", verb.description, "")
    yield from ("```", f"londi {verb.name} {verb.usage}", "```", "")
    for group in parser._action_groups:
        rows = list(_rows(group._group_actions, formatter))
        if rows:
            title = (group.title or "options").capitalize()
            yield from (f"**{title}**", "", "| | |", "|---|---|", *rows, "")
    if verb.examples:
        yield from ("```bash", *verb.examples, "```", "")


def _rows(actions: Iterable[Action], formatter: Formatter) -> Iterator[str]:
    for action in actions:
        if action.dest in _COMMON or action.help is SUPPRESS:
            continue
        # Before an option's other spellings, such as `--methods+`; behind a short one.
        name = next((option for option in action.option_strings if option[:2] == "--"), "")
        takes = action.metavar if isinstance(action.metavar, str) and action.nargs != 0 else ""
        call = f"{name} {takes}".strip() or action.dest
        told = " ".join(formatter._expand_help(action).split())
        yield f"| {_cell(f'`{call}`')} | {_cell(told)} |"


def _cell(text: str) -> str:
    """A text that ends no cell of a table. In a code span no entity is read, so it becomes HTML."""
    spans = re.sub(r"`([^`]*\|[^`]*)`", lambda code: f"<code>{escape(code[1])}</code>", text)
    return spans.replace("|", "&#124;")
