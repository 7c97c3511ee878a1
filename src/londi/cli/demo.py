"""`londi demo`: train and compare on the built-in pair, in a few minutes."""

from __future__ import annotations

from dataclasses import replace

from jsonargparse import ArgumentParser, Namespace

from londi.cli.evaluate import evaluate_runs
from londi.cli.options import add_overwrite, add_quiet
from londi.cli.train import train_run
from londi.cli.verb import Verb
from londi.config import EvaluateConfig, TrainConfig
from londi.storage.paths import as_path

# Answers are kept in memory: a demonstration leaves nothing outside its folder.
TRAINING = TrainConfig(cache="memory")
# The account is that of full batches.
EVALUATION = EvaluateConfig(episodes=200, validation_episodes=50, cache="none")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=str, default="runs/demo", metavar="DIR", help="Folder of the run."
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="Seed of the training.")
    add_overwrite(parser)
    add_quiet(parser)


def _run(given: Namespace) -> int:
    folder = as_path(given.out)
    config = replace(TRAINING, seed=given.seed)
    code = train_run(config, folder, overwrite=given.overwrite, quiet=given.quiet)
    if code == 0:
        evaluate_runs([folder], folder, EVALUATION, given.overwrite, given.quiet)
    return code


VERB = Verb(
    name="demo",
    description="Train and compare on the built-in pair, in a few minutes.",
    add_arguments=_arguments,
    run=_run,
    examples=("londi demo --out runs/demo",),
)
