"""Logs that cannot say what a policy would be worth: the reasons, and what to log instead.

This file knows which conditions an estimate from logs rests on. It knows no estimator.

Shapes: T logged steps of N sessions, H steps of the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from londi.evaluation.importance import Sessions, effective_sample_size
from londi.types import Array

if TYPE_CHECKING:
    from londi.learning.dataset import OfflineDataset

LEAST_SESSIONS = 100
LEAST_EFFECTIVE = 50.0
"""Where 2% of the sessions fail, a log of fewer may hold none that does, and its interval does not
know that there are any: of 75 logs of 60 sessions of ScienceWorld, which counted as 20 to 39, the
intervals held 0.45 of what was then played (docs/log.md, 2026-11-30)."""
LEAST_GOING = 1.0
"""What the sessions that still go on have to count as, by the spread of weights to expect. On
BabyAI-Text intervals of logs in which 5% or more went on below this held 0.70 of what was then
played (docs/log.md, 2026-11-30)."""
MOST_BEYOND = 0.05
"""Share of the sessions that may go on where they count as less."""
LEAST_UNUSUAL = 10
"""Sessions whose return is not the most frequent one."""
MOST_LOST = 0.01
"""Probability with which the evaluated policy may make a choice that the log never makes."""
FALSE_ALARM = 1e-4
"""Probability of the bound on a group's calls, where the propensities are right."""
_PARTS = 10

