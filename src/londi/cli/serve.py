"""`londi serve`: a gateway with a Switcher in front of two models."""

from __future__ import annotations

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
    from londi.config.serve import GatewayConfig
    from londi.config.settings import read_config
    from londi.serve.server import described, serve

    config = read_config(as_path(given.config), GatewayConfig)
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
