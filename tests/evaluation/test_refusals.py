"""Logs that cannot answer are refused, each for its reason, and say what to log instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from finite_logs import at_logged, simulated
from londi.evaluation.importance import Sessions
from londi.evaluation.ope import estimate, logged_outcomes, saving
from londi.evaluation.refusals import LEAST_SESSIONS, Outcome, going, refuse_log
from londi.learning.dataset import OfflineDataset
from londi.oracle.mdp import random_mdp
from londi.types import Array

MDP = random_mdp(6, np.random.default_rng(1), acyclic=True)
LONG = random_mdp(200, np.random.default_rng(1), acyclic=False)
COIN = np.full(6, 0.5)
POLICY = np.array([0.7, 0.3, 0.6, 0.4, 0.5, 0.5])


@dataclass(frozen=True)
class Question:
    log: OfflineDataset
    policy: Array


def asked(sessions: int = 200, behaviour: Array = COIN) -> Question:
    log = simulated(MDP, sessions, behaviour, np.random.default_rng(0))
    return Question(log, at_logged(log, POLICY))


def no_propensities() -> Question:
    made = asked()
    unknown = np.where(np.arange(len(made.policy)) % 9 == 0, np.nan, made.log.propensity)
    return replace(made, log=replace(made.log, propensity=unknown))


def one_model_alone() -> Question:
    return asked(behaviour=np.zeros(6))


def a_fixed_rule() -> Question:
    return asked(behaviour=np.array([0.0, 1, 0, 1, 0, 1]))


def propensities_of_zero() -> Question:
    made = asked()
    return replace(made, log=replace(made.log, propensity=made.log.propensity * 0))


def a_coin_that_was_none() -> Question:
    made = asked(behaviour=np.full(6, 0.95))
    half = np.full(len(made.policy), 0.5)
    return replace(made, log=replace(made.log, propensity=half))


def a_coin_tossed_once_a_session() -> Question:
    # As many calls as promised in all, and a policy that tells no states apart: what is left to
    # see is that a choice follows from the one before it.
    made = asked(behaviour=(np.arange(200)[:, None] % 2) * np.ones(6))
    half = np.full(len(made.policy), 0.5)
    return Question(replace(made.log, propensity=half), np.full(len(half), 0.6))


def few_sessions() -> Question:
    return asked(LEAST_SESSIONS - 1)


def one_session() -> Question:
    made = asked()
    return replace(made, log=replace(made.log, episode=np.zeros(len(made.policy), int)))


def nothing_in_common() -> Question:
    made = asked(behaviour=np.full(6, 0.02))
    return replace(made, policy=np.full(len(made.policy), 0.98))


def no_rewards() -> Question:
    made = asked()
    return replace(made, log=replace(made.log, reward=np.full(len(made.policy), np.nan)))


def rewards_of_zero() -> Question:
    made = asked()
    return replace(made, log=replace(made.log, reward=np.zeros(len(made.policy))))


def some_rewards() -> Question:
    made = asked()
    unknown = np.where(made.log.episode % 5 > 0, np.nan, made.log.reward)
    return replace(made, log=replace(made.log, reward=unknown))


def one_success() -> Question:
    made = asked()
    return replace(made, log=replace(made.log, reward=(np.arange(len(made.policy)) == 0) * 1.0))


def long_sessions() -> Question:
    log = simulated(LONG, 300, np.full(200, 0.5), np.random.default_rng(0), limit=60)
    return Question(log, np.full(len(log.choice), 0.8))


def drawn(lengths: Array, call: float) -> OfflineDataset:
    """Sessions of these lengths, with a call probability of `call` at each step."""
    rng, steps = np.random.default_rng(0), int(lengths.sum())
    episode = np.repeat(np.arange(len(lengths)), lengths)
    choice = (rng.random(steps) < call).astype(int)
    seen = np.zeros((steps, 1), np.float32)
    return OfflineDataset(
        episode=episode,
        observation=seen,
        choice=choice,
        propensity=np.where(choice == 1, call, 1 - call),
        reward=rng.random(steps).astype(np.float32),
        next_observation=seen,
        terminated=np.append(np.diff(episode) != 0, True),
        allowed=np.ones((steps, 2), bool),
        agreement=np.full(steps, np.nan),
    )


def a_few_sessions_without_end() -> Question:
    """Weights of short sessions are fine, and those of long ones 0: a call was drawn in each."""
    log = drawn(np.where(np.arange(400) % 10 == 0, 120, 3), call=0.1)
    return Question(log, np.zeros(len(log.choice)))


def another_width() -> Question:
    made = asked()
    return replace(made, policy=made.policy[:-1])


def no_probabilities() -> Question:
    made = asked()
    return replace(made, policy=made.policy * np.nan)


REFUSED: list[tuple[Callable[[], Question], str]] = [
    (no_propensities, "no_propensities"),
    (one_model_alone, "no_overlap"),
    (a_fixed_rule, "no_overlap"),
    (propensities_of_zero, "bad_propensities"),
    (a_coin_that_was_none, "wrong_propensities"),
    (a_coin_tossed_once_a_session, "wrong_propensities"),
    (few_sessions, "few_sessions"),
    (one_session, "few_sessions"),
    (nothing_in_common, "small_sample"),
    (no_rewards, "no_rewards"),
    (rewards_of_zero, "no_rewards"),
    (some_rewards, "missing_rewards"),
    (one_success, "rare_rewards"),
    (long_sessions, "long_sessions"),
    (a_few_sessions_without_end, "long_sessions"),
    (another_width, "policy_mismatch"),
    (no_probabilities, "policy_mismatch"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED, ids=[make.__name__ for make, _ in REFUSED])
def test_a_log_that_cannot_answer_is_refused(make: Callable[[], Question], reason: str) -> None:
    question = make()
    found = estimate(question.log, question.policy)
    assert found.refused is not None
    assert found.refused.reason == reason
    said = found.refused.message
    assert "log" in said and "\n" not in said and len(said) < 250
    assert not found.values and not found.checks
    with pytest.raises(KeyError):
        found.value("return")
    saved = saving(question.log, question.policy)
    assert reason in ("no_rewards", "missing_rewards", "rare_rewards") or saved.refused is not None


def test_what_long_sessions_count_as_by_hand() -> None:
    log = drawn(np.array([1, 2, 2]), call=0.25)
    count, effective = going(log, np.full(5, 0.5), Sessions.of(log.begins))
    # A step's second moment is 0.5^2 / 0.25 + 0.5^2 / 0.75 = 4 / 3, that of two steps 16 / 9.
    assert count.tolist() == [3, 2]
    assert effective == pytest.approx([3 / (4 / 3), 2 / (16 / 9)])


def test_long_sessions_that_are_few_or_weigh_enough_are_no_reason() -> None:
    log = drawn(np.where(np.arange(400) % 25 == 0, 120, 3), call=0.1)
    assert estimate(log, np.zeros(len(log.choice))).refused is None
    log = drawn(np.where(np.arange(400) % 10 == 0, 120, 3), call=0.1)
    assert estimate(log, np.full(len(log.choice), 0.08)).refused is None


def test_a_log_that_can_answer_is_not() -> None:
    question = asked()
    assert estimate(question.log, question.policy).refused is None


def test_an_outcome_must_be_known_at_each_step() -> None:
    question = asked()
    price = np.ones(len(question.policy))
    for values, reason in ((price[:-1], "missing_rewards"), (price * np.nan, "no_rewards")):
        found = estimate(question.log, question.policy, [Outcome("price", values)])
        assert found.refused is not None and found.refused.reason == reason
        assert found.refused.message.startswith("price")


def test_a_step_without_a_choice_needs_no_propensity() -> None:
    # The first state's choice is QUICK's, by no toss.
    forced_first = np.array([0.0, 0.5, 0.5, 0.5, 0.5, 0.5])
    made = asked(behaviour=forced_first)
    forced = at_logged(made.log, np.arange(6)) == 0
    log = replace(
        made.log,
        allowed=np.stack([np.ones(len(forced), bool), ~forced], 1),
        propensity=np.where(forced, np.nan, made.log.propensity),
    )
    assert estimate(log, np.where(forced, 0.0, made.policy)).refused is None
    wanted = estimate(log, made.policy).refused
    assert wanted is not None and wanted.reason == "no_overlap"


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_tenth_is_as_good_a_propensity_as_any(tenth: int) -> None:
    log = drawn(np.full(300, 3), call=tenth / 10)
    assert estimate(log, np.full(len(log.choice), tenth / 10)).refused is None


def test_right_propensities_pass_whatever_they_are() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        log = simulated(MDP, 300, rng.uniform(0.05, 0.95, (300, 1)) * np.ones(6), rng)
        assert refuse_log(log, at_logged(log, POLICY), logged_outcomes(log)) is None
