"""Logs of finite problems with one-hot observations, and the exact values of policies on them."""

from __future__ import annotations

import numpy as np

from londi.learning.dataset import OfflineDataset
from londi.oracle.mdp import FiniteSwitching, expected_sum
from londi.types import Array


def simulated(
    mdp: FiniteSwitching,
    sessions: int,
    behaviour: Array,
    rng: np.random.Generator,
    noise: float = 0.5,
    limit: int = 1_000,
) -> OfflineDataset:
    """Sessions from state 0; rewards are the expected ones and normal noise.

    Args:
        mdp: the problem.
        sessions: how many.
        behaviour: P(g = 1) by state, `[S]`, or `[sessions, S]` for each session's own.
        rng: generator of everything.
        noise: standard deviation.
        limit: steps after which a session is cut off.
    """
    by_state = np.broadcast_to(behaviour, (sessions, mdp.states))
    state = np.zeros(sessions, int)
    alive = np.arange(sessions)
    parts = []
    for _ in range(limit):
        call = by_state[alive, state]
        choice = (rng.random(len(alive)) < call).astype(int)
        reward, after, ended = mdp.step(state, choice, rng)
        reward = reward + noise * rng.standard_normal(len(alive))
        propensity = np.where(choice == 1, call, 1 - call)
        parts.append(np.stack([alive, state, choice, propensity, reward, after, ended], 1))
        alive, state = alive[~ended], after[~ended]
        if not len(alive):
            break
    rows = np.concatenate(parts)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    shown = np.eye(mdp.states, dtype=np.float32)
    return OfflineDataset(
        episode=rows[:, 0].astype(int),
        observation=shown[rows[:, 1].astype(int)],
        choice=rows[:, 2].astype(int),
        propensity=rows[:, 3],
        reward=rows[:, 4],
        next_observation=shown[rows[:, 5].astype(int)],
        terminated=rows[:, 6] > 0,
        allowed=np.ones((len(rows), 2), bool),
        agreement=np.full(len(rows), np.nan),
    )


def at_logged(log: OfflineDataset, policy: Array) -> Array:
    """P(g = 1) `[T]` at the logged states, of a policy `[S]`."""
    called: Array = policy[log.observation.argmax(1)]
    return called


def exact(mdp: FiniteSwitching, policy: Array, gamma: float = 1.0) -> Array:
    """Expected return and calls of a session from state 0."""
    rewards = np.stack([mdp.quick_R, mdp.deepthink_R], 1)
    calls = np.broadcast_to([0.0, 1.0], rewards.shape)
    return np.array([expected_sum(mdp, policy, o, gamma)[0] for o in (rewards, calls)])
