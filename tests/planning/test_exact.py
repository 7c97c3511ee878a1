"""Exact values and visits on graphs, by hand and against an enumeration of all paths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.oracle.graph import CUT, ENDED, UNKNOWN
from londi.planning.exact import GraphBatch
from londi.planning.graphs import EpisodeGraph


def graph(after, gain, worth):
    n = len(after)
    return EpisodeGraph(
        after=np.array(after),
        gain=np.array(gain, float),
        worth=np.array(worth, float),
        features=np.zeros((n, 2), np.float32),
        steps=np.zeros(n, int),
        repeats=np.zeros(n, int),
    )


CORRIDOR = graph(
    # QUICK stays in the first state; DEEPTHINK walks to the second, from where both end well.
    after=[[0, 1], [ENDED, ENDED]],
    gain=[[0, 0], [1, 1]],
    worth=[1.0, 0.9, 0.8, 0.7],
)


def test_a_corridor_by_hand():
    found = GraphBatch([CORRIDOR]).values(np.array([[0.5, 0.0]], np.float32))
    # Called at once: 0.8 after two steps. One step later: 0.7. Later: the episode is cut at three.
    assert found.total[0] == pytest.approx(0.5 * 0.8 + 0.25 * 0.7)
    assert found.spent[0] == pytest.approx(0.5 + 0.25 + 0.125)
    assert found.steps[0] == pytest.approx(0.5 * 2 + 0.5 * 3)
    # Before any step a call is worth 0.8, and QUICK the chance to call in time.
    assert found.returns[0, 0, 0] == pytest.approx([0.5 * 0.7, 0.8])
    assert found.calls[0, 0, 0] == pytest.approx([0.5 + 0.25, 1.0])
    assert found.returns[1, 0, 0] == pytest.approx([0.0, 0.7])


def test_visits_of_a_corridor_by_hand():
    visits = GraphBatch([CORRIDOR]).visits(np.array([[0.5, 0.0]], np.float32))
    assert visits[:, 0].tolist() == [[1.0, 0.0], [0.5, 0.5], [0.25, 0.25]]


def test_a_budget_is_kept():
    loop = graph(after=[[0, 0]], gain=[[0, 0]], worth=[1.0] * 6)
    call = np.array([[0.0], [1.0], [1.0]], np.float32)
    found = GraphBatch([loop]).values(call)
    assert found.spent[0] == 2.0
    visits = GraphBatch([loop]).visits(call)[:, :, 0]
    assert visits.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]]


def test_an_unexplored_choice_is_taken_for_the_other():
    explored = graph(
        [[1, UNKNOWN], [ENDED, ENDED], [CUT, CUT]], [[0, 0], [1, 1], [0, 0]], [1.0] * 4
    )
    batch = GraphBatch([explored])
    assert batch.known.tolist() == [True, True, False]
    found = batch.values(np.full((1, 3), 0.5, np.float32))
    assert found.returns[0, 0, 0].tolist() == [1.0, 1.0]
    assert found.returns[0, 0, 2].tolist() == [0.0, 0.0]


def test_graphs_side_by_side_do_not_touch():
    other = replace(CORRIDOR, worth=np.array([1.0, 0.5, 0.25]))
    call = np.array([[0.5, 0.0, 0.5, 0.0]], np.float32)
    both = GraphBatch([CORRIDOR, other]).values(call)
    alone = [GraphBatch([one]).values(call[:, :2]) for one in (CORRIDOR, other)]
    for name in ("total", "spent", "steps"):
        apart = [float(getattr(one, name)[0]) for one in alone]
        assert getattr(both, name).tolist() == pytest.approx(apart)


@st.composite
def graphs(draw):
    n, horizon = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    to = st.integers(0, n - 1) | st.just(ENDED)
    after = draw(st.lists(st.tuples(to, to), min_size=n, max_size=n))
    number = st.floats(-1, 1, width=16)
    gain = draw(st.lists(st.tuples(number, number), min_size=n, max_size=n))
    worth = draw(st.lists(number, min_size=horizon + 1, max_size=horizon + 1))
    return graph(after, gain, worth)


def paths(of, call, left):
    """(probability, return, calls, steps, states with the calls left) of every path."""
    found = []

    def walk(t, state, left, p, won, calls, seen):
        seen = [*seen, (t, left, state)]
        for g in (0, 1):
            q = call[left, state] if g else 1 - call[left, state]
            if q == 0:
                continue
            to = of.after[state, g]
            total = won + of.gain[state, g] * of.worth[t + 1]
            after = max(left - g, 0)
            if to == ENDED or t + 1 == len(of.worth) - 1:
                found.append((p * q, total, calls + g, t + 1, seen))
            else:
                walk(t + 1, to, after, p * q, total, calls + g, seen)

    walk(0, 0, left, 1.0, 0.0, 0, [])
    return found


@settings(deadline=None, max_examples=150)
@given(graphs(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_any_graph_as_all_its_paths(of, most, random):
    call = np.array([[random.random() for _ in of.after] for _ in range(most + 1)], np.float32)
    if most:
        call[0] = 0.0
    every = paths(of, call, most)
    batch = GraphBatch([of])
    found, visits = batch.values(call), batch.visits(call)
    assert sum(p for p, *_ in every) == pytest.approx(1.0)
    assert found.total[0] == pytest.approx(sum(p * won for p, won, *_ in every), abs=1e-5)
    assert found.spent[0] == pytest.approx(sum(p * k for p, _, k, *_ in every), abs=1e-5)
    assert found.steps[0] == pytest.approx(sum(p * t for p, _, _, t, _ in every), abs=1e-5)
    expected = np.zeros_like(visits)
    for p, *_, seen in every:
        for place in seen:
            expected[place] += p
    np.testing.assert_allclose(visits, expected, atol=1e-5)
