"""The best that any Switcher could have done: against brute force, and against what is played."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.budget import Budget
from londi.config import LimitConfig
from londi.envs import make_env
from londi.envs.episode import TextEpisode
from londi.episodes import held_out_seeds
from londi.errors import InvalidConfig
from londi.evaluate import play, summary
from londi.limit import (
    _ENDED,
    _SUCCESS,
    _UNKNOWN,
    Best,
    Explored,
    _backward,
    _follow,
    _Graph,
    limit,
    read_limit,
    summed_up,
    write_limit,
)
from londi.models import load_model
from londi.models.scripted import RandomModel
from londi.pair import Pair
from londi.switcher import ConstantSwitcher
from playthings import Corridor, deepthink, quick


def walked(after: np.ndarray, rewards: np.ndarray, choices: Sequence[int]) -> tuple[float, int]:
    """The return of a sequence of choices, and its calls."""
    place, calls = 0, 0
    for t, g in enumerate(choices):
        calls += g
        place = after[place, g]
        if place == _SUCCESS:
            return float(rewards[t + 1]), calls
        if place < 0:
            break
    return 0.0, calls


GRAPHS = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.tuples(*[st.sampled_from([*range(n), _SUCCESS, _ENDED])] * 2), min_size=n, max_size=n
    )
)


@settings(deadline=None, max_examples=60)
@given(graph=GRAPHS, horizon=st.integers(1, 6))
def test_it_is_what_trying_all_choices_finds(graph: list[tuple[int, int]], horizon: int) -> None:
    after = np.array(graph)
    rewards = 1.0 - 0.9 * np.arange(horizon + 1) / horizon
    best, choices = _backward(after, rewards, 3, np.zeros_like(rewards))
    tried = [walked(after, rewards, c) for c in itertools.product((0, 1), repeat=horizon)]
    for k in range(4):
        assert best[k] == pytest.approx(max(r for r, calls in tried if calls <= k))
        calls, steps = _follow(after, choices, k)
        assert calls <= k and 1 <= steps <= horizon
    assert (np.diff(best) >= 0).all()


def test_what_nobody_has_looked_at_is_bounded_from_both_sides() -> None:
    after = np.array([[1, _UNKNOWN], [_ENDED, _SUCCESS]])
    rewards = np.array([1.0, 0.9, 0.8, 0.7])
    least, _ = _backward(after, rewards, 1, np.zeros(4))
    most, _ = _backward(after, rewards, 1, rewards)
    assert least.tolist() == [0.0, 0.8]
    assert most.tolist() == [0.0, 0.9]


def explored(after: list[tuple[int, int]], rewards: np.ndarray) -> Explored:
    graph = _Graph(7)
    graph.after = after
    return Explored([graph], [rewards])


def worth(
    graph: list[tuple[int, int]], rewards: np.ndarray, place: int, t: int, g: int, cost: float
) -> float:
    """The best that can follow on a choice, calls paid for, by trying everything."""
    after, paid = graph[place][g], cost * g
    if after == _SUCCESS:
        return float(rewards[t + 1]) - paid
    if after < 0 or t + 2 >= len(rewards):
        return -paid
    return max(worth(graph, rewards, after, t + 1, h, cost) for h in (0, 1)) - paid


@settings(deadline=None, max_examples=60)
@given(
    graph=GRAPHS,
    choices=st.lists(st.integers(0, 1), min_size=1, max_size=5),
    cost=st.sampled_from([0.0, 0.01, 0.2, 2.0]),
)
def test_hindsight_calls_where_trying_everything_says_so(
    graph: list[tuple[int, int]], choices: list[int], cost: float
) -> None:
    rewards = 1.0 - 0.15 * np.arange(6)
    told = explored(graph, rewards).hindsight(7, choices, cost)
    place = 0
    for t, (g, said) in enumerate(zip(choices, told, strict=True)):
        if place < 0:
            assert said is None
            continue
        quick, call = (worth(graph, rewards, place, t, h, cost) for h in (0, 1))
        assert said == (call > quick + 1e-9)
        place = graph[place][g]


def test_hindsight_does_not_guess() -> None:
    rewards = np.array([1.0, 0.9, 0.8, 0.7])
    # A call ends well at once; what QUICK leads to has not been looked at, but is later.
    assert explored([(_UNKNOWN, _SUCCESS)], rewards).hindsight(7, [0, 0], 0.05) == [True, None]
    # So dear a call might not be worth it.
    assert explored([(_UNKNOWN, _SUCCESS)], rewards).hindsight(7, [1], 0.2) == [None]
    assert explored([(_SUCCESS, _UNKNOWN)], rewards).hindsight(7, [1], 0.2) == [False]


def best(at_least: list[float], calls: list[int], steps: list[int]) -> Best:
    return Best(0, 1, True, at_least, at_least, calls, steps)


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


@pytest.fixture(scope="module")
def pair() -> Pair:
    models = load_model("builtin:babyai-quick"), load_model("builtin:babyai-deepthink")
    return Pair(*models, lambda: make_env("londi/BabyAIText-MixedTrainLocal-v0"))


def returned(pair: Pair, seed: int, choices: Sequence[int]) -> tuple[float, bool]:
    """What an episode returns with these choices, and QUICK from there on."""
    episode = TextEpisode(pair.make())
    episode.start(seed)
    total = 0.0
    for g in itertools.chain(choices, itertools.repeat(0)):
        model = pair.deepthink if g else pair.quick
        outcome = episode.step(model.act([episode.prompt()])[0].action)
        total += outcome.reward
        if outcome.ended:
            episode.close()
            return total, outcome.success
    raise AssertionError


def test_no_play_of_a_real_episode_exceeds_it(pair: Pair) -> None:
    config = LimitConfig(episodes=3, most_calls=40, states=1500)
    found = limit(config, pair=pair)
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


def test_what_is_written_is_read_again(pair: Pair, tmp_path: Path) -> None:
    found = limit(LimitConfig(episodes=2, most_calls=5, states=50), pair=pair)
    write_limit(tmp_path, found)
    assert read_limit(tmp_path) == found


def test_states_are_bounded_and_it_says_so(pair: Pair) -> None:
    few = limit(LimitConfig(episodes=2, most_calls=5, states=10), pair=pair)
    many = limit(LimitConfig(episodes=2, most_calls=5, states=2000), pair=pair)
    assert all(b.states == 10 and not b.complete for b in few.episodes)
    for a, b in zip(few.episodes, many.episodes, strict=True):
        assert (np.array(a.at_least) <= np.array(b.at_least) + 1e-12).all()
        assert (np.array(a.at_most) >= np.array(b.at_most) - 1e-12).all()


def test_models_that_draw_have_no_limit(pair: Pair) -> None:
    with pytest.raises(InvalidConfig, match="expected deterministic models, got 'random'"):
        limit(LimitConfig(episodes=1), pair=Pair(RandomModel(0), pair.deepthink, pair.make))


def test_an_environment_that_cannot_be_rewound_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="cannot be rewound"):
        limit(LimitConfig(episodes=1), pair=Pair(quick(), deepthink(), Corridor))
