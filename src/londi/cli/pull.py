"""`londi pull`: a published Switcher, as the folder of a run."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb
from londi.storage.paths import as_path


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=str,
        metavar="SOURCE",
        help="Folder of `londi push`, or a repository OWNER/NAME of the Hugging Face Hub; the"
        " environment variable HF_TOKEN holds the token of a private one.",
    )
    parser.add_argument("--out", type=str, required=True, metavar="DIR", help="Folder to write.")
    parser.add_argument(
        "--revision",
        type=str,
        default="",
        metavar="NAME",
        help="Branch, tag or commit of the repository; by default the newest commit.",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace a Switcher that is in DIR."
    )


def _run(given: Namespace) -> int:
    from londi.evaluation.published import SWITCHER, pull

    folder = as_path(given.out)
    made = pull(given.source, folder, revision=given.revision, overwrite=given.overwrite)
    at = f" of commit {made.commit}" if made.commit else ""
    print(f"{folder}: {made.bytes:,} bytes{at}; Switcher.load({str(folder / SWITCHER)!r})")
    print(f"QUICK {made.switcher.quick.name!r}, DEEPTHINK {made.switcher.deepthink.name!r}")
    return 0


VERB = Verb(
    name="pull",
    description="Fetch a published Switcher from the Hugging Face Hub or from a folder.",
    add_arguments=_arguments,
    run=_run,
    usage="SOURCE --out DIR [OPTION ...]",
    examples=(
        "londi pull me/switcher --out switcher",
        "londi pull me/switcher --revision v1 --out switcher",
    ),
)
