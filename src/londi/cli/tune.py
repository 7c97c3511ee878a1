"""`londi tune`: choose the operating point of a universal Switcher."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.options import add_quiet, add_settings, config_of
from londi.cli.verb import Verb
from londi.config import TrainConfig, TuneConfig
from londi.storage.paths import as_path

GROUPS = {
    "what to tune for": ("call_rate", "keep_return", "budget", "price", "worth"),
    "the account": ("failure_price",),
}


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", type=str, metavar="RUN", help="Folder of `londi train --universal`.")
    add_quiet(parser)
    add_settings(parser, TuneConfig, GROUPS)


def _run(given: Namespace) -> int:
    from londi.cli.display import print_results
    from londi.evaluation.tune import tune
    from londi.reports.progress import Bar
    from londi.storage.runs import read_run

    config, folder = config_of(given, TuneConfig), as_path(given.run)
    training = read_run(folder, TrainConfig)
    with Bar("tuning", config.points + 3, quiet=given.quiet) as bar:
        found = tune(training, folder, config, on_point=bar.show)
    low, high = found.cost_interval
    ends = [(r.method, r) for r in (found.quick, found.deepthink, found.londi) if r]
    print_results(f"{training.env}, {found.episodes} validation episodes", "method", ends)
    print(
        f"{found.wanted}: c = {found.cost:.4g} (95% {low:.4g} .. {high:.4g}), budget"
        f" {found.budget}: return {found.return_mean:.3f}, call rate {found.call_rate:.3f},"
        f" {found.calls:.2f} calls an episode"
    )
    print(f"londi evaluate {folder} will play there")
    return 0


VERB = Verb(
    name="tune",
    description="Choose where a universal Switcher is operated: by a call rate, a return to keep,"
    " a budget or the price of tokens.",
    add_arguments=_arguments,
    run=_run,
    usage="RUN [OPTION ...]",
    examples=(
        "londi tune runs/universal --call-rate 0.3",
        "londi tune runs/universal --keep-return 0.98",
        "londi tune runs/universal --price quick=0.1/0.4,deepthink=2/8",
    ),
)
