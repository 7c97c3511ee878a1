"""Exported Switchers that read text alone, made once for all tests of serving, and gateways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from gateways import Gateway, Start
from londi.evaluation.export import export
from londi.learning.trainer import train
from playthings import TOY, UNIVERSAL, toy
from upstream import Upstream


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of a Switcher for one cost, of a universal one, and of one that reads QUICK."""
    folder: Path = tmp_path_factory.mktemp("exported")
    short = {"steps": 400, "warmup": 100, "checkpoint_every": 400}
    configs = {
        "fixed": replace(TOY, encoder="text", **short),  # type: ignore[arg-type]
        "capped": replace(TOY, encoder="text", budget=2, **short),  # type: ignore[arg-type]
        "universal": replace(UNIVERSAL, encoder="text", **short),  # type: ignore[arg-type]
        "of-quick": replace(TOY, encoder="confidence", **short),  # type: ignore[arg-type]
    }
    for name, config in configs.items():
        train(config, folder / name, pair=toy())
        export(folder / name, folder / f"{name}.onnx", pair=toy())
    return {name: str(folder / f"{name}.onnx") for name in configs}


@pytest.fixture
def start(upstream: Upstream, tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway before the upstream of the test; it always calls DEEPTHINK otherwise."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(Gateway(tmp_path, upstream.url, **changes)).url


@pytest.fixture
def web() -> Iterator[httpx2.Client]:
    with httpx2.Client() as client:
        yield client
