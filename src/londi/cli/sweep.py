"""`londi sweep`: train and evaluate a Switcher at every point of a grid."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.interrupt import Interrupt, interrupted
from londi.cli.options import add_ray, add_run, add_settings, ray_of, run_of
from londi.cli.verb import Verb, warn
from londi.config import SweepConfig


def _arguments(parser: ArgumentParser) -> None:
    add_run(parser)
    add_settings(parser, SweepConfig)
    add_ray(parser)


def _run(given: Namespace) -> int:
    from londi.cli.display import played, print_results
    from londi.evaluation.sweep import RESULTS, Ended, read_rows, sweep
    from londi.reports.plot import PLOT, plot_sweep
    from londi.reports.progress import Bar
    from londi.reports.run import write_run_page

    config, folder = run_of(given, SweepConfig)
    waiting = "the first run to end"
    with (
        ray_of(given, config.jobs) as ray,
        Interrupt() as asked,
        Bar("sweep", waiting=waiting, quiet=given.quiet) as bar,
    ):

        def ended(part: Ended) -> None:
            bar.total = part.total
            bar.note(f"{part.done}/{part.total}  {part.name}: {part.figures}")
            bar.show(part.done)
            for warning in part.warnings:
                warn(f"{part.name}: {warning}")

        done = sweep(
            config,
            folder,
            resume=bool(given.resume),
            overwrite=given.overwrite,
            on_ended=ended,
            should_stop=asked,
            ray=ray,
        )
    rows = read_rows(folder)
    if rows:
        lines = [(row.name, row.result) for row in rows]
        print_results(played(rows[0].result), "run", lines)
        plot_sweep(lines, folder / PLOT)
        page = write_run_page(folder, played(rows[0].result), lines)
        print(f"figures in {folder / RESULTS}, picture in {folder / PLOT}, page in {page}")
    return 0 if done else interrupted("sweep", folder)


VERB = Verb(
    name="sweep",
    description="Train and evaluate a Switcher at every point of a grid. Runs share a cache of"
    " answers.",
    add_arguments=_arguments,
    run=_run,
    usage="--config FILE --out DIR [OPTION ...]",
    examples=(
        "londi sweep --config configs/sweeps/costs.yaml --out runs/costs",
        "londi sweep --grid '[{cost: [0.01, 0.1], seed: [0, 1, 2]}]' --out runs/grid --jobs 2",
    ),
)
