"""`londi limit`: the best that any Switcher could have done on held-out episodes."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.options import add_overwrite, add_quiet, add_ray, add_settings, config_of, ray_of
from londi.cli.verb import Verb
from londi.config import LimitConfig
from londi.storage.paths import as_path


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=str, required=True, metavar="DIR", help="Folder of the figures."
    )
    add_overwrite(parser)
    add_quiet(parser)
    add_settings(parser, LimitConfig)
    add_ray(parser)


def _run(given: Namespace) -> int:
    from londi.cli.display import print_limit
    from londi.oracle.clairvoyant import LIMIT, clairvoyant, write_limit
    from londi.reports.progress import Bar
    from londi.storage.runs import create_run, is_free

    config, folder = config_of(given, LimitConfig), as_path(given.out)
    is_free(folder, LimitConfig, given.overwrite)
    with (
        ray_of(given, config.workers) as ray,
        Bar("exploring", config.episodes, quiet=given.quiet) as bar,
    ):
        found = clairvoyant(config, on_states=bar.show, ray=ray)
    create_run(folder, config, given.overwrite)
    write_limit(folder, found)
    print_limit(config.env, found)
    print(f"figures in {folder / LIMIT}")
    return 0


VERB = Verb(
    name="limit",
    description="Find the best that any Switcher could have done on held-out episodes.",
    add_arguments=_arguments,
    run=_run,
    usage="--out DIR [OPTION ...]",
    examples=(
        "londi limit --out runs/limit --episodes 100",
        "londi limit --out runs/limit --workers 8 --ray auto",
    ),
)
