"""Hashed words and facts: each is seen, and nothing else moves."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.encoders.text import LIFETIME, TextEncoder
from londi.envs.conversation import ConversationPrompt, Message
from londi.envs.prompt import Prompt

PROMPT = Prompt("go home", ("left", "right"), ("a wall", "a door"), ("left",))
STATE = ConversationPrompt.of([Message("user", "Book a flight"), Message("assistant", "Where to?")])
FACTS = slice(-TextEncoder.FACTS, None)


def encoded(*prompts: Prompt) -> Any:
    rows = TextEncoder().encode(prompts, [])
    assert rows.shape == (len(prompts), TextEncoder.size) and rows.dtype == np.float32
    return rows


@pytest.mark.parametrize(
    ("change", "part"),
    [({"observations": ("a wall", "a hole")}, 0), ({"past": ("right",)}, 1), ({"goal": "go"}, 2)],
)
def test_each_text_has_a_part_of_its_own(change: dict[str, Any], part: int) -> None:
    before, after = encoded(PROMPT, replace(PROMPT, **change))
    places = np.flatnonzero(before != after)
    bounds = np.cumsum((0, *TextEncoder.PARTS))
    assert len(places) and (bounds[part] <= places).all() and (places < bounds[part + 1]).all()


def test_older_observations_are_not_read() -> None:
    before, after = encoded(PROMPT, replace(PROMPT, observations=("anything", "a door")))
    assert (before == after).all()


def test_words_count_and_not_their_case_or_order() -> None:
    one, other = encoded(
        replace(PROMPT, goal="Find the KEY"), replace(PROMPT, goal="key, the find!")
    )
    assert (one == other).all()


def test_a_part_has_length_one_at_most() -> None:
    (row,) = encoded(replace(PROMPT, goal="word " * 500, observations=("x y z " * 400,)))
    start = 0
    for size in TextEncoder.PARTS:
        assert np.linalg.norm(row[start : start + size]) <= 1 + 1e-6
        start += size


def test_of_a_long_text_the_end_is_read() -> None:
    long = "begin " + "filler " * 2000
    one, other = encoded(
        replace(PROMPT, observations=(long + "end",)),
        replace(PROMPT, observations=(long.replace("begin", "start") + "end",)),
    )
    assert (one == other).all()


@pytest.mark.parametrize(
    "change",
    [
        {"role": "tool"},
        {"role": "system"},
        {"turns": 4},
        {"characters": 90},
        {"failures": 1},
        {"failed": True},
        {"repeats": 2},
        {"answered_by": 0},
        {"answered_by": 1},
        {"idle": (5.0, inf)},
        {"idle": (inf, 5.0)},
    ],
)
def test_each_fact_is_seen(change: dict[str, Any]) -> None:
    before, after = encoded(STATE, replace(STATE, **change))
    assert (before[: FACTS.start] == after[: FACTS.start]).all()
    assert (before[FACTS] != after[FACTS]).any()


def test_a_cache_is_warm_until_its_lifetime_ends() -> None:
    warm, gone = encoded(
        replace(STATE, idle=(LIFETIME - 1, inf)), replace(STATE, idle=(LIFETIME + 1, inf))
    )
    assert (warm[-4], gone[-4]) == (1.0, 0.0)


def test_an_environment_has_no_facts_but_the_length() -> None:
    (row,) = encoded(PROMPT)
    assert row[FACTS][0] > 0 and not row[FACTS][1:].any()


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 10**9), st.floats(0))
def test_any_text_gives_finite_numbers(goal: str, seen: str, count: int, idle: float) -> None:
    state = replace(
        STATE, goal=goal, observations=(seen,), turns=count, characters=count, idle=(idle, idle)
    )
    assert np.isfinite(encoded(state)).all()
