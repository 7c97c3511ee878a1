"""The small records that pass between the parts."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from londi.types import CostBudget, Reply, Step, Usage, renamed


def test_work_adds_up() -> None:
    one = Usage(1, 20, 0.5, 1e9, 3.0, 0.25, 2, 8, 4)
    total = one + Usage(2, 30, 0.25, 2e9, 4.0, 0.125, 3, 5, 6)
    assert total == Usage(
        calls=3,
        tokens=50,
        seconds=0.75,
        flops=3e9,
        joules=7.0,
        cpu_seconds=0.375,
        output_tokens=5,
        cached_tokens=13,
        cache_write_tokens=10,
    )
    assert total + Usage() == total


STEP = Step(
    episode=7,
    t=0,
    choice=1,
    action="left",
    quick_action=None,
    deepthink_action="left",
    reward=0.0,
    terminated=False,
    truncated=False,
    success=False,
    remaining=2.0,
    overspent=False,
    quick=Usage(),
    deepthink=Usage(1),
)


@pytest.mark.parametrize(
    ("terminated", "truncated", "ended"),
    [(False, False, False), (True, False, True), (False, True, True), (True, True, True)],
)
def test_a_step_ends_an_episode_either_way(terminated: bool, truncated: bool, ended: bool) -> None:
    assert replace(STEP, terminated=terminated, truncated=truncated).ended is ended


def test_a_call_takes_one_from_the_budget_and_leaves_the_cost() -> None:
    left = CostBudget(0.1, 2.0)
    assert left.after(1) == CostBudget(0.1, 1.0)
    assert left.after(0) == left
    assert CostBudget(0.1, inf).after(1) == CostBudget(0.1, inf)


def test_replies_are_compared_without_their_embedding() -> None:
    """Numbers that rounding may change, and that no choice of words depends on."""
    plain = Reply("left", -0.1, 0.9, Usage(1))
    assert plain == replace(plain, embedding=np.ones(3, np.float32))
    assert plain != replace(plain, logprob=-0.2)
    assert "embedding" not in repr(plain)


def test_names_of_release_0_1_are_read_as_those_of_today() -> None:
    row = {"mapped": 2, "lost": True, "total": 0.5}
    assert renamed(row) == {"substituted_actions": 2, "aborted": True, "total": 0.5}
    assert renamed({"aborted": False}) == {"aborted": False}
    assert row == {"mapped": 2, "lost": True, "total": 0.5}
