"""The exact solutions have the properties that the paper proves for the switching problem."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.oracle.mdp import (
    FiniteSwitching,
    bellman,
    continuation,
    evaluate_policy,
    expected_sum,
    intervention,
    q_learning,
    random_mdp,
    solve,
    solve_budgeted,
)

problems = st.builds(
    lambda seed, states, gamma, acyclic: random_mdp(
        states, np.random.default_rng(seed), gamma, acyclic=acyclic
    ),
    st.integers(0, 10_000),
    st.integers(2, 8),
    st.floats(0.0, 0.98),
    st.booleans(),
)
costs = st.floats(0.0, 2.0)
examples = settings(deadline=None, max_examples=60)


def chain() -> FiniteSwitching:
    """Start, middle, end: DEEPTHINK always moves on, for a reward of 1 in the middle; QUICK
    stays where it is and earns nothing."""
    onwards = np.array([[0.0, 1, 0], [0, 0, 1], [0, 0, 1]])
    return FiniteSwitching(np.eye(3), np.zeros(3), onwards, np.array([0.0, 1, 0]), 0.5)


def test_a_chain_worked_by_hand() -> None:
    # From the middle a call is worth 1 - c, from the start -c + (1 - c) / 2.
    solution = solve(chain(), 0.2)
    np.testing.assert_allclose(solution.value, [0.2, 0.8, 0.0])
    assert solution.choice.tolist() == [True, True, False]
    dear = solve(chain(), 0.4)  # -0.4 + 0.6 / 2 < 0: not worth starting
    np.testing.assert_allclose(dear.value, [0.0, 0.6, 0.0])
    assert dear.choice.tolist() == [False, True, False]


def test_a_budgeted_chain_worked_by_hand() -> None:
    solution = solve_budgeted(chain(), 0.2, 2)
    # One call gets from the start to the middle only, which pays nothing.
    np.testing.assert_allclose(solution.value, [[0, 0, 0], [0, 0.8, 0], [0.2, 0.8, 0]])
    assert solution.choice.tolist() == [[False] * 3, [False, True, False], [True, True, False]]


def test_a_tie_goes_to_quick() -> None:
    assert not solve(chain(), 1.0).choice.any()


def test_expected_sums_of_a_policy_that_draws_worked_by_hand() -> None:
    # In the chain a call with p = 1/2 takes two tries on average in each of two states.
    half, calls = np.full(3, 0.5), np.array([[0.0, 1.0]] * 3)
    np.testing.assert_allclose(expected_sum(chain(), half, calls, 1.0), [2, 1, 0])
    # v = gamma v / 2 + 1/2 in the middle; gamma / 2 (v + start) before it.
    middle = 0.5 / (1 - 0.45)
    rewards = np.array([[0.0, 0], [0, 1], [0, 0]])
    start = 0.45 * middle / (1 - 0.45)
    np.testing.assert_allclose(expected_sum(chain(), half, rewards, 0.9), [start, middle, 0])


@examples
@given(mdp=problems, cost=costs, seed=st.integers(0, 1000))
def test_t_contracts_at_rate_gamma(mdp: FiniteSwitching, cost: float, seed: int) -> None:
    v, w = np.random.default_rng(seed).normal(0, 5, (2, mdp.states))
    before = np.abs(v - w).max()
    after = np.abs(bellman(mdp, v, cost) - bellman(mdp, w, cost)).max()
    assert after <= mdp.gamma * before + 1e-12


@examples
@given(mdp=problems, cost=costs)
def test_the_solution_is_the_fixed_point(mdp: FiniteSwitching, cost: float) -> None:
    solution = solve(mdp, cost)
    v = solution.value
    np.testing.assert_allclose(bellman(mdp, v, cost), v, atol=1e-9)
    np.testing.assert_allclose(evaluate_policy(mdp, solution.choice, cost), v, atol=1e-7)
    gain = intervention(mdp, v, cost) - continuation(mdp, v)
    clear = np.abs(gain) > 1e-9
    assert (solution.choice == (gain > 0))[clear].all()


@examples
@given(mdp=problems, cost=costs)
def test_repeating_t_reaches_the_solution(mdp: FiniteSwitching, cost: float) -> None:
    v = np.zeros(mdp.states)
    far = np.abs(solve(mdp, cost).value).max()
    for _ in range(50):
        v = bellman(mdp, v, cost)
    assert np.abs(v - solve(mdp, cost).value).max() <= mdp.gamma**50 * far + 1e-9


@examples
@given(mdp=problems, cost=costs, seed=st.integers(0, 1000))
def test_no_other_switcher_does_better(mdp: FiniteSwitching, cost: float, seed: int) -> None:
    other = np.random.default_rng(seed).random(mdp.states) < 0.5
    assert (evaluate_policy(mdp, other, cost) <= solve(mdp, cost).value + 1e-8).all()


@examples
@given(mdp=problems, cost=costs, more=costs)
def test_value_does_not_rise_with_cost(mdp: FiniteSwitching, cost: float, more: float) -> None:
    assert (solve(mdp, cost + more).value <= solve(mdp, cost).value + 1e-8).all()


@examples
@given(mdp=problems, cost=costs)
def test_value_does_not_fall_with_budget(mdp: FiniteSwitching, cost: float) -> None:
    solution = solve_budgeted(mdp, cost, 5)
    assert (np.diff(solution.value, axis=0) >= -1e-8).all()
    assert (solution.value[-1] <= solve(mdp, cost).value + 1e-8).all()


@examples
@given(mdp=problems)
def test_endless_cost_gives_always_quick(mdp: FiniteSwitching) -> None:
    quick = evaluate_policy(mdp, np.zeros(mdp.states, bool), 0.0)
    for cost in (1e6, inf):
        solution = solve(mdp, cost)
        assert not solution.choice.any()
        np.testing.assert_array_equal(solution.value, quick)


@examples
@given(mdp=problems, gain=st.floats(0.01, 1.0))
def test_free_and_dominant_deepthink_is_always_called(mdp: FiniteSwitching, gain: float) -> None:
    better = np.where(mdp.terminal, 0.0, mdp.quick_R + gain)
    dominant = replace(mdp, deepthink_P=mdp.quick_P, deepthink_R=better)
    assert (solve(dominant, 0.0).choice == ~mdp.terminal).all()


@examples
@given(seed=st.integers(0, 10_000), states=st.integers(2, 8), cost=costs)
def test_a_budget_of_the_horizon_is_no_limit(seed: int, states: int, cost: float) -> None:
    mdp = random_mdp(states, np.random.default_rng(seed), acyclic=True)
    horizon = states - 1
    free, limited = solve(mdp, cost), solve_budgeted(mdp, cost, horizon)
    np.testing.assert_allclose(limited.value[horizon], free.value, atol=1e-9)
    assert (limited.choice[horizon] == free.choice).all()


@examples
@given(mdp=problems, budget=st.integers(0, 4), seed=st.integers(0, 1000))
def test_the_mask_keeps_the_budget_on_every_path(
    mdp: FiniteSwitching, budget: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    choice = solve_budgeted(mdp, 0.0, budget).choice
    assert not choice[0].any()
    state, left = rng.integers(mdp.states, size=20), np.full(20, budget)
    for _ in range(15):
        g = choice[left, state].astype(np.int64)
        _, state, _ = mdp.step(state, g, rng)
        left = left - g
        assert (left >= 0).all()


def test_budgeted_values_are_what_play_returns() -> None:
    mdp, cost, budget, n = random_mdp(5, np.random.default_rng(3), 0.8), 0.1, 2, 20_000
    solution = solve_budgeted(mdp, cost, budget)
    rng = np.random.default_rng(0)
    state, left, total = np.zeros(n, np.int64), np.full(n, budget), np.zeros(n)
    for t in range(60):
        g = solution.choice[left, state].astype(np.int64)
        reward, state, _ = mdp.step(state, g, rng)
        total += mdp.gamma**t * (reward - cost * g)
        left = left - g
    assert abs(total.mean() - solution.value[budget, 0]) < 5 * total.std() / n**0.5


def test_steps_follow_the_matrices() -> None:
    mdp, n = random_mdp(4, np.random.default_rng(0)), 40_000
    for g, P, R in ((0, mdp.quick_P, mdp.quick_R), (1, mdp.deepthink_P, mdp.deepthink_R)):
        reward, after, ended = mdp.step(np.full(n, 1), np.full(n, g), np.random.default_rng(g))
        np.testing.assert_allclose(np.bincount(after, minlength=4) / n, P[1], atol=0.01)
        assert (reward == R[1]).all() and (ended == mdp.terminal[after]).all()


def test_q_learning_approaches_the_solution() -> None:
    mdp = random_mdp(5, np.random.default_rng(1), gamma=0.8)
    exact = solve(mdp, 0.2)
    q = q_learning(mdp, 0.2, 40_000, np.random.default_rng(0))
    np.testing.assert_allclose(q.max(1), exact.value, atol=0.05)
    assert ((q[:, 1] > q[:, 0]) == exact.choice).all()
    assert 0 < exact.choice.sum() < 4  # a problem in which both models have their place


def test_what_is_no_problem_is_refused() -> None:
    good = chain()
    for wrong in (
        {"quick_R": np.zeros(2)},
        {"deepthink_P": np.zeros((3, 3))},
        {"quick_P": np.array([[2.0, -1, 0], [0, 1, 0], [0, 0, 1]])},
        {"gamma": 1.0},
    ):
        with pytest.raises(ValueError):
            replace(good, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="budget"):
        solve_budgeted(good, 0.1, -1)
    with pytest.raises(ValueError, match="terminals"):
        random_mdp(3, np.random.default_rng(0), terminals=0, acyclic=True)
