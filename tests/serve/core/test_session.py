"""Sessions: what a decision says, what it leads to, and that no budget is exceeded."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from math import inf, log1p, nan
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.config.prices import Price
from londi.encoders.text import TextEncoder
from londi.envs.conversation import ConversationPrompt, Message
from londi.errors import BudgetSpent, InvalidConfig, UnknownSession
from londi.serve.core.budget import NO_CAP, Amount, Scope
from londi.serve.core.policy import load_policy
from londi.serve.core.serving import DEEPTHINK, QUICK, Serving
from londi.serve.core.sessions import Sessions
from londi.types import Usage

NAMES = ("small", "large")
PRICES = (Price(0.1, 0.4), Price(2.0, 8.0))
ASKED = [Message("user", "Book a flight to Rome.")]
CALLED = [*ASKED, Message("assistant", "", ("search()",)), Message.of_tool("3 flights")]
USED = Usage(calls=1, tokens=100, output_tokens=20)


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def serve(policy: str, clock: Clock | None = None, **serving: Any) -> Sessions:
    settings = Serving(NAMES, **serving)
    return Sessions(load_policy(policy), settings, seed=0, clock=clock or Clock())


def test_a_decision_says_who_answers_and_how_it_was_drawn() -> None:
    session = serve("always-deepthink").session("a")
    decision = session.decide(ASKED)
    assert (decision.choice, decision.model, decision.step) == (DEEPTHINK, "large", 0)
    assert (decision.probability, decision.propensity, decision.exploration) == (1.0, 1.0, 0.0)
    assert (decision.reason, decision.policy, decision.session) == (
        "policy",
        "always-deepthink",
        "a",
    )
    assert decision.expected_gain is None and decision.price is None
    assert decision.calls_left == decision.money_left == inf
    session.settle(0, USED)
    assert session.decide(ASKED).step == 1


def test_a_propensity_is_that_of_the_draw() -> None:
    found = serve("random:0.25", exploration=0.2)
    decisions = [found.session(f"{k}").decide(ASKED) for k in range(400)]
    # 0.8 of the draws are the policy's, and 0.2 are uniform.
    call = 0.8 * 0.25 + 0.2 * 0.5
    for decision in decisions:
        assert decision.probability == 0.25 and decision.exploration == 0.2
        assert decision.propensity == pytest.approx(call if decision.choice else 1 - call)
    assert np.mean([d.choice for d in decisions]) == pytest.approx(call, abs=0.07)


def test_draws_depend_on_the_seed_and_the_name_alone() -> None:
    one = [serve("random:0.5").session(f"{k}").decide(ASKED).choice for k in range(20)]
    other = serve("random:0.5")
    again = [other.session(f"{k}").decide(ASKED).choice for k in reversed(range(20))]
    assert one == again[::-1] and len(set(one)) == 2


def test_the_switcher_sees_the_conversation_and_its_session(exported: dict[str, str]) -> None:
    clock = Clock()
    session = serve(exported["universal"], clock, cost=0.3, in_tool_loops=True).session("a")
    answered = {QUICK: -inf, DEEPTHINK: -inf}
    for _ in range(2):
        decision = session.decide(ASKED)
        session.settle(decision.step, USED)
        answered[decision.choice] = clock.now
        clock.now += 7.0
    first, again = session.decide(CALLED), session.decide(CALLED)
    idle = (clock.now - answered[QUICK], clock.now - answered[DEEPTHINK])
    prompt = ConversationPrompt.of(CALLED, decision.choice, idle)
    (wanted,) = TextEncoder().encode([prompt], [])
    np.testing.assert_array_equal(first.observation[: TextEncoder.size], wanted)
    assert first.observation[TextEncoder.size :].tolist() == pytest.approx(
        [0.0, 0.0, 0.3, log1p(2), 0.0]
    )
    assert again.observation[-2:].tolist() == pytest.approx([log1p(3), log1p(1)])
    assert first.expected_gain is not None and first.expected_calls is not None


def test_a_call_costs_what_deepthink_takes_more(exported: dict[str, str]) -> None:
    clock = Clock()
    session = serve(exported["universal"], clock, prices=PRICES, worth=0.01).session("a")
    text = [Message("user", "x" * 4000)]
    decision = session.decide(text)
    # 1,000 tokens, and an answer of 200.
    price = (1000 * (2.0 - 0.1) + 200 * (8.0 - 0.4)) / 1e6
    assert decision.price == pytest.approx(price)
    assert decision.cost == pytest.approx(price / 0.01)


def test_a_spent_budget_leaves_quick() -> None:
    session = serve("always-deepthink", budget=Amount(2, inf, inf)).session("a")
    decisions = []
    for _ in range(3):
        decisions.append(session.decide(ASKED))
        session.settle(decisions[-1].step, USED)
    assert [d.choice for d in decisions] == [1, 1, 0]
    assert [d.calls_left for d in decisions] == [2, 1, 0]
    assert (decisions[-1].reason, decisions[-1].propensity) == ("budget", 1.0)


def test_a_client_and_a_day_have_budgets_of_their_own() -> None:
    found = serve(
        "always-deepthink", client_budget=Amount(2, inf, inf), day_budget=Amount(3, inf, inf)
    )

    def ask(name: str, client: str) -> int:
        session = found.session(name, client)
        decision = session.decide(ASKED)
        session.settle(decision.step, USED)
        return decision.choice

    assert [ask(name, "mine") for name in ("a", "b", "c")] == [1, 1, 0]
    assert [ask(name, "other") for name in ("d", "e")] == [1, 0], "three in a day"


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=30))
def test_a_clock_that_jumps_leaves_each_day_its_budget(steps: list[tuple[int, bool]]) -> None:
    found = serve("always-deepthink", day_budget=Amount(2, inf, inf))
    session, waiting, called = found.session("a"), [], Counter[int]()
    with pytest.MonkeyPatch.context() as patch:
        for day, ends in steps:
            now = datetime(2026, 1, day, tzinfo=UTC)
            patch.setattr("londi.serve.core.sessions.datetime", Mock(now=lambda _, now=now: now))
            decision = session.decide(ASKED)
            called[day] += decision.choice
            waiting.append(decision.step)
            if ends:
                session.settle(waiting.pop(0), USED)  # of whichever day
    for step in waiting:
        session.settle(step, USED)
    for day in (1, 2, 3):
        assert called[day] == min(2, sum(one == day for one, _ in steps))
        assert found.ledger.taken(Scope(f"day:2026-01-0{day}", NO_CAP)).calls == called[day]


def test_what_is_held_is_not_there_for_another_call() -> None:
    session = serve("always-deepthink", budget=Amount(1, inf, inf)).session("a")
    first, second = session.decide(ASKED), session.decide(ASKED)
    assert (first.choice, second.choice) == (DEEPTHINK, QUICK)
    session.release(first.step)
    assert session.decide(ASKED).choice == DEEPTHINK


def test_money_is_taken_as_it_was_used() -> None:
    budget = Amount(inf, inf, 1_000_000)  # a thousandth of a dollar
    session = serve("always-deepthink", prices=PRICES, budget=budget).session("a")
    bound = Amount(1, 0, 600_000)
    decision = session.decide(ASKED, bound)
    assert decision.money_left == pytest.approx(0.001)
    session.settle(decision.step, USED)  # (100 * 2 + 20 * 8) / 1e6 dollars
    assert session.left.money == 1_000_000 - 360_000
    assert session.decide(ASKED, bound).choice == DEEPTHINK
    assert session.decide(ASKED, bound).choice == QUICK, "40,000 are left beside what is held"


def test_a_tool_loop_goes_on_with_its_model() -> None:
    found = serve("always-deepthink", budget=Amount(1, inf, inf))
    session = found.session("a")
    session.settle(session.decide(ASKED).step, USED)  # DEEPTHINK
    stays = session.decide(CALLED)
    assert (stays.choice, stays.reason) == (QUICK, "budget"), "a budget ends a loop as well"

    session = serve("always-quick").session("b")
    step = session.decide(ASKED).step
    assert session.fall_back(step)
    session.settle(step, USED)  # DEEPTHINK, since QUICK failed
    stays = session.decide(CALLED)
    assert (stays.choice, stays.reason) == (DEEPTHINK, "tool loop")
    assert (stays.probability, stays.propensity) == (1.0, 1.0)

    session = serve("random:0.5").session("c")
    first = session.decide(ASKED)
    session.settle(first.step, USED)
    for _ in range(10):
        stays = session.decide(CALLED)
        assert (stays.choice, stays.reason, stays.propensity) == (first.choice, "tool loop", 1.0)
        session.settle(stays.step, USED)

    session = serve("random:0.5", in_tool_loops=True).session("d")
    choices = set()
    for _ in range(20):
        decision = session.decide(CALLED)
        choices.add(decision.choice)
        session.settle(decision.step, USED)
        assert decision.reason == "policy"
    assert choices == {QUICK, DEEPTHINK}


def test_the_other_model_answers_where_the_chosen_one_failed() -> None:
    session = serve("always-quick", budget=Amount(1, inf, inf)).session("a")
    decision = session.decide(ASKED)
    assert session.fall_back(decision.step)
    assert session.left.calls == 0
    assert not session.fall_back(session.decide(ASKED).step), "no call is left for DEEPTHINK"
    assert session.fall_back(decision.step), "back to QUICK, and the call is given back"
    assert session.left.calls == 1
    session.settle(decision.step, USED)
    assert session.left.calls == 1


def test_a_step_is_settled_once() -> None:
    session = serve("always-quick").session("a")
    step = session.decide(ASKED).step
    session.settle(step, USED)
    for call in (lambda: session.settle(step, USED), lambda: session.release(9)):
        with pytest.raises(InvalidConfig, match="step: expected one that waits for its answer"):
            call()


def test_feedback_is_taken_once() -> None:
    session = serve("always-quick").session("a")
    step = session.decide(ASKED).step
    session.feedback(0.5, step)
    session.feedback(1.0)
    for value, at, message in (
        (0.5, step, "session 'a' has one for its step 0 already"),
        (1.0, None, "session 'a' has one for it already"),
        (nan, None, "value: expected a number, got nan"),
        (True, None, "value: expected a number, got True"),
        (10**400, None, "value: expected a number, got 1000"),
        ("1", None, "value: expected a number, got '1'"),
        (1.0, 7, "step: expected one of the 1 of session 'a', got 7"),
        (1.0, -1, "step: expected one of the 1 of session 'a', got -1"),
    ):
        with pytest.raises(InvalidConfig, match=message):
            session.feedback(value, at)


def test_a_session_is_found_by_its_name() -> None:
    found = serve("always-quick")
    assert found.session("a") is found.session("a") is found.known("a")
    assert found.session("b") is not found.session("a")
    with pytest.raises(UnknownSession, match="session: expected one that was begun, got 'c'"):
        found.known("c")


def test_the_session_used_longest_ago_is_forgotten() -> None:
    found = Sessions(load_policy("always-quick"), Serving(NAMES), most=2)
    waiting = found.session("waiting")
    waiting.decide(ASKED)
    first = found.session("first")
    found.session("second")
    assert found.known("waiting") is waiting
    assert found.session("first") is not first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": -0.1}, "cost: expected a number >= 0"),
        ({"cost": nan}, "cost: expected a number >= 0"),
        ({"worth": inf, "prices": PRICES}, "worth: expected a number >= 0"),
        ({"worth": 1.0}, "worth: expected prices of both models as well"),
        ({"exploration": 1.5}, "exploration: expected a number from 0 to 1, got 1.5"),
        ({"budget": Amount(1, 1, 5)}, "budget: money: expected a price of DEEPTHINK as well"),
        ({"budget": Amount(-1, 1, inf)}, "budget: calls: expected a number >= 0, got -1"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        Serving(NAMES, **change)


def test_a_cost_that_nobody_trained_for_is_refused(exported: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match="cost: expected one that the Switcher was trained for"):
        serve(exported["universal"], cost=5.0)


@given(
    st.integers(0, 4),
    st.lists(st.sampled_from(("decide", "settle", "release", "fall back")), max_size=40),
    st.sampled_from(("always-deepthink", "random:0.5", "always-quick")),
)
def test_no_order_of_steps_exceeds_the_calls(most: int, steps: list[str], policy: str) -> None:
    session = serve(policy, budget=Amount(most, inf, inf), in_tool_loops=True).session("a")
    waiting: dict[int, int] = {}
    calls = 0
    for what in steps:
        if what == "decide":
            decision = session.decide(ASKED)
            waiting[decision.step] = decision.choice
        elif waiting:
            step = min(waiting)
            if what == "fall back":
                if session.fall_back(step):
                    waiting[step] = 1 - waiting[step]
                continue
            choice = waiting.pop(step)
            if what == "settle":
                session.settle(step, USED)
                calls += choice
            else:
                session.release(step)
        held = sum(waiting.values())
        assert calls + held <= most
        assert session.left.calls == most - calls - held


def test_threads_of_one_session_share_its_budget() -> None:
    session = serve("always-deepthink", budget=Amount(50, inf, inf)).session("a")
    together = threading.Barrier(8)

    def ask(_: int) -> int:
        together.wait()
        calls = 0
        for _ in range(40):
            decision = session.decide(ASKED)
            session.settle(decision.step, USED)
            calls += decision.choice
        return calls

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 50
    assert session.left.calls == 0


def test_the_newest_session_is_never_forgotten() -> None:
    sessions = Sessions(load_policy("always-quick"), Serving(NAMES), seed=0, most=1)
    waiting = sessions.session("waits")
    step = waiting.decide(ASKED).step
    assert sessions.session("new") is sessions.find("new")
    waiting.settle(step, USED)
    sessions.session("newest")
    assert [sessions.find(name) is not None for name in ("waits", "new", "newest")] == [
        False,
        False,
        True,
    ]


def test_a_session_can_stop_where_its_budget_is_spent() -> None:
    session = serve("always-deepthink", budget=Amount(1, inf, inf), stops=True).session("a")
    session.settle(session.decide(ASKED).step, USED)
    with pytest.raises(BudgetSpent, match="the budget of session 'a' is spent"):
        session.decide(ASKED)
    assert not session.waits
