"""Settings of a comparison."""

from __future__ import annotations

import pytest

from londi.baselines.registry import BASELINES
from londi.config import METHODS, FrontierConfig
from londi.errors import UnknownName


def test_the_methods_are_the_baselines_that_there_are() -> None:
    assert tuple(BASELINES) == METHODS
    # Those of other libraries are asked for by name.
    assert FrontierConfig(runs=["a"]).methods == list(METHODS[:-3])


def test_baselines_are_known_ones_or_a_module_and_a_name() -> None:
    methods = ["random", "mine:Rule"]
    assert FrontierConfig(runs=["a"], methods=methods).methods == methods
    with pytest.raises(UnknownName, match="unknown method 'randm'; did you mean 'random'"):
        FrontierConfig(runs=["a"], methods=["randm"])
