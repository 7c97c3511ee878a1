"""What a verb of the command line is: a name, its options, and what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from jsonargparse import ArgumentParser, Namespace


@dataclass(frozen=True)
class Verb:
    """A verb of `londi`.

    Attributes:
        name: the word on the command line.
        description: one or two sentences, the first line of its help.
        add_arguments: adds its options to a parser.
        run: does the work with the parsed options and returns the exit code. It imports what is
            heavy itself, so that `londi --help` needs no torch.
        usage: what follows the verb in the usage line.
        examples: command lines, shown at the end of its help.
    """

    name: str
    description: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    usage: str = "[OPTION ...]"
    examples: tuple[str, ...] = ()


def warn(message: str) -> None:
    """Print a warning to standard error."""
    print(f"londi: warning: {message}", file=sys.stderr)
