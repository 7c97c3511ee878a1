"""`londi ope`: estimate from traces what a Switcher would return and save."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.options import add_overwrite, add_settings, config_of
from londi.cli.verb import Verb, warn
from londi.config import OpeConfig
from londi.storage.paths import as_path

REFUSED = 1
"""Exit code where the traces cannot answer."""


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("traces", type=str, metavar="TRACES", help="File of traces.")
    parser.add_argument(
        "--switcher",
        type=str,
        required=True,
        metavar="RUN",
        help="Folder of `londi train --traces`, or a file of `londi export`.",
    )
    parser.add_argument(
        "--out", type=str, required=True, metavar="DIR", help="Folder of estimate.json."
    )
    add_overwrite(parser)
    add_settings(parser, OpeConfig)


def _run(given: Namespace) -> int:
    from londi.cli.display import print_estimate
    from londi.serve.estimates import ESTIMATE, write_estimate
    from londi.serve.estimating import estimate_traces
    from londi.storage.runs import create_run, is_free

    config, folder = config_of(given, OpeConfig), as_path(given.out)
    is_free(folder, OpeConfig, given.overwrite)
    found = estimate_traces(as_path(given.traces), as_path(given.switcher), config)
    create_run(folder, config, given.overwrite)
    write_estimate(folder, found)
    if found.refused:
        warn(f"no estimate: {found.refused.message}")
        return REFUSED
    print_estimate(found)
    print(f"figures in {folder / ESTIMATE}")
    return 0


VERB = Verb(
    name="ope",
    description="Estimate from traces what a Switcher would return and save.",
    add_arguments=_arguments,
    run=_run,
    usage="TRACES --switcher RUN --out DIR [OPTION ...]",
    examples=(
        "londi ope traces.db --switcher runs/traced --out runs/estimate",
        "londi ope traces.db --switcher switcher.onnx --out runs/estimate --cost 0.01",
    ),
)
