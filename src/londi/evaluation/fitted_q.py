"""Fitted Q evaluation: the outcomes to come of either choice, regressed on logged observations.

Le, Voloshin & Yue 2019 (arXiv 1903.08738), algorithm 3, with ridge regression, and fitted for each
session on others (cross-fitting, Chernozhukov et al. 2018, arXiv 1608.00060), so that an error of
the fit is independent of the session that it is used for. This file knows no importance weight.

Shapes: T steps of whole sessions, observations of D numbers, K outcomes.
"""

from __future__ import annotations

import numpy as np

from londi.evaluation.importance import Sessions
from londi.types import Array

PENALTY = 1.0
"""Ridge on standardised columns: a column is worth what one more step would say against it."""


def fitted_q(
    sessions: Sessions,
    observation: Array,
    choice: Array,
    call_probability: Array,
    outcome: Array,
    gamma: float,
    folds: int,
    rng: np.random.Generator,
    penalty: float = PENALTY,
) -> Array:
    """Outcomes to come `[T, 2, K]` of QUICK and DEEPTHINK, then of the evaluated policy.

    A session's end ends its sums, whether the task ended there or a limit did.

    Args:
        sessions: the places of the steps.
        observation: [T, D].
        choice: [T], g.
        call_probability: [T], P(g = 1) of the evaluated policy.
        outcome: [T, K], of each step.
        gamma: discount of a step.
        folds: parts of the sessions; each part's numbers are fitted on the other parts.
        rng: draws the parts.
        penalty: of the regression.
    """
    out = np.empty((len(choice), 2, outcome.shape[1]))
    part = rng.permutation(sessions.count) % folds
    for k in range(folds):
        held = part[sessions.row] == k
        seen = ~held
        columns = _Columns(observation[seen])
        weights = _fit(
            columns.of(observation[seen]),
            Sessions.of(sessions.column[seen] == 0),
            choice[seen],
            call_probability[seen],
            outcome[seen],
            gamma,
            penalty,
        )
        out[held] = weights.predict(columns.of(observation[held]))
    return out


def policy_value(q: Array, call_probability: Array) -> Array:
    """V `[T, K]` = E_g[Q(s, g)], from Q `[T, 2, K]` and P(g = 1) `[T]`."""
    p = call_probability[:, None]
    out: Array = (1 - p) * q[:, 0] + p * q[:, 1]
    return out


class _Columns:
    """Standardised columns of observations and a constant; those that never vary are left out."""

    def __init__(self, observation: Array) -> None:
        observation = observation.astype(float)
        self._mean, scale = observation.mean(0), observation.std(0)
        self._kept = scale > 1e-8
        self._scale = scale[self._kept]

    def of(self, observation: Array) -> Array:
        """[B, M], of observations `[B, D]`."""
        centred = (observation.astype(float) - self._mean)[:, self._kept] / self._scale
        return np.concatenate([np.ones((len(centred), 1)), centred], axis=1)


class _Linear:
    """Q(s, g) = x'u + g x'v, held between bounds.

    Args:
        weights: [2 M, K], u above v.
        bounds: [2, K], the least and the most.
    """

    def __init__(self, weights: Array, bounds: Array) -> None:
        self._quick, self._more = np.split(weights, 2)
        self._bounds = bounds

    def predict(self, x: Array) -> Array:
        """[B, 2, K], of columns `[B, M]`."""
        quick = x @ self._quick
        out: Array = np.clip(np.stack([quick, quick + x @ self._more], 1), *self._bounds)
        return out


def _fit(
    x: Array,
    sessions: Sessions,
    choice: Array,
    call_probability: Array,
    outcome: Array,
    gamma: float,
    penalty: float,
) -> _Linear:
    """Regress r + gamma V(next) on the columns, as often as the longest session has steps."""
    last = np.append(sessions.column[1:] == 0, True)
    phi = np.concatenate([x, choice[:, None] * x], axis=1)
    ridge = np.full(phi.shape[1], penalty)
    ridge[[0, x.shape[1]]] = 1e-6 * penalty  # the constant, and that of a call
    inverse = np.linalg.inv(phi.T @ phi + np.diag(ridge))
    to_come = outcome.astype(float)
    for _ in range(sessions.horizon - 1):  # the sums of longer and longer ends of sessions
        to_come = outcome + gamma * np.where(last[:, None], 0.0, np.roll(to_come, -1, axis=0))
    # No expected sum lies outside of the sums that were logged.
    bounds = np.stack([to_come.min(0), to_come.max(0)])
    value = np.zeros(outcome.shape)
    for _ in range(sessions.horizon):
        after = np.where(last[:, None], 0.0, np.roll(value, -1, axis=0))
        fitted = _Linear(inverse @ (phi.T @ (outcome + gamma * after)), bounds)
        before, value = value, policy_value(fitted.predict(x), call_probability)
        if np.allclose(before, value, rtol=1e-6, atol=1e-9):
            break
    return fitted
