"""`londi report`: a page, a table and a picture of a frontier."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb
from londi.storage.paths import as_path


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=str, metavar="DIR", help="Folder of `londi frontier`.")


def _run(given: Namespace) -> int:
    from londi.reports.html import PICTURE, TABLE, report

    folder = as_path(given.folder)
    print(f"page in {report(folder)}, table in {folder / TABLE}, picture in {folder / PICTURE}")
    return 0


VERB = Verb(
    name="report",
    description="Make a page, a table and a picture of what `londi frontier` has played.",
    add_arguments=_arguments,
    run=_run,
    usage="DIR",
    examples=("londi report runs/frontier",),
)
