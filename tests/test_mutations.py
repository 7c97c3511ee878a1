"""The breaks of benchmarks/mutations.py: each fits the source as it is now."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_mutation_changes_one_place_and_names_tests_that_are_there() -> None:
    spec = importlib.util.spec_from_file_location("mutations", ROOT / "benchmarks/mutations.py")
    assert spec and spec.loader
    mutations = sys.modules["mutations"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutations)
    for mutation in mutations.MUTATIONS:
        source = (ROOT / "src" / "londi" / mutation.file).read_text(encoding="utf-8")
        assert source.count(mutation.old) == 1, mutation.name
        assert all((ROOT / tests).is_file() for tests in mutation.tests), mutation.name
