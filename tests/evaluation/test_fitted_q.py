"""Fitted Q evaluation on problems whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from finite_logs import at_logged, simulated
from londi.evaluation.fitted_q import fitted_q, policy_value
from londi.evaluation.importance import Sessions
from londi.oracle.mdp import expected_sum, random_mdp

MDP = random_mdp(6, np.random.default_rng(3), acyclic=True)
POLICY = np.array([0.9, 0.2, 0.7, 0.4, 0.6, 0.0])


@pytest.mark.parametrize("gamma", [1.0, 0.8])
def test_a_large_log_of_a_finite_problem_gives_its_values(gamma: float) -> None:
    log = simulated(MDP, 20_000, np.full(6, 0.5), np.random.default_rng(0), noise=0.0)
    calls = log.choice[:, None].astype(float)
    outcome = np.concatenate([log.reward[:, None], calls], axis=1)
    call = at_logged(log, POLICY)
    sessions = Sessions.of(log.begins)
    rng = np.random.default_rng(0)
    q = fitted_q(sessions, log.observation, log.choice, call, outcome, gamma, 2, rng)
    value = policy_value(q, call)
    rewards = np.stack([MDP.quick_R, MDP.deepthink_R], 1)
    for k, steps in enumerate((rewards, np.array([[0.0, 1.0]] * 6))):
        true = expected_sum(MDP, POLICY, steps, gamma)
        after = np.stack([MDP.quick_P @ true, MDP.deepthink_P @ true], 1)
        at = log.observation.argmax(1)
        np.testing.assert_allclose(q[:, :, k], (steps + gamma * after)[at], atol=0.05)
        np.testing.assert_allclose(value[:, k], true[at], atol=0.05)


def test_a_session_is_valued_by_a_fit_on_others() -> None:
    # One session alone has a reward: its own numbers must not show it, the others' do.
    n = 20
    sessions = Sessions.of(np.ones(n, bool))
    outcome = np.zeros((n, 1))
    outcome[7] = 100.0
    seen, choice, call = np.zeros((n, 1)), np.arange(n) % 2, np.full(n, 0.5)
    rng = np.random.default_rng(0)
    q = fitted_q(sessions, seen, choice, call, outcome, 1.0, 2, rng)
    assert q[7] == pytest.approx(np.zeros((2, 1)))
    assert (q[:, 1] > 1).sum() == n / 2
