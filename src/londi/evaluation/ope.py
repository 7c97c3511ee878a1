"""Off-policy evaluation: what a Switcher would return and call, from logged sessions alone.

This file knows which estimator is reported and when there is none. It knows neither how steps were
logged nor any Switcher: a policy is its call probability at each logged step.

A policy with a budget needs no further argument: the calls left at a logged step follow from the
choices logged before it. Relabel the observations (n less the calls before in the session), take
0 for the probability where none is left, and hand in the log with these observations.

Shapes: T logged steps, N sessions, K outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from londi.evaluation.fitted_q import fitted_q, policy_value
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
from londi.evaluation.refusals import (
    Outcome,
    Refusal,
    call_propensity,
    refuse_log,
    refuse_weights,
)
from londi.types import Array

if TYPE_CHECKING:
    from londi.learning.dataset import OfflineDataset

Method = Literal["logged", "pdis", "wpdis", "fqe", "dr", "wdr"]
REPORTED: Method = "wdr"
"""Least error of those that have an interval, which held where it was measured (docs/log.md)."""


@dataclass(frozen=True, slots=True)
class Estimation:
    """How an estimate is made.

    Attributes:
        method: the estimator to report.
        gamma: discount of a step; 1 is the plain sum over a session.
        level: of the intervals.
        folds: parts of the sessions for the fitted Q, each fitted on the others; 2 at least.
        resamples: draws of the bootstrap.
        seed: of the folds and the bootstrap.
    """

    method: Method = REPORTED
    gamma: float = 1.0
    level: float = 0.95
    folds: int = 5
    resamples: int = 2_000
    seed: int = 0


PLAIN = Estimation()


@dataclass(frozen=True, slots=True)
class Value:
    """An outcome of a session, estimated.

    Attributes:
        outcome: its name.
        method: ``logged`` (the logged policy's own mean), ``pdis``, ``wpdis``, ``fqe``, ``dr`` or
            ``wdr`` (`importance.py`).
        estimate: expected sum over a session.
        interval: 95% or another level, over sessions; None for ``fqe``, whose fit is most of its
            error and is not drawn anew.
    """

    outcome: str
    method: Method
    estimate: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a policy is worth, or why the log cannot say.

    Attributes:
        method: the estimator of `values`.
        sessions: N.
        steps: T.
        refused: why there are no values.
        effective_sample_size: sessions that the weights of whole sessions are worth, at most N.
        per_decision_sample_size: the mean over logged steps of what the weights up to a step are
            worth.
        values: one for each outcome.
        checks: the same by the other estimators, and the logged policy's own mean.
    """

    method: Method
    sessions: int
    steps: int
    refused: Refusal | None
    effective_sample_size: float | None = None
    per_decision_sample_size: float | None = None
    values: tuple[Value, ...] = ()
    checks: tuple[Value, ...] = ()

    def value(self, outcome: str, method: Method | None = None) -> Value:
        """The value of an outcome, by the reported method or another.

        Raises:
            KeyError: if there is none, as for a refused estimate.
        """
        wanted = method or self.method
        for found in (*self.values, *self.checks):
            if (found.outcome, found.method) == (outcome, wanted):
                return found
        raise KeyError(f"no {outcome!r} by {wanted!r}")


@dataclass(frozen=True, slots=True)
class Saving:
    """How much less of an outcome a policy takes than always-DEEPTHINK, both estimated.

    Attributes:
        outcome: its name, such as ``calls`` or ``price``.
        estimate: 1 - the policy's sum / always-DEEPTHINK's; None where refused.
        interval: over sessions drawn for both alike.
        refused: why there is none; always-DEEPTHINK often has too little overlap.
    """

    outcome: str
    estimate: float | None
    interval: tuple[float, float] | None
    refused: Refusal | None


def logged_outcomes(log: OfflineDataset) -> tuple[Outcome, ...]:
    """The return and the DEEPTHINK calls of logged steps."""
    return Outcome("return", log.reward), Outcome("calls", log.choice)


def estimate(
    log: OfflineDataset,
    call_probability: Array,
    outcomes: Sequence[Outcome] | None = None,
    how: Estimation = PLAIN,
) -> Estimate:
    """The expected outcomes of a session that a policy plays.

    Args:
        log: whole sessions with propensities, their observations as the policy sees them.
        call_probability: [T], P(g = 1) of the policy at each.
        outcomes: what to sum over a session; the return and the calls by default.
        how: the estimator and its settings.
    """
    chosen = logged_outcomes(log) if outcomes is None else tuple(outcomes)
    weighed = _weigh(log, call_probability, chosen)
    size, steps = int(log.begins.sum()), len(log.choice)
    if isinstance(weighed, Refusal):
        return Estimate(how.method, size, steps, weighed)
    contributions = _contributions(log, call_probability, chosen, weighed, how)
    effective = effective_sample_size(weighed.weights)
    values = _values(contributions, chosen, float(effective[-1]), how)
    return Estimate(
        how.method,
        size,
        steps,
        None,
        effective_sample_size=float(effective[-1]),
        per_decision_sample_size=float(effective[weighed.sessions.column + 1].mean()),
        values=tuple(value for value in values if value.method == how.method),
        checks=tuple(value for value in values if value.method != how.method),
    )


def saving(
    log: OfflineDataset,
    call_probability: Array,
    outcome: Outcome | None = None,
    how: Estimation = PLAIN,
) -> Saving:
    """The share of an outcome that a policy saves against always-DEEPTHINK on the same log.

    Args:
        log: as for `estimate`.
        call_probability: [T], P(g = 1) of the policy at each step.
        outcome: what is saved; the calls by default.
        how: the estimator and its settings.
    """
    chosen = Outcome("calls", log.choice) if outcome is None else outcome
    return savings(log, call_probability, [chosen], how)[0]


def savings(
    log: OfflineDataset,
    call_probability: Array,
    outcomes: Sequence[Outcome],
    how: Estimation = PLAIN,
) -> tuple[Saving, ...]:
    """`saving` of several outcomes, whose weights and fits are made once for all.

    Args:
        log: as for `estimate`.
        call_probability: [T], P(g = 1) of the policy at each step.
        outcomes: what is saved; where one cannot be estimated, none is.
        how: the estimator and its settings.
    """
    parts, effective = [], []
    for policy in (call_probability, log.allowed[:, 1].astype(float)):
        weighed = _weigh(log, policy, outcomes)
        if isinstance(weighed, Refusal):
            return tuple(Saving(outcome.name, None, None, weighed) for outcome in outcomes)
        parts.append(_contributions(log, policy, outcomes, weighed, how)[how.method])
        effective.append(float(effective_sample_size(weighed.weights)[-1]))
    drawn = bootstrap(parts, np.random.default_rng(how.seed), how.resamples)
    share = 1 - parts[0].estimate() / parts[1].estimate()
    shares = 1 - drawn[0] / drawn[1]
    found = []
    for k, outcome in enumerate(outcomes):
        interval = percentile_interval(shares[:, k], min(effective), how.level)
        known = None if how.method == "fqe" else interval
        found.append(Saving(outcome.name, float(share[k]), known, None))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A log that can answer: the places of its steps, and weights `[N, H + 1]`."""

    sessions: Sessions
    weights: Array


def _weigh(
    log: OfflineDataset, call_probability: Array, outcomes: Sequence[Outcome]
) -> _Weighed | Refusal:
    refused = refuse_log(log, call_probability, outcomes)
    if refused is not None:
        return refused
    sessions = Sessions.of(log.begins)
    logged, chosen = (
        np.where(log.choice == 1, p, 1 - p) for p in (call_propensity(log), call_probability)
    )
    weights = cumulative_weights(sessions, chosen / logged)
    refused = refuse_weights(log, call_probability, sessions, weights)
    return _Weighed(sessions, weights) if refused is None else refused


def _contributions(
    log: OfflineDataset,
    call_probability: Array,
    outcomes: Sequence[Outcome],
    weighed: _Weighed,
    how: Estimation,
) -> dict[Method, Contributions]:
    """What sessions add to the estimates of all methods."""
    sessions, weights = weighed.sessions, weighed.weights
    outcome = np.stack([outcome.values for outcome in outcomes], axis=1).astype(float)
    q = fitted_q(
        sessions,
        log.observation,
        log.choice,
        call_probability,
        outcome,
        how.gamma,
        how.folds,
        np.random.default_rng(how.seed),
    )
    table = sessions.table(outcome)
    q_chosen = sessions.table(q[np.arange(len(q)), log.choice])
    value = sessions.table(policy_value(q, call_probability))
    importance = per_decision(weights, table, how.gamma)
    robust = doubly_robust(weights, table, q_chosen, value, how.gamma)
    return {
        "logged": per_decision(np.ones_like(weights), table, how.gamma).unnormalised(),
        "pdis": importance.unnormalised(),
        "wpdis": importance,
        "fqe": direct(value[:, 0]),
        "dr": robust.unnormalised(),
        "wdr": robust,
    }


def _values(
    parts: dict[Method, Contributions],
    outcomes: Sequence[Outcome],
    size: float,
    how: Estimation,
) -> list[Value]:
    drawn = bootstrap(list(parts.values()), np.random.default_rng(how.seed), how.resamples)
    found = []
    for (name, part), draws in zip(parts.items(), drawn, strict=True):
        worth = len(part.weight) if name == "logged" else size
        for k, outcome in enumerate(outcomes):
            interval = percentile_interval(draws[:, k], worth, how.level)
            value = float(part.estimate()[k])
            found.append(Value(outcome.name, name, value, None if name == "fqe" else interval))
    return found
