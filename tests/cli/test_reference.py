"""The page of the command line: it has every verb and every option, as the parsers have them."""

from __future__ import annotations

import re
from argparse import SUPPRESS

from londi.cli.main import VERBS
from londi.cli.parser import verb_parser
from londi.cli.reference import described

HELP = {"--help", "--print_config"}
"""Options of every verb, which the head of the page explains."""


def test_every_option_stands_in_its_section_once() -> None:
    sections = re.split(r"^## londi (\w+)$", described(VERBS), flags=re.M)[1:]
    assert sections[::2] == list(VERBS)
    for name, section in zip(sections[::2], sections[1::2], strict=True):
        told = re.findall(r"^\| (?:`|<code>)(--\w+)", section, re.M)
        known = {
            next(option for option in action.option_strings if option.startswith("--"))
            for action in verb_parser(VERBS[name])._actions
            if action.option_strings and action.help is not SUPPRESS
        }
        assert sorted(told) == sorted(known - HELP), name


def test_a_bar_ends_no_cell() -> None:
    text = described(VERBS)
    rows = re.findall(r"^\| [`<].*$", text, re.M)
    assert rows
    for row in rows:
        assert row.count("|") == 3, row
    assert "| <code>--budget N&#124;none</code> |" in text


def test_defaults_and_examples_are_told() -> None:
    text = described({"demo": VERBS["demo"]})
    assert "| `--seed N` | Seed of the training. (default: 0) |" in text
    assert "```bash\nlondi demo --out runs/demo\n```" in text
