"""`londi train`: train a Switcher between two language models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from londi.cli.interrupt import Interrupt, interrupted
from londi.cli.options import add_ray, add_run, add_settings, ray_of, run_of
from londi.cli.verb import Verb, warn
from londi.config import TrainConfig
from londi.config.ray import RayConfig
from londi.config.train import R_LEARNER
from londi.errors import InvalidConfig

GROUPS = {
    "what matters first": (
        "env",
        "quick",
        "deepthink",
        "cost",
        "budget",
        "universal",
        "steps",
        "seed",
        "device",
    ),
    "models": (
        "env_options",
        "encoder",
        "choose",
        "backend",
        "dtype",
        "deepthink_dtype",
        "lm_batch_size",
        "threads",
    ),
    "price and budget": ("cost_range", "most_budget", "budget_mode", "overspend_penalty"),
    "learning": (
        "algorithm",
        "num_envs",
        "workers",
        "warmup",
        "exploration",
        "foresight",
        "width",
        "steps_per_update",
        "batch_size",
        "capacity",
        "gamma",
        "critics",
        "tau",
        "actor_tau",
        "learning_rate",
        "alpha",
        "target_entropy",
    ),
    "learning from graphs": ("graphs", "graph_states"),
    "learning from traces": ("traces", "held_out", "passes", "conservatism"),
    "files": ("cache", "replay_folder", "report_every", "checkpoint_every"),
}


def _arguments(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="Write the reports for TensorBoard as well (`pip install 'londi[log]'`).",
    )
    add_settings(parser, TrainConfig, GROUPS)
    add_ray(parser)


def _run(given: Namespace) -> int:
    config, folder = run_of(given, TrainConfig)
    with ray_of(given, config.workers) as ray:
        if ray.ray and config.gathers:
            raise InvalidConfig("ray: expected a training that plays as it learns")
        return _training(config, ray)(
            config,
            folder,
            resume=bool(given.resume),
            overwrite=given.overwrite,
            quiet=given.quiet,
            tensorboard=given.tensorboard,
        )


def _training(config: TrainConfig, ray: RayConfig) -> Callable[..., int]:
    if config.traces:
        return train_traces
    return train_ahead if config.gathers else partial(train_run, ray=ray)


def train_run(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
    ray: RayConfig | None = None,
) -> int:
    """Train, show the progress, draw the training curve; the exit code.

    Raises:
        LondiError: if the run cannot be made.
    """
    from contextlib import nullcontext

    from londi.learning.diagnostics import Diagnosis, diagnose
    from londi.learning.statistics import Progress, read_progress
    from londi.learning.trainer import train
    from londi.reports.progress import Bar
    from londi.reports.run import write_run_page
    from londi.reports.tensorboard import TensorBoardLog
    from londi.reports.training import TRAINING, plot_training

    log = TensorBoardLog(folder / "tensorboard") if tensorboard else nullcontext()
    waiting = f"loading models and playing the first {config.report_every} steps"
    begun = _begun(folder, resume)
    with (
        Interrupt() as asked,
        Bar("training", config.steps, begun=begun, waiting=waiting, quiet=quiet) as bar,
        log as written,
    ):

        def report(progress: Progress) -> None:
            bar(progress)
            if written is not None:
                written(progress)

        def diagnosed(found: Diagnosis) -> None:
            if not quiet:
                warn(f"at {bar.done} steps, {found}")

        done = train(
            config,
            folder,
            resume=resume,
            overwrite=overwrite,
            on_progress=report,
            on_diagnosis=diagnosed,
            on_warning=warn,
            should_stop=asked,
            ray=ray,
        )
    if not done:
        return interrupted("train", folder)
    reports = read_progress(folder)
    plot_training(reports, folder / TRAINING)
    title = f"{config.env}, {config.steps:,} steps, training seed {config.seed}"
    page = write_run_page(folder, title, run=folder)
    print(f"trained Switcher in {folder}, its training curve in {page}")
    for found in diagnose(config, reports):
        warn(f"at the end of the training, {found}")
    return 0


def train_traces(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
) -> int:
    """Train on traces, show the progress; the exit code.

    Raises:
        LondiError: if nothing can be learned from them, or the run cannot be made.
    """
    from londi.learning.diagnostics import one_choice
    from londi.learning.statistics import read_progress
    from londi.reports.progress import Bar, told_of_fits, told_of_log
    from londi.serve.training import TrainedOn, train_on_traces

    if tensorboard:
        raise InvalidConfig("tensorboard: expected a training that plays; this one reads traces")
    begun = _begun(folder, resume)

    def told(log: TrainedOn) -> None:
        if quiet:
            return
        print(
            f"{len(log.sessions):,} sessions to learn from, {log.held_out:,} held out;"
            f" {log.steps:,} steps, DEEPTHINK at {log.call_rate:.0%}, reward {log.reward:.3f}"
        )
        for reason, count in log.left_out.items():
            print(f"{count:,} sessions are left out: {reason}")
        for sentence in log.cannot_tell:
            warn(sentence)

    words = told_of_fits if config.algorithm == R_LEARNER else told_of_log
    with (
        Interrupt() as asked,
        Bar("training", begun=begun, waiting="reading traces", words=words, quiet=quiet) as bar,
    ):
        done = train_on_traces(
            config,
            folder,
            resume=resume,
            overwrite=overwrite,
            on_log=told,
            on_progress=bar,
            should_stop=asked,
        )
    if not done:
        return interrupted("train", folder)
    if said := one_choice(read_progress(folder)[-1].call_probability):
        warn(said)
    print(f"trained Switcher in {folder}")
    print(f"estimate it: londi ope {config.traces} --switcher {folder} --out {folder}-ope")
    return 0


def train_ahead(
    config: TrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
) -> int:
    """Explore graphs or play coin tosses, train on them, show the progress; the exit code.

    Raises:
        LondiError: if the run cannot be made.
    """
    from londi.cli.bars import Stages
    from londi.learning.statistics import Progress
    from londi.planning.training import find_training
    from londi.reports.progress import told_of_fits, told_of_graphs

    if tensorboard:
        raise InvalidConfig("tensorboard: expected a training that learns while it plays")
    begun = _begun(folder, resume)
    first, total = ("exploring", config.graphs) if config.graphs else ("playing", config.steps)
    words = told_of_graphs if config.graphs else told_of_fits
    with Interrupt() as asked, Stages(first, total, quiet=quiet) as stages:

        def learned(progress: Progress) -> None:
            stages.bar("training", begun=begun, words=words)(progress)

        done = find_training(config)(
            config,
            folder,
            resume=resume,
            overwrite=overwrite,
            on_gathered=stages.bar(first).show,
            on_progress=learned,
            should_stop=asked,
        )
    if not done:
        return interrupted("train", folder)
    print(f"trained Switcher in {folder}")
    return 0


def _begun(folder: Path, resume: bool) -> int:
    """Steps that an earlier process has reported of the run in `folder`."""
    from londi.learning.statistics import read_progress

    before = read_progress(folder) if resume else []
    return before[-1].step if before else 0


VERB = Verb(
    name="train",
    description="Train a Switcher between two language models.",
    add_arguments=_arguments,
    run=_run,
    usage="--out DIR [OPTION ...]",
    examples=(
        "londi train --out runs/mine --cost 0.01",
        "londi train --out runs/capped --budget 4",
        "londi train --out runs/universal --universal --seed 1",
        "londi train --out runs/paper --config configs/paper/babyai.yaml",
        "londi train --graphs 2000 --out runs/graphs",
        "londi train --traces traces.db --out runs/traced",
        "londi train --resume runs/mine",
    ),
)
