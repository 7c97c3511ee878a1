"""Arms of sessions: how they are drawn, what each does, and that budgets hold in all of them."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.envs.conversation import Message
from londi.serve.core.arms import Arm, Arms, kept, shadowed
from londi.serve.core.budget import Amount
from londi.serve.core.policy import load_policy
from londi.serve.core.serving import Serving
from londi.serve.core.sessions import Sessions
from londi.types import Usage

ASKED = [Message("user", "Book a flight to Rome.")]
QUICK = load_policy("always-quick")
NAMES = [f"session {k}" for k in range(4000)]


def split(control: float, share: float, seed: int = 0) -> Arms:
    """A control group, and a new version on a share."""
    previous = Arm("previous", 1 - control - share, load_policy("random:0.5"))
    return Arms([kept("control", control, QUICK), previous, Arm("treated", share, QUICK)], seed)


def serve(arms: Arms, **serving: Any) -> Sessions:
    settings = Serving(("small", "large"), **serving)
    return Sessions(QUICK, settings, seed=0, rollout=arms)


def test_arms_have_their_shares_and_sessions_stay() -> None:
    arms, again = split(0.1, 0.3), split(0.1, 0.3)
    drawn = [arms.arm(name).name for name in NAMES]
    assert drawn == [again.arm(name).name for name in reversed(NAMES)][::-1]
    counts = Counter(drawn)
    for name, share in (("control", 0.1), ("previous", 0.6), ("treated", 0.3)):
        assert counts[name] / len(NAMES) == pytest.approx(share, abs=0.025)
    other = [split(0.1, 0.3, seed=1).arm(name).name for name in NAMES]
    both = Counter(zip(drawn, other, strict=True))
    assert both["control", "control"] / len(NAMES) == pytest.approx(0.01, abs=0.006)


def test_as_an_arm_grows_no_session_leaves_it() -> None:
    small, large = split(0.1, 0.2), split(0.2, 0.5)
    for name in NAMES:
        before, after = small.arm(name).name, large.arm(name).name
        assert before in (after, "previous")


def test_an_id_says_what_the_arms_are() -> None:
    assert split(0.1, 0.2).id == split(0.1, 0.2).id
    assert len({split(*of).id for of in ((0.1, 0.2), (0.1, 0.3), (0.1, 0.2, 1))}) == 3
    assert [
        arm.name for arm in Arms([kept("control", 0.0, QUICK), Arm("treated", 1.0, QUICK)]).arms
    ] == ["treated"]


@pytest.mark.parametrize("name", ["control", "off"])
def test_a_kept_session_always_calls_and_explores_nothing(name: Any) -> None:
    found = serve(Arms([kept(name, 1.0, QUICK)]), exploration=0.5)
    for k in range(50):
        decision = found.session(f"{k}").decide(ASKED)
        assert (decision.choice, decision.propensity, decision.exploration) == (1, 1.0, 0.0)
        assert (decision.probability, decision.reason, decision.arm) == (1.0, name, name)
        assert decision.policy == "always-deepthink" and decision.encoder == "text"
        assert len(decision.observation) == QUICK.layout.observed


def test_a_shadow_decides_and_does_not_act() -> None:
    policy = load_policy("random:0.25")
    found = serve(Arms([shadowed(1.0, policy)]), exploration=0.2)
    decisions = [found.session(f"{k}").decide(ASKED) for k in range(400)]
    for decision in decisions:
        assert (decision.choice, decision.propensity, decision.exploration) == (1, 1.0, 0.0)
        assert (decision.probability, decision.policy) == (0.25, policy.version)
        assert (decision.reason, decision.arm) == ("shadow", "shadow")
    advised = sum(bool(decision.advised) for decision in decisions) / 400
    assert advised == pytest.approx(0.8 * 0.25 + 0.2 * 0.5, abs=0.07)
    acting = serve(Arms([Arm("treated", 1.0, policy)]), exploration=0.2)
    live = [acting.session(f"{k}").decide(ASKED) for k in range(400)]
    assert [d.choice for d in live] == [d.advised for d in decisions], "it draws as it would live"
    assert all(d.advised is None for d in live)


@given(
    st.sampled_from(["control", "off", "shadow"]),
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=20),
)
def test_a_budget_holds_in_every_arm(name: str, most: int, steps: list[tuple[int, bool]]) -> None:
    arm = shadowed(1.0, QUICK) if name == "shadow" else kept(name, 1.0, QUICK)  # type: ignore[arg-type]
    found = serve(Arms([arm]), budget=Amount(most, inf, inf))
    called, waiting = Counter[str](), []
    for k, ends in steps:
        session = found.session(f"{k}")
        decision = session.decide(ASKED)
        called[session.name] += decision.choice
        assert called[session.name] <= most
        spent = called[session.name] == most and not decision.choice
        assert decision.propensity == 1.0 and (decision.reason == "budget") == spent
        waiting.append((session, decision.step))
        if ends:
            for one, step in waiting:
                one.settle(step, Usage(calls=1, tokens=10, output_tokens=1))
            waiting = []
