"""`londi frontier`: universal Switchers and baselines at every call rate and budget."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.options import add_ray, add_run, add_settings, ray_of, run_of
from londi.cli.verb import Verb
from londi.config import FrontierConfig


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="*",
        type=str,
        metavar="RUN",
        help="Folders of `londi train --universal`, one for each seed.",
    )
    add_run(parser)
    add_settings(parser, FrontierConfig, skip=("runs",))
    add_ray(parser)


def _run(given: Namespace) -> int:
    from londi.cli.display import print_curves
    from londi.evaluation.curves import FRONTIER
    from londi.evaluation.frontier import frontier
    from londi.reports.progress import Bar

    config, folder = run_of(given, FrontierConfig)
    with (
        ray_of(given, config.workers) as ray,
        Bar("playing", len(config.methods) + 1, quiet=given.quiet) as bar,
    ):
        found = frontier(
            config,
            folder,
            resume=bool(given.resume),
            overwrite=given.overwrite,
            on_played=bar.show,
            ray=ray,
        )
    print_curves(found)
    print(f"figures in {folder / FRONTIER}; look at them with: londi report {folder}")
    return 0


VERB = Verb(
    name="frontier",
    description="Compare universal Switchers with baselines at every call rate and budget, and"
    " with the best that was possible.",
    add_arguments=_arguments,
    run=_run,
    usage="RUN ... --out DIR [OPTION ...]",
    examples=(
        "londi frontier runs/u0 runs/u1 runs/u2 --out runs/frontier",
        "londi report runs/frontier",
    ),
)
