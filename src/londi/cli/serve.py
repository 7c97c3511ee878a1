"""`londi serve`: a gateway with a Switcher in front of two models."""

from __future__ import annotations

from dataclasses import replace

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb
from londi.storage.paths import as_path


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=str, required=True, metavar="FILE", help="YAML file of the settings."
    )
    parser.add_argument(
        "--check", action="store_true", help="Read the settings, say what they mean, and end."
    )


def _run(given: Namespace) -> int:
    from londi.config.serve import BudgetConfig, GatewayConfig
    from londi.config.settings import read_config
    from londi.serve.server import described, serve

    file = as_path(given.config)
    config = read_config(file, GatewayConfig)
    if config.ledger is None and any(budget != BudgetConfig() for budget in config.budgets):
        config = replace(config, ledger=str(file.with_suffix(".ledger.db")))
    if given.check:
        print(described(config))
        return 0
    return serve(config)


VERB = Verb(
    name="serve",
    description="Serve two models of an API at one address, with a Switcher in front of them.",
    add_arguments=_arguments,
    run=_run,
    usage="--config FILE",
    examples=("londi serve --config serve.yaml", "londi serve --config serve.yaml --check"),
)
