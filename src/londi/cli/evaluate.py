"""`londi evaluate`: trained Switchers and the baselines on the same held-out episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from londi.cli.options import add_overwrite, add_quiet, add_ray, add_settings, config_of, ray_of
from londi.cli.verb import Verb
from londi.config import EvaluateConfig, TrainConfig
from londi.config.ray import RayConfig
from londi.errors import LondiError, OutputExists
from londi.storage.paths import as_path

GROUPS = {
    "what to play": ("episodes", "env", "env_options", "cost", "budget", "greedy"),
    "the account": ("price", "failure_price"),
}


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=str, metavar="RUN", help="Folders of `londi train`."
    )
    parser.add_argument(
        "--out",
        type=str,
        default="",
        metavar="DIR",
        help="Folder of the figures; needed for several runs, by default the run's own.",
    )
    add_overwrite(parser)
    add_quiet(parser)
    add_settings(parser, EvaluateConfig, GROUPS)
    add_ray(parser)


def _run(given: Namespace) -> int:
    config = config_of(given, EvaluateConfig)
    folders = [as_path(run) for run in given.runs]
    if len(folders) > 1 and not given.out:
        raise LondiError("several runs: expected --out DIR for their figures together")
    out = as_path(given.out) if given.out else folders[0]
    with ray_of(given, config.workers) as ray:
        evaluate_runs(folders, out, config, given.overwrite, given.quiet, ray)
    return 0


def evaluate_runs(
    folders: Sequence[Path],
    out: Path,
    config: EvaluateConfig,
    overwrite: bool = False,
    quiet: bool = False,
    ray: RayConfig | None = None,
) -> None:
    """Play held-out episodes with every run, write the figures, print them.

    Args:
        folders: of the runs, which differ in their seed only.
        out: the folder of the figures. Several runs also leave their own there, each in a folder
            of its seed.
        config: the settings of the evaluation.
        overwrite: replace earlier figures.
        quiet: show no progress.
        ray: where episodes are played; None for this process.

    Raises:
        LondiError: if the runs cannot be evaluated together; nothing is played then.
    """
    from londi.cli.display import played, print_results
    from londi.config.prices import find_prices
    from londi.evaluation.evaluate import (
        METHODS,
        RESULTS,
        evaluate,
        results,
        write_results,
        write_steps,
    )
    from londi.evaluation.trainings import check_trained
    from londi.reports.plot import PLOT, plot
    from londi.reports.progress import Bar
    from londi.reports.run import write_run_page
    from londi.storage.runs import make_folder

    trainings = _trainings(folders, config)
    several = len(folders) > 1
    homes = [out / f"seed-{t.seed}" if several else out for t in trainings]
    taken = [home for home in (out, *homes) if (home / RESULTS).exists()]
    if taken and not overwrite:
        raise OutputExists(f"{str(taken[0] / RESULTS)!r} exists; give --overwrite to replace it")
    for folder in folders:
        check_trained(folder)
    names = trainings[0].quick, trainings[0].deepthink  # the runs differ in their seed only
    find_prices(config.price, *names, config.failure_price)
    for home in homes:
        make_folder(home)
    evaluations = []
    for folder, training, home in zip(folders, trainings, homes, strict=True):
        what = f"evaluating seed {training.seed}" if several else "evaluating"
        with Bar(what, len(METHODS) * config.episodes, quiet=quiet) as bar:
            evaluation = evaluate(folder, config, on_episode=bar.show, ray=ray)
        write_steps(home, evaluation)
        write_results(home, results([evaluation]))
        evaluations.append(evaluation)
    found = results(evaluations)
    costs = [evaluation.training.cost for evaluation in evaluations]
    cost = f"c = {costs[0]:g}"
    if len(set(costs)) > 1:  # tuned one by one: their own figures hold each run's cost
        found = [replace(r, cost=sum(costs) / len(costs)) for r in found]
        cost = f"each run at its tuned point: c = {', '.join(f'{c:.3g}' for c in costs)}"
    write_results(out, found)
    plot(found, out / PLOT)
    seeds = ", ".join(str(training.seed) for training in trainings)
    title = f"{played(found[0])}, {cost}, training seed{'s' if several else ''} {seeds}"
    lines = [(r.method, r) for r in found]
    page = write_run_page(out, title, lines, None if several else folders[0])
    print_results(title, "method", lines)
    print(f"figures in {out / RESULTS}, picture in {out / PLOT}, page in {page}")


def _trainings(folders: Sequence[Path], config: EvaluateConfig) -> list[TrainConfig]:
    """The configuration of each run, at the operating point that `londi tune` left there.

    Raises:
        LondiError: if the runs differ in more than their seed and their tuned cost.
    """
    from londi.evaluation.operating_point import load_operating_point
    from londi.evaluation.trainings import read_trainings
    from londi.storage.runs import read_run

    # A universal Switcher plays the cost and budget that it is told, whatever its own are.
    told = [name for name in ("cost", "budget") if getattr(config, name) is not None]
    universal = all(read_run(folder, TrainConfig).universal for folder in folders)
    trained = read_trainings(folders, told if universal else ())
    tuned = [load_operating_point(t, folder) for t, folder in zip(trained, folders, strict=True)]
    budgets = {training.budget for training in tuned}
    if len(budgets) > 1 and config.budget is None:
        shown = ", ".join(map(str, [training.budget for training in tuned]))
        raise LondiError(
            f"several runs: expected one budget, got tuned ones of {shown}; give --budget"
        )
    return tuned


VERB = Verb(
    name="evaluate",
    description="Play held-out episodes with QUICK, DEEPTHINK, the baselines and trained"
    " Switchers. Several runs that differ in their seed only are also summed up together.",
    add_arguments=_arguments,
    run=_run,
    usage="RUN [RUN ...] [OPTION ...]",
    examples=(
        "londi evaluate runs/mine",
        "londi evaluate runs/mine --env londi/BabyAIText-MixedTestLocal-v0 --out runs/test",
        "londi evaluate runs/seed0 runs/seed1 runs/seed2 --out runs/together",
        "londi evaluate runs/universal --cost 0.02 --budget 4 --overwrite",
        "londi evaluate runs/mine --price prices.yaml --overwrite",
    ),
)
