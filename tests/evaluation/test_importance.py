"""Importance sampling and doubly robust estimates: worked by hand, and by another package."""

from __future__ import annotations

import numpy as np
import pytest
from coba.environments.filters import OpeRewards
from coba.primitives import LoggedInteraction

from londi.evaluation.importance import (
    Contributions,
    Sessions,
    bootstrap,
    cumulative_weights,
    direct,
    doubly_robust,
    effective_sample_size,
    per_decision,
    percentile_interval,
)
from londi.types import Array

# Two sessions of two steps and one of a single step.
SESSIONS = Sessions.of(np.array([True, False, True, False, True]))
WEIGHTS = cumulative_weights(SESSIONS, np.array([2.0, 0.5, 0.5, 2.0, 1.0]))
REWARD = SESSIONS.table(np.array([[1.0], [2.0], [0.0], [4.0], [3.0]]))
Q = SESSIONS.table(np.array([[1.5], [1.0], [1.0], [3.0], [2.5]]))
V = SESSIONS.table(np.array([[1.0], [1.0], [2.0], [2.0], [2.0]]))


def test_weights_multiply_along_a_session_and_stay_behind_its_end() -> None:
    assert WEIGHTS.tolist() == [[1, 2, 1], [1, 0.5, 1], [1, 1, 1]]
    assert REWARD[:, :, 0].tolist() == [[1, 2], [0, 4], [3, 0]]


@pytest.mark.parametrize(
    ("gamma", "pdis", "wpdis", "dr", "wdr"),
    [
        # PDIS: 2 + 2 = 4, 0 + 4 = 4, 3. Weighted: 5 / 3.5 after one step, 6 / 3 after two.
        # DR: 1 - 1 + 2 + 1 = 3, 2 - 0.5 + 1 + 1 = 3.5, 2 + 0.5 = 2.5.
        # WDR: 5 / 3, -1 / 3.5 and 3 / 3.5, 2 / 3.
        (1.0, 11 / 3, 10 / 7 + 2, 3.0, 5 / 3 + 2 / 3.5 + 2 / 3),
        # All that belongs to a second step counts half.
        (0.5, 8 / 3, 10 / 7 + 1, 6.5 / 3, 5 / 3 + 0.5 / 3.5 + 1 / 3),
    ],
)
def test_three_sessions_by_hand(
    gamma: float, pdis: float, wpdis: float, dr: float, wdr: float
) -> None:
    importance = per_decision(WEIGHTS, REWARD, gamma)
    robust = doubly_robust(WEIGHTS, REWARD, Q, V, gamma)
    assert importance.unnormalised().estimate() == pytest.approx([pdis])
    assert importance.estimate() == pytest.approx([wpdis])
    assert robust.unnormalised().estimate() == pytest.approx([dr])
    assert robust.estimate() == pytest.approx([wdr])
    assert direct(V[:, 0]).estimate() == pytest.approx([5 / 3])


def test_without_q_the_doubly_robust_forms_are_importance_sampling() -> None:
    nothing = np.zeros_like(REWARD)
    robust = doubly_robust(WEIGHTS, REWARD, nothing, nothing, 0.9)
    importance = per_decision(WEIGHTS, REWARD, 0.9)
    assert robust.estimate() == pytest.approx(importance.estimate())


def coba_ips(choice: Array, reward: Array, propensity: Array, call: Array) -> float:
    """The mean over one-step sessions by coba's importance-weighted rewards."""
    logged = [
        LoggedInteraction((), int(g), float(r), probability=float(p), actions=[0, 1])
        for g, r, p in zip(choice, reward, propensity, strict=True)
    ]
    rewards = [seen["rewards"] for seen in OpeRewards("IPS").filter(logged)]
    pairs = zip(rewards, call, strict=True)
    return float(np.mean([(1 - p) * found(0) + p * found(1) for found, p in pairs]))


def test_one_step_sessions_are_valued_as_coba_does() -> None:
    rng = np.random.default_rng(0)
    n = 50
    logged, call = rng.uniform(0.2, 0.8, n), rng.random(n)
    choice = (rng.random(n) < logged).astype(int)
    propensity = np.where(choice == 1, logged, 1 - logged)
    reward, q = rng.normal(size=n), rng.normal(size=(n, 2))
    sessions = Sessions.of(np.ones(n, bool))
    weights = cumulative_weights(sessions, np.where(choice == 1, call, 1 - call) / propensity)
    table = reward[:, None, None]
    importance = per_decision(weights, table, 1.0)
    ips = coba_ips(choice, reward, propensity, call)
    assert importance.unnormalised().estimate() == pytest.approx([ips])
    snips = ips / coba_ips(choice, np.ones(n), propensity, call)
    assert importance.estimate() == pytest.approx([snips])

    q_chosen = q[np.arange(n), choice]
    value = (1 - call) * q[:, 0] + call * q[:, 1]
    robust = doubly_robust(weights, table, q_chosen[:, None, None], value[:, None, None], 1.0)
    dr = value.mean() + coba_ips(choice, reward - q_chosen, propensity, call)
    assert robust.unnormalised().estimate() == pytest.approx([dr])


def test_effective_sizes() -> None:
    assert effective_sample_size(np.ones((7, 2))).tolist() == [7, 7]
    assert effective_sample_size(np.array([3.0, 1.0, 0.0])) == pytest.approx(16 / 10)
    assert effective_sample_size(np.zeros(3)) == 0


def test_resampled_estimates_are_those_of_the_sessions_drawn() -> None:
    # Two sessions with weights 1 and 3: drawn (2, 0), (1, 1), (0, 2) with 1/4, 1/2, 1/4.
    part = Contributions(np.array([[[1.0]], [[0.0]]]), np.array([[1.0], [3.0]]))
    drawn = bootstrap([part], np.random.default_rng(0), 4_000)[0][:, 0]
    values, counts = np.unique(drawn, return_counts=True)
    assert values == pytest.approx([0, 0.25, 1])
    assert counts / 4_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_resampled_estimates_spread_as_independent_ones() -> None:
    values = np.random.default_rng(1).normal(size=(400, 1))
    (drawn,) = bootstrap([direct(values)], np.random.default_rng(2), 2_000)
    assert drawn.std() == pytest.approx(values.std() / 20, rel=0.06)


def test_an_interval_is_the_middle_share_and_wider_for_few_sessions() -> None:
    draws = np.arange(1001.0)
    assert percentile_interval(draws, 1e9, 0.9) == pytest.approx((50, 950), abs=0.1)
    # Student's 0.975 quantile at 9 degrees of freedom is 2.262; times sqrt(10 / 9) it is 2.385,
    # above which the normal distribution has 0.00855.
    assert percentile_interval(draws, 10) == pytest.approx((8.55, 991.45), abs=0.2)
