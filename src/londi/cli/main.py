"""The command `londi`: finds the verb, runs it, and turns errors into exit codes.

A user's mistake is answered in one line of standard error, with exit code 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from londi.cli import (
    demo,
    envs,
    evaluate,
    export,
    finetune,
    frontier,
    limit,
    models,
    ope,
    pull,
    push,
    report,
    serve,
    sweep,
    traces,
    train,
    tune,
)
from londi.cli.interrupt import INTERRUPTED
from londi.cli.parser import parse
from londi.errors import LondiError, extras_named

VERBS = {
    module.VERB.name: module.VERB
    for module in (
        demo,
        train,
        evaluate,
        tune,
        export,
        push,
        pull,
        serve,
        ope,
        traces,
        limit,
        frontier,
        report,
        sweep,
        finetune,
        envs,
        models,
    )
}
"""The verbs by name, in the order of the help."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a verb; exit code 0, 2 for a user's mistake, 130 after Ctrl-C."""
    _see_own_modules()
    try:
        asked = parse(VERBS, sys.argv[1:] if argv is None else argv)
        code = 0
        if asked is not None:
            verb, given = asked
            with extras_named():
                code = verb.run(given)
    except LondiError as error:
        code = _complain(str(error))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:  # a file or a disk: where it lies says more than a traceback
        where = f": {error.filename!r}" if error.filename else ""
        code = _complain(f"{error.strerror or error}{where}")
    sys.exit(code)


def _see_own_modules() -> None:
    """Let `module:name` name a module of the working folder, as `python -m londi` does."""
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)  # last: a file of the user's shadows no library


def _complain(message: str) -> int:
    print(f"londi: error: {' '.join(message.split())}", file=sys.stderr)
    return 2