Reason = Literal[
    "few_sessions",
    "policy_mismatch",
    "no_rewards",
    "missing_rewards",
    "rare_rewards",
    "no_propensities",
    "bad_propensities",
    "wrong_propensities",
    "no_overlap",
    "small_sample",
    "long_sessions",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no estimate.

    Attributes:
        reason: its name.
        message: one sentence; says what to log instead.
    """

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A number for each logged step, whose sum over a session is to be estimated.

    Attributes:
        name: such as ``return``, ``calls`` or ``price``.
        values: [T]; NaN where nobody knows it.
    """

    name: str
    values: Array


def call_propensity(log: OfflineDataset) -> Array:
    """P(g = 1) `[T]` of the policy that was logged, where it had a choice; else g itself."""
    out: Array = np.where(log.had_choice, log.call_propensity, log.choice)
    return out


def refuse_log(
    log: OfflineDataset, call_probability: Array, outcomes: Sequence[Outcome]
) -> Refusal | None:
    """What can be seen before any weight: sessions, outcomes, and propensities.

    Args:
        log: T steps of whole sessions.
        call_probability: [T], of the policy to be evaluated.
        outcomes: to be estimated.
    """
    count = int(log.begins.sum())
    if count < LEAST_SESSIONS:
        return Refusal(
            "few_sessions",
            f"the log has {_number(count, 'session')}: log at least {LEAST_SESSIONS}, each under"
            " its own name",
        )
    return (
        _refuse_policy(log, call_probability)
        or _refuse_outcomes(log, count, outcomes)
        or _refuse_propensities(log)
        or _refuse_calibration(log, call_probability)
    )


def refuse_weights(
    log: OfflineDataset, call_probability: Array, sessions: Sessions, weights: Array
) -> Refusal | None:
    """What the weights `[N, H + 1]` show: choices never logged, and too few sessions that count."""
    call = call_propensity(log)
    other = np.where(log.choice == 1, 1 - call_probability, call_probability)
    never = sessions.table(np.where((call <= 0) | (call >= 1), other, 0.0))
    lost = float((weights[:, :-1] * never).sum() / sessions.count)
    if lost > MOST_LOST:
        return Refusal(
            "no_overlap",
            f"the policy makes choices that the log never makes ({min(lost, 1.0):.0%} of its"
            " sessions): log choices that are drawn, both with a probability above 0, and leave"
            " sessions out that were kept on one model",
        )
    sizes = effective_sample_size(weights)
    if sizes[-1] >= LEAST_EFFECTIVE:
        return _refuse_length(log, call_probability, sessions)
    found = (
        f"{sessions.count} sessions count as {sizes[-1]:.1f} where {LEAST_EFFECTIVE:.0f} are needed"
    )
    if sizes[1] >= LEAST_EFFECTIVE and sessions.horizon > 1:
        return Refusal(
            "long_sessions",
            f"{found}, since weights multiply over up to {sessions.horizon} steps: log more"
            " sessions, or log with a policy that is nearer to this one",
        )
    return Refusal(
        "small_sample",
        f"{found}, since the policy seldom chooses as the log does: log more sessions, or log"
        " with a policy that is nearer to this one",
    )


def going(log: OfflineDataset, call_probability: Array, sessions: Sessions) -> tuple[Array, Array]:
    """Sessions that still go on after each step `[H]`, and what they count as, to be expected.

    Weights of a long session are nearly all next to 0 and, seldom, huge. A log that has not drawn
    the huge ones has a fine effective sample size, and no weight on its long sessions. So what
    counts here is not the weights that were drawn, but their second moment in the states that were
    met: at each step the sum over g of pi(g)^2 / mu(g), multiplied over a session.

    Args:
        log: T steps of whole sessions.
        call_probability: [T], of the policy to be evaluated.
        sessions: the places of the steps.
    """
    call = call_propensity(log)
    drawn = (call > 0) & (call < 1)
    inside = np.where(drawn, call, 0.5)
    p, chosen = call_probability, np.where(log.choice == 1, call_probability, 1 - call_probability)
    second = np.where(drawn, p**2 / inside + (1 - p) ** 2 / (1 - inside), chosen**2)
    product = np.cumprod(sessions.table(second, absent=1.0), axis=1)
    alive = sessions.table(np.ones(len(second)))
    count, spread = alive.sum(0), (alive * product).sum(0)
    return count, np.divide(count**2, spread, out=np.zeros_like(count), where=spread > 0)


def _refuse_length(
    log: OfflineDataset, call_probability: Array, sessions: Sessions
) -> Refusal | None:
    count, effective = going(log, call_probability, sessions)
    few = np.flatnonzero(effective < LEAST_GOING)
    if not len(few) or count[few[0]] <= MOST_BEYOND * sessions.count:
        return None
    step = int(few[0])
    return Refusal(
        "long_sessions",
        f"{count[step] / sessions.count:.0%} of the sessions have more than {step} steps, and count"
        " there as next to none, since weights multiply: log more sessions, or log with a policy"
        " that is nearer to this one, such as itself with less exploration",
    )


def _refuse_policy(log: OfflineDataset, call_probability: Array) -> Refusal | None:
    steps, again = len(log.choice), "ask the policy at each logged observation"
    if call_probability.shape != (steps,):
        return Refusal(
            "policy_mismatch",
            f"expected one call probability for each of {steps} logged steps, got the shape"
            f" {call_probability.shape}: {again}",
        )
    if not ((call_probability >= 0) & (call_probability <= 1)).all():
        return Refusal(
            "policy_mismatch",
            f"the policy's call probabilities are not all in [0, 1]: {again}, in the form in"
            " which it was trained",
        )
    return None


def _refuse_outcomes(
    log: OfflineDataset, count: int, outcomes: Sequence[Outcome]
) -> Refusal | None:
    session = np.cumsum(log.begins) - 1
    for outcome in outcomes:
        if outcome.values.shape != (len(session),):
            return Refusal(
                "missing_rewards",
                f"{outcome.name}: expected one number for each of {len(session)} logged steps, got"
                f" the shape {outcome.values.shape}: log it at each step",
            )
        known = np.bincount(session, ~np.isfinite(outcome.values), minlength=count) == 0
        if not known.any():
            return Refusal(
                "no_rewards",
                f"{outcome.name}: no session has it: log a value for each session",
            )
        if not known.all():
            return Refusal(
                "missing_rewards",
                f"{outcome.name}: {int(known.sum())} of {count} sessions have it: log it for all,"
                " or for some that are drawn at random, and leave the rest out",
            )
        if outcome.name == "return":
            sums = np.bincount(session, outcome.values, minlength=count).round(9)
            _, often = np.unique(sums, return_counts=True)
            unusual = count - int(often.max())
            if not np.any(outcome.values):
                return Refusal("no_rewards", "all rewards are 0: log a value for each session")
            if unusual < LEAST_UNUSUAL:
                return Refusal(
                    "rare_rewards",
                    f"all sessions but {unusual} have the same return: log until at least"
                    f" {LEAST_UNUSUAL} differ",
                )
    return None


def _refuse_propensities(log: OfflineDataset) -> Refusal | None:
    given = log.propensity[log.had_choice]
    unknown = int(np.isnan(given).sum())
    if unknown:
        return Refusal(
            "no_propensities",
            f"{unknown} of {len(given)} choices have no propensity: log each choice's probability"
            " when it is drawn; it cannot be filled in later",
        )
    outside = int(((given <= 0) | (given > 1)).sum())
    if outside:
        return Refusal(
            "bad_propensities",
            f"{outside} propensities are not in (0, 1]: log the probability of the choice that was"
            " made, not of a call",
        )
    return None


def _refuse_calibration(log: OfflineDataset, call_probability: Array) -> Refusal | None:
    """Compare calls with what their propensities promise, in groups that are known before a choice.

    Given all before it, a call less its propensity has mean 0 and variance p (1 - p). So in a
    group the sum of V such variances exceeds t with a probability of at most
    2 exp(-t^2 / (2 V + 2 t / 3)) (Freedman 1975, theorem 1.6). The groups: tenths of the
    propensity, tenths of the evaluated policy's, and the session's choice before.
    """
    drawn, call = log.had_choice, call_propensity(log)
    before = np.where(log.begins, 2, np.roll(log.choice, 1))
    # Rounded: 1 - 0.9 is less than 0.1, and a group may not tell the choice.
    tenths = (
        (p * _PARTS).round(9).astype(int).clip(0, _PARTS - 1) for p in (call, call_probability)
    )
    for group in (*tenths, before):
        counts = [
            np.bincount(group[drawn], x[drawn], minlength=_PARTS)
            for x in (log.choice.astype(float), call, call * (1 - call), np.ones(len(call)))
        ]
        for calls, promised, variance, steps in zip(*counts, strict=True):
            level = np.log(2 / FALSE_ALARM)
            bound = level / 3 + np.sqrt(level**2 / 9 + 2 * level * variance)
            if abs(calls - promised) > bound:
                return Refusal(
                    "wrong_propensities",
                    f"{calls:.0f} of {steps:.0f} like steps were calls, where their propensities"
                    f" promise {promised:.0f}: log the probability from which each choice is drawn,"
                    " at every step anew",
                )
    return None


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
