"""Policies by name: exported Switchers that read text, and rules."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from londi.errors import InvalidConfig, LondiError
from londi.serve.core.policy import load_policy
from londi.types import CostBudget


@pytest.mark.parametrize(
    ("spec", "share"), [("always-quick", 0.0), ("always-deepthink", 1.0), ("random:0.3", 0.3)]
)
def test_a_rule_calls_at_its_rate(spec: str, share: float) -> None:
    policy = load_policy(spec)
    row = np.zeros((1, policy.layout.observed), np.float32)
    assert policy.switcher.call_probability(row, np.ones((1, 2), bool)) == [share]
    assert policy.shown(CostBudget(0.3, 7)) == CostBudget(0.3, 7)
    assert policy.version == spec


@pytest.mark.parametrize("spec", ["random:", "random:2", "random:-1", "random:nan", "random:x"])
def test_a_bad_rate_is_refused(spec: str) -> None:
    with pytest.raises(InvalidConfig, match=r"switcher: expected random:P with P from 0 to 1, got"):
        load_policy(spec)


def test_an_exported_switcher_decides(exported: dict[str, str]) -> None:
    policy = load_policy(exported["universal"])
    row = np.zeros((1, policy.layout.observed), np.float32)
    (call,) = policy.switcher.call_probability(row, np.ones((1, 2), bool))
    assert 0 < call < 1
    assert policy.encoder.spec == "text" and len(policy.version) == 16
    assert policy.version != load_policy(exported["fixed"]).version


def test_costs_and_budgets_are_shown_within_the_range(exported: dict[str, str]) -> None:
    policy = load_policy(exported["universal"])  # costs 0.02 to 0.8, budgets to 3
    assert policy.shown(CostBudget(0.5, 2)) == CostBudget(0.5, 2)
    assert policy.shown(CostBudget(0.0, 9)) == CostBudget(0.02, 3)
    assert policy.shown(CostBudget(7.0, inf)) == CostBudget(0.8, inf)
    policy.check_cost(0.5)
    with pytest.raises(InvalidConfig, match="cost: expected one that the Switcher was trained for"):
        policy.check_cost(0.9)


def test_one_for_a_single_cost_is_shown_that(exported: dict[str, str]) -> None:
    fixed, capped = load_policy(exported["fixed"]), load_policy(exported["capped"])
    assert fixed.shown(CostBudget(0.4, 2)) == CostBudget(0.1, inf)
    assert capped.shown(CostBudget(0.4, 9)) == CostBudget(0.1, 2)
    assert capped.shown(CostBudget(0.4, 1)) == CostBudget(0.1, 1)
    fixed.check_cost(0.1)
    with pytest.raises(InvalidConfig, match=r"cost: expected 0\.1, for which the Switcher was"):
        fixed.check_cost(0.2)


def test_what_does_not_fit_is_refused(exported: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match=r"encoder 'confidence', which reads one of its two"):
        load_policy(exported["of-quick"])
    with pytest.raises(InvalidConfig, match="switcher: expected a file of `londi export`, always"):
        load_policy("runs/mine")
    with pytest.raises(LondiError, match=r"cannot read 'nowhere\.onnx'"):
        load_policy("nowhere.onnx")
