"""`londi export`: a trained Switcher as one file that needs ONNX Runtime alone."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb
from londi.storage.paths import as_path


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("run", type=str, metavar="RUN", help="Folder of `londi train`.")
    parser.add_argument(
        "--out", type=str, required=True, metavar="FILE", help="File to write, NAME.onnx."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace FILE if it exists.")


def _run(given: Namespace) -> int:
    from londi.evaluation.export import export

    file = as_path(given.out)
    made = export(as_path(given.run), file, overwrite=given.overwrite)
    prices = f"c = {made.cost:g}"
    if made.cost_range and made.most_budget is not None:
        low, high = made.cost_range
        prices = f"any c from {low:g} to {high:g} and up to {made.most_budget} calls, or no budget"
    print(f"{file}: a Switcher for {prices}, in {file.stat().st_size:,} bytes")
    print(f"it reads the features of the encoder {made.encoder!r}; Switcher.load({str(file)!r})")
    return 0


VERB = Verb(
    name="export",
    description="Write a trained Switcher as one file that needs ONNX Runtime alone.",
    add_arguments=_arguments,
    run=_run,
    usage="RUN --out FILE.onnx [OPTION ...]",
    examples=("londi export runs/demo --out switcher.onnx",),
)
