"""`londi push`: the Switcher of a run, published with a model card."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb
from londi.errors import InvalidConfig
from londi.storage.paths import as_path


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", type=str, metavar="RUN", help="Folder of `londi train`.")
    parser.add_argument(
        "--repo",
        type=str,
        default="",
        metavar="OWNER/NAME",
        help="Repository of the Hugging Face Hub, made if there is none; the environment variable"
        " HF_TOKEN holds the token.",
    )
    parser.add_argument("--out", type=str, default="", metavar="DIR", help="Folder instead.")
    parser.add_argument(
        "--public", action="store_true", help="Let everybody read a new repository."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace the files there.")


def _run(given: Namespace) -> int:
    from londi.evaluation.published import push, push_folder

    if bool(given.repo) == bool(given.out):
        raise InvalidConfig("expected either --repo OWNER/NAME or --out DIR")
    if given.public and not given.repo:
        raise InvalidConfig("--public: expected --repo as well")
    run = as_path(given.run)
    if given.repo:
        made = push(run, given.repo, public=given.public, overwrite=given.overwrite)
        print(f"{given.repo}: {made.bytes:,} bytes in commit {made.commit[:12]}")
    else:
        made = push_folder(run, as_path(given.out), overwrite=given.overwrite)
        print(f"{given.out}: {made.bytes:,} bytes")
    print(f"QUICK {made.switcher.quick.name!r}, DEEPTHINK {made.switcher.deepthink.name!r}")
    return 0


VERB = Verb(
    name="push",
    description="Publish a trained Switcher with a model card, on the Hugging Face Hub or in a"
    " folder.",
    add_arguments=_arguments,
    run=_run,
    usage="RUN --repo OWNER/NAME|--out DIR [OPTION ...]",
    examples=(
        "londi push runs/demo --repo me/switcher",
        "londi push runs/demo --out published",
    ),
)
