"""The best that any Switcher could have done: against brute force, and against what is played."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.config import LimitConfig
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds
from londi.errors import InvalidConfig, ModelError
from londi.evaluation.evaluate import play, summary
from londi.models.base import BaseModel
from londi.models.cache import AnswerStore
from londi.models.pair import ModelPair
from londi.models.registry import load_model
from londi.models.scripted import RandomModel
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
from londi.oracle.explore import explore
from londi.oracle.graph import ENDED, UNKNOWN, Deviations, Graph
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher
from londi.types import Reply, Usage
from playthings import Corridor, Texts, deepthink, quick


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


def test_what_is_not_known_to_be_reached_takes_all_calls_that_may_be_made() -> None:
    cut = EpisodeLimit(0, 1, False, [0.0, 0.5, 0.5], [0.0, 0.5, 1.0], [0, 1, 1], [4, 4, 4])
    assert cut.most_calls == [0, 1, 2]
    assert list(turns(cut.at_most, cut.most_calls)) == [0.5]
    assert [worthwhile(cut.at_most, cut.most_calls, price) for price in (0.6, 0.4)] == [0, 2]
    assert worthwhile(cut.at_least, cut.calls, 0.4) == 1
    # What is drawn as out of reach is by what is not ruled out.
    drawn = [(p.calls, p.return_at_least, p.return_at_most) for p in summed_up([cut]).hull]
    assert drawn == [(0, 0.0, 0.0), (2, 0.5, 1.0)]


@pytest.fixture(scope="module")
def pair() -> ModelPair:
    models = load_model("builtin:babyai-quick"), load_model("builtin:babyai-deepthink")
    return ModelPair(*models, lambda: make_env("londi/BabyAIText-MixedTrainLocal-v0"))


def returned(pair: ModelPair, seed: int, choices: Sequence[int]) -> tuple[float, bool]:
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


def test_models_that_draw_have_no_limit(pair: ModelPair) -> None:
    with pytest.raises(InvalidConfig, match="expected deterministic models, got 'random'"):
        clairvoyant(
            LimitConfig(episodes=1), pair=ModelPair(RandomModel(0), pair.deepthink, pair.make)
        )


def test_an_environment_that_does_not_tell_its_returns_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="expected one that tells its least and greatest"):
        clairvoyant(LimitConfig(episodes=1), pair=ModelPair(quick(), deepthink(), Corridor))


# Worlds that cannot be rewound.

DEPTH = 6


class Tree(Texts):
    """Each way is a state of its own, with a reward by its letters and the seed."""

    metadata = {"waits": True, "returns": (-1.0, 1.0)}  # noqa: RUF012
    aborted = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        self._way, self._total = f"{seed} ", 0.0
        return self._way, self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._way += action
        if self.aborted and self._way.endswith("aab"):
            return self._way, 0.0, False, True, self._info() | {"aborted": "it died"}
        luck = Random(self._way)
        total = luck.choice([-1.0, self._total, self._total, max(self._total, luck.random())])
        reward, self._total = total - self._total, total
        over = len(self._way.split()[-1]) == DEPTH
        return self._way, reward, total == -1.0, over, self._info()

    def _info(self) -> dict[str, Any]:
        return {"goal": "climb", "actions": ()}


class Insists(BaseModel):
    """Does the same everywhere."""

    def __init__(self, action: str) -> None:
        self.name = self.fingerprint = self._action = action

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [Reply(self._action, 0.0, 1.0, Usage()) for _ in prompts]


@pytest.fixture
def climbers() -> ModelPair:
    return ModelPair(Insists("a"), Insists("b"), Tree)


def climbed(seed: int, choices: Sequence[int]) -> tuple[float, int]:
    """The return of a sequence of choices, and its calls."""
    env, total, calls = Tree(), 0.0, 0
    env.reset(seed=seed)
    for g in choices:
        _, reward, terminated, truncated, _ = env.step("ab"[g])
        total, calls = total + reward, calls + g
        if terminated or truncated:
            break
    return total, calls


EVERY = list(itertools.product((0, 1), repeat=DEPTH))


def test_ways_are_gone_again_where_a_world_cannot_be_rewound(climbers: ModelPair) -> None:
    found = clairvoyant(LimitConfig(episodes=7, most_calls=4, states=100), pair=climbers)
    for b in found.episodes:
        tried = [climbed(b.episode, choices) for choices in EVERY]
        assert b.complete
        assert b.at_least == b.at_most
        for k in range(5):
            assert b.at_least[k] == pytest.approx(max(r for r, calls in tried if calls <= k))


@pytest.mark.parametrize("states", [1, 5, 12, 20])
def test_bounds_hold_wherever_it_stopped_and_the_ends_come_first(
    climbers: ModelPair, states: int
) -> None:
    found = clairvoyant(LimitConfig(episodes=7, most_calls=6, states=states), pair=climbers)
    for b in found.episodes:
        tried = [climbed(b.episode, choices) for choices in EVERY]
        for k in range(7):
            best = max(r for r, calls in tried if calls <= k)
            assert b.at_least[k] <= best + 1e-9 and best <= b.at_most[k] + 1e-9
        if states >= 2 * DEPTH:  # room for both models' own ways
            assert b.at_least[0] == b.at_most[0] == pytest.approx(climbed(b.episode, EVERY[0])[0])
            assert b.at_least[6] >= climbed(b.episode, EVERY[-1])[0] - 1e-9


def test_a_simulator_that_is_lost_leaves_a_gap_and_no_claim(
    climbers: ModelPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = clairvoyant(LimitConfig(episodes=7, most_calls=3, states=100), pair=climbers)
    monkeypatch.setattr(Tree, "aborted", True)
    gaps = clairvoyant(LimitConfig(episodes=7, most_calls=3, states=100), pair=climbers)
    assert any(not b.complete for b in gaps.episodes)
    for a, b in zip(gaps.episodes, whole.episodes, strict=True):
        assert (np.array(a.at_least) <= np.array(b.at_least) + 1e-9).all()
        assert (np.array(a.at_most) >= np.array(b.at_most) - 1e-9).all()


class Scaled(gym.Wrapper[str, str, str, str]):
    """Pays a share of the reward. Its states cannot be restored: that would pass it over."""

    def __init__(self, env: gym.Env[str, str], share: float = 1.0) -> None:
        super().__init__(env)
        self._share = share

    def step(self, action: str) -> Any:
        observation, reward, *rest = self.env.step(action)
        return observation, float(reward) * self._share, *rest


def test_states_taken_up_and_ways_gone_again_come_to_the_same(pair: ModelPair) -> None:
    episodes = list(held_out_seeds(2))
    kept, gone = (
        Explored(
            explore(ModelPair(pair.quick, pair.deepthink, make), episodes, states=80, minutes=5)
        ).limit(3)
        for make in (pair.make, lambda: Scaled(pair.make()))
    )
    for a, b in zip(kept.episodes, gone.episodes, strict=True):
        # Bounds of the same, one of them on states that were merged.
        assert (np.array(a.at_least) <= np.array(b.at_most) + 1e-9).all()
        assert (np.array(b.at_least) <= np.array(a.at_most) + 1e-9).all()
        assert a.at_least[0] == pytest.approx(b.at_least[0])


def test_a_wrapper_counts_in_the_limit(pair: ModelPair) -> None:
    halved = ModelPair(pair.quick, pair.deepthink, lambda: Scaled(pair.make(), 0.5))
    config = LimitConfig(episodes=2, most_calls=2, states=80)
    for part in clairvoyant(config, pair=halved).episodes:
        assert part.at_least[0] == pytest.approx(returned(halved, part.episode, [])[0])


class Counted(Tree):
    """Counts its copies; `wrong` replaces the reward from the third step on."""

    made = closed = 0
    wrong: float | None = None

    def __init__(self) -> None:
        Counted.made += 1

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        told = super().step(action)
        if self.wrong is None or len(self._way.split()[-1]) < 3:
            return told
        return told[0], self.wrong, *told[2:]

    def close(self) -> None:
        Counted.closed += 1


class Breaks(Insists):
    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        if any(len(prompt.observations) > 2 for prompt in prompts):
            raise RuntimeError("the model broke")
        return super().act(prompts)


def test_whatever_is_raised_worlds_are_closed_and_answers_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "made", 0)
    monkeypatch.setattr(Counted, "closed", 0)
    file = tmp_path / "answers.sqlite"
    broken = ModelPair(Insists("a"), Breaks("b"), Counted, AnswerStore(file))
    with pytest.raises(ModelError, match="failed: RuntimeError: the model broke"):
        clairvoyant(LimitConfig(episodes=3, states=20), pair=broken)
    assert Counted.made == Counted.closed > 0
    before = sqlite3.connect(file).execute("select count(*) from answers").fetchone()[0]
    assert before > 0, "what was answered before was paid for"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_reward_that_is_no_number_ends_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    monkeypatch.setattr(Counted, "wrong", wrong)
    players = Insists("a"), Insists("b")
    with pytest.raises(InvalidConfig, match=r"Counted, episode \d+, step 3: .* finite number"):
        clairvoyant(LimitConfig(episodes=1, states=50), pair=ModelPair(*players, Counted))


@pytest.fixture(scope="module")
def science() -> Iterator[ModelPair]:
    models = load_model("builtin:scienceworld-quick"), load_model("builtin:scienceworld-deepthink")
    options: dict[str, Any] = {"tasks": ["find-plant", "find-animal"], "limit": 8}
    with warm():
        yield ModelPair(*models, lambda: make_env("londi/ScienceWorld-v0", **options))


def test_no_play_in_the_simulator_exceeds_it(science: ModelPair) -> None:
    found = clairvoyant(LimitConfig(episodes=2, most_calls=8, states=40), pair=science)
    rng = np.random.default_rng(0)
    for b in found.episodes:
        quick = returned(science, b.episode, [])[0]
        assert b.at_least[0] == pytest.approx(quick) == b.at_most[0]
        assert b.at_least[-1] >= returned(science, b.episode, [1] * 8)[0] - 1e-9
        for _ in range(2):
            choices = (rng.random(8) < 0.4).astype(int).tolist()
            assert returned(science, b.episode, choices)[0] <= b.at_most[sum(choices)] + 1e-9
