"""The best that any Switcher could have done: against brute force, and against what is played."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.config import LimitConfig
from londi.envs.seeds import held_out_seeds
from londi.evaluation.play import play, summary
from londi.models.pair import ModelPair
from londi.oracle.clairvoyant import (
    EpisodeLimit,
    Explored,
    _backward,
    _follow,
    _Table,
    clairvoyant,
    read_limit,
    summed_up,
    turns,
    worthwhile,
    write_limit,
)
from londi.oracle.graph import ENDED, UNKNOWN, Deviations, Graph
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher
from oracle.ways import returned


@st.composite
def tables(draw: st.DrawFn) -> _Table:
    """Some states, with rewards on the way, which may be worth less the later they come."""
    n, horizon = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    places = st.sampled_from([*range(n), ENDED])
    pairs = st.lists(st.tuples(places, places), min_size=n, max_size=n)
    gains = st.lists(
        st.tuples(*[st.sampled_from([0.0, 0.25, 1.0, -0.5])] * 2), min_size=n, max_size=n
    )
    fall = draw(st.sampled_from([0.0, 0.9]))
    return _Table(
        np.array(draw(pairs)),
        np.array(draw(gains)),
        np.zeros((n, 2)),
        1.0 - fall * np.arange(horizon + 1) / horizon,
    )


def walked(table: _Table, choices: Sequence[int]) -> tuple[float, int]:
    """The return of a sequence of choices, and its calls."""
    place, calls, total = 0, 0, 0.0
    for t, g in enumerate(choices):
        calls += g
        total += table.gain[place, g] * table.worth[t + 1]
        place = table.after[place, g]
        if place < 0:
            break
    return float(total), calls


@settings(deadline=None, max_examples=60)
@given(table=tables())
def test_it_is_what_trying_all_choices_finds(table: _Table) -> None:
    best, choices = _backward(table, 3, 0)
    tried = [walked(table, c) for c in itertools.product((0, 1), repeat=len(table.steps))]
    for k in range(4):
        assert best[k] == pytest.approx(max(r for r, calls in tried if calls <= k))
        calls, steps = _follow(table.after, choices, k)
        assert calls <= k and 1 <= steps <= len(table.steps)
    assert (np.diff(best) >= 0).all()


@settings(deadline=None, max_examples=60)
@given(table=tables(), hidden=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 1))))
def test_what_nobody_has_looked_at_is_bounded_from_both_sides(
    table: _Table, hidden: set[tuple[int, int]]
) -> None:
    after = table.after.copy()
    for place, g in hidden:
        if place < len(after):
            after[place, g] = UNKNOWN
    # No sum of gains is beyond these.
    far = np.array([-0.5, 1.0]) * len(table.worth) / table.worth[-1]
    seen = replace(table, after=after, rest=np.tile(far, (len(after), 1)))
    best, least, most = (
        _backward(one, 3, side)[0] for one, side in ((table, 0), (seen, 0), (seen, 1))
    )
    assert (least <= best + 1e-9).all() and (best <= most + 1e-9).all()


def test_a_success_in_the_very_next_step_is_not_ruled_out() -> None:
    graph = explored([(1, UNKNOWN), (ENDED, ENDED)], [(0.0, 0.0), (0.0, 1.0)])
    found = graph.limit(1).episodes[0]
    assert found.at_least == [0.0, 0.8]
    assert found.at_most == [0.0, 0.9]


WORTH = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5])


def explored(
    after: list[tuple[int, int]],
    gain: list[tuple[float, float]],
    worth: np.ndarray = WORTH,
    earned: list[float] | None = None,
) -> Explored:
    """An episode whose states have all been seen so far."""
    n = len(after)
    graph = Graph(7, (0.0, 1.0), worth)
    graph.after, graph.gain = [list(x) for x in after], [list(x) for x in gain]
    graph.earned = earned or [0.0] * n
    graph.actions = [("a", "b")] * n
    graph.ways = [Deviations(0, 0, 0)] * n
    return Explored([graph])


def worth(table: _Table, place: int, t: int, g: int, cost: float) -> float:
    """The best that can follow on a choice, calls paid for, by trying everything."""
    after = int(table.after[place, g])
    now = float(table.gain[place, g] * table.worth[t + 1]) - cost * g
    if after < 0 or t + 2 >= len(table.worth):
        return now
    return now + max(worth(table, after, t + 1, h, cost) for h in (0, 1))


@settings(deadline=None, max_examples=60)
@given(
    table=tables(),
    choices=st.lists(st.integers(0, 1), min_size=1, max_size=8),
    cost=st.sampled_from([0.0, 0.01, 0.2, 2.0]),
)
def test_hindsight_calls_where_trying_everything_says_so(
    table: _Table, choices: list[int], cost: float
) -> None:
    after, gain = ([tuple(row) for row in x.tolist()] for x in (table.after, table.gain))
    told = explored(after, gain, table.worth).hindsight(7, choices, cost)
    place = 0
    for t, (g, said) in enumerate(zip(choices, told, strict=True)):
        if place < 0 or t >= len(table.steps):
            assert said is None
            continue
        quick, call = (worth(table, place, t, h, cost) for h in (0, 1))
        assert said == (call > quick + 1e-9)
        place = int(table.after[place, g])


def test_hindsight_does_not_guess() -> None:
    # A call ends well at once; what QUICK leads to has not been looked at, and may be as good.
    quick_unknown = explored([(UNKNOWN, ENDED)], [(0.0, 1.0)])
    assert quick_unknown.hindsight(7, [0, 0], 0.05) == [None, None]
    # What has been earned cannot be earned again.
    earned = explored([(UNKNOWN, ENDED)], [(0.0, 0.5)], earned=[0.75])
    assert earned.hindsight(7, [0], 0.05) == [True]
    # And no call is worth more than all there is.
    assert explored([(ENDED, UNKNOWN)], [(1.0, 0.0)]).hindsight(7, [1], 0.2) == [False]


def best(at_least: list[float], calls: list[int], steps: list[int]) -> EpisodeLimit:
    return EpisodeLimit(0, 1, True, at_least, at_least, calls, steps)


def test_the_hull_spends_calls_where_they_win_most() -> None:
    """The first call of one episode wins 0.9, two of the other 0.5 each, and one alone nothing."""
    one, two = (
        best([0.0, 0.9, 0.9], [0, 1, 1], [4, 2, 2]),
        best([0.0, 0.0, 1.0], [0, 0, 2], [4, 4, 4]),
    )
    found = summed_up([one, two])
    assert [p.return_at_least for p in found.budgets] == pytest.approx([0.0, 0.45, 0.95])
    assert [p.call_rate for p in found.budgets] == pytest.approx([0.0, 1 / 6, 3 / 6])
    assert [p.calls for p in found.hull] == [0.0, 0.5, 1.5]
    assert [p.return_at_least for p in found.hull] == pytest.approx([0.0, 0.45, 0.95])


def test_episodes_stand_in_the_order_of_their_seeds() -> None:
    """A comparison pairs them with the episodes of a method, one by one."""
    made = [replace(best([0.0, seed], [0, 1], [4, 2]), episode=seed) for seed in (3, 0, 2, 1)]
    assert [limit.episode for limit in summed_up(made).episodes] == [0, 1, 2, 3]


def test_what_is_not_known_to_be_reached_takes_all_calls_that_may_be_made() -> None:
    cut = EpisodeLimit(0, 1, False, [0.0, 0.5, 0.5], [0.0, 0.5, 1.0], [0, 1, 1], [4, 4, 4])
    assert cut.most_calls == [0, 1, 2]
    assert list(turns(cut.at_most, cut.most_calls)) == [0.5]
    assert [worthwhile(cut.at_most, cut.most_calls, price) for price in (0.6, 0.4)] == [0, 2]
    assert worthwhile(cut.at_least, cut.calls, 0.4) == 1
    # What is drawn as out of reach is by what is not ruled out.
    drawn = [(p.calls, p.return_at_least, p.return_at_most) for p in summed_up([cut]).hull]
    assert drawn == [(0, 0.0, 0.0), (2, 0.5, 1.0)]


def test_no_play_of_a_real_episode_exceeds_it(pair: ModelPair) -> None:
    config = LimitConfig(episodes=3, most_calls=40, states=1500)
    found = clairvoyant(config, pair=pair)
    episodes = held_out_seeds(3)
    assert [b.episode for b in found.episodes] == list(episodes)
    for player, k in ((ConstantSwitcher(0.0), 0), (ConstantSwitcher(1.0), 40)):
        played = summary(
            play(pair, player, episodes, cost=0.0, budget=Budget(), num_envs=3, seed=0)
        )
        for b, e in zip(found.episodes, played, strict=True):
            if k == 0:
                assert b.at_least[0] == pytest.approx(e.total)
            elif e.calls <= k:
                assert b.at_most[k] >= e.total - 1e-9
    # What it says can be reached is reached by the choices that it names.
    rng = np.random.default_rng(0)
    for b in found.episodes:
        for _ in range(3):
            choices = (rng.random(12) < 0.3).astype(int).tolist()
            total, _ = returned(pair, b.episode, choices)
            assert total <= b.at_most[sum(choices)] + 1e-9
        assert b.at_least == sorted(b.at_least)
        assert all(low <= high + 1e-12 for low, high in zip(b.at_least, b.at_most, strict=True))


def test_what_is_written_is_read_again(pair: ModelPair, tmp_path: Path) -> None:
    found = clairvoyant(LimitConfig(episodes=2, most_calls=5, states=50), pair=pair)
    write_limit(tmp_path, found)
    assert read_limit(tmp_path) == found


def test_states_are_bounded_and_it_says_so(pair: ModelPair) -> None:
    few = clairvoyant(LimitConfig(episodes=2, most_calls=5, states=10), pair=pair)
    many = clairvoyant(LimitConfig(episodes=2, most_calls=5, states=2000), pair=pair)
    assert all(b.states == 10 and not b.complete for b in few.episodes)
    for a, b in zip(few.episodes, many.episodes, strict=True):
        assert (np.array(a.at_least) <= np.array(b.at_least) + 1e-12).all()
        assert (np.array(a.at_most) >= np.array(b.at_most) - 1e-12).all()
