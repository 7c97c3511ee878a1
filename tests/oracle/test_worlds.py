"""Environments that are put into any state: by restoring it, or by going there again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from londi.config import LimitConfig
from londi.envs.memoized import memoized
from londi.envs.registry import make_env
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds
from londi.errors import InvalidConfig
from londi.models.pair import ModelPair
from londi.models.registry import load_model
from londi.oracle.clairvoyant import Explored, clairvoyant
from londi.oracle.explore import explore
from londi.oracle.graph import Graph
from londi.oracle.worlds import Asked, Worlds
from oracle.ways import DEPTH, EVERY, Counted, Insists, Stairs, Tree, climbed, returned
from playthings import Corridor, deepthink, quick

MIX = "londi/BabyAIText-MixedTrainLocal-v0"


def test_an_environment_that_does_not_tell_its_returns_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="expected one that tells its least and greatest"):
        clairvoyant(LimitConfig(episodes=1), pair=ModelPair(quick(), deepthink(), Corridor))


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


def test_restored_states_that_meet_come_to_what_all_choices_find(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    up_and_down = ModelPair(Insists("a"), Insists("b"), Stairs)
    config = LimitConfig(episodes=5, most_calls=4, states=1000)
    found = clairvoyant(config, pair=up_and_down)
    monkeypatch.setattr(Stairs, "metadata", Stairs.metadata | {"restorable": False})
    apart = clairvoyant(config, pair=up_and_down)
    for b, each in zip(found.episodes, apart.episodes, strict=True):
        tried = [(returned(up_and_down, b.episode, choices)[0], sum(choices)) for choices in EVERY]
        best = [max(total for total, calls in tried if calls <= k) for k in range(5)]
        assert b.complete and b.at_least == b.at_most == pytest.approx(best)
        assert b.states < each.states


def test_states_are_restored_where_steps_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    config = LimitConfig(episodes=5, most_calls=4, states=1000)
    plain = clairvoyant(config, pair=ModelPair(Insists("a"), Insists("b"), Stairs))
    monkeypatch.setattr(Stairs, "metadata", Stairs.metadata | {"slow": True})
    make = memoized(Stairs)
    for b in plain.episodes:  # as where it was played before, so that nothing is begun again
        make().reset(seed=b.episode)
    assert clairvoyant(config, pair=ModelPair(Insists("a"), Insists("b"), make)) == plain


@pytest.mark.parametrize("forgets", ["steps", "height"])
def test_what_a_key_leaves_out_is_missed_in_the_limit(
    forgets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the test above can fail."""
    up_and_down = ModelPair(Insists("a"), Insists("b"), Stairs)
    config = LimitConfig(episodes=5, most_calls=4, states=1000)
    right = clairvoyant(config, pair=up_and_down)
    monkeypatch.setattr(Stairs, "forgets", forgets)
    assert clairvoyant(config, pair=up_and_down) != right


def test_a_wrapper_counts_in_the_limit(pair: ModelPair) -> None:
    halved = ModelPair(pair.quick, pair.deepthink, lambda: Scaled(pair.make(), 0.5))
    config = LimitConfig(episodes=2, most_calls=2, states=80)
    for part in clairvoyant(config, pair=halved).episodes:
        assert part.at_least[0] == pytest.approx(returned(halved, part.episode, [])[0])


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


# One step.


def at_start(worlds: Worlds, seed: int) -> Graph:
    """The graph of an episode in its first state, in which QUICK turns left and DEEPTHINK right."""
    ((graph, _),) = worlds.begin([seed])
    graph.open(0, ("turn left", "turn right"))
    return graph


def test_a_world_that_does_not_wait_is_alone_and_asked_much_at_once() -> None:
    with Worlds(lambda: make_env(MIX)) as worlds:
        assert (worlds.slots, worlds.batch) == (256, 256)
        assert worlds.reach == (0.0, 1.0)


def test_worlds_that_wait_are_several_and_each_has_an_episode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Counted, "made", 0)
    monkeypatch.setattr(Counted, "closed", 0)
    with Worlds(Counted) as worlds:
        assert (worlds.slots, worlds.batch, worlds.reach) == (4, 1, (-1.0, 1.0))
        assert Counted.made - Counted.closed == 4
    assert Counted.made == Counted.closed


def test_a_choice_made_from_a_saved_state_is_the_step_of_the_episode() -> None:
    """Whatever else was tried before it, in this episode and in another one."""
    plain = make_env(MIX)
    with Worlds(lambda: make_env(MIX)) as worlds:
        first, second = (at_start(worlds, seed) for seed in (3, 4))
        asked: list[Asked] = [(0, graph, 0, g) for graph in (first, second) for g in (0, 1)]
        for (_, graph, _, g), reached in zip(
            [*asked, *asked], worlds.step([*asked, *asked]), strict=True
        ):
            plain.reset(seed=graph.seed)
            seen, *_ = plain.step(("turn left", "turn right")[g])
            assert reached and reached.state
            assert reached.gain == 0.0
            assert reached.state.prompt.observations[-1] == seen
            assert reached.state.prompt.past == (("turn left", "turn right")[g],)
    plain.close()


def test_states_that_behave_alike_have_one_key() -> None:
    """Two ways to one view are told apart by what the prompt still shows."""
    with Worlds(lambda: make_env(MIX)) as worlds:
        graph = at_start(worlds, 3)

        def gone(*choices: int) -> int:
            """The place behind these choices, each state opened on the way."""
            place = 0
            for g in choices:
                (reached,) = worlds.step([(0, graph, place, g)])
                assert reached and reached.state
                place = graph.known.get(reached.state.key, -1)
                if place < 0:
                    place = graph.add(reached.state, 0.0, graph.ways[0])
                    graph.open(place, ("turn left", "turn right"))
            return place

        assert gone(0, 1, 0) != gone(0), "the same place, and another past"
        assert gone(0, 1, 0) == gone(0, 1, 0)
        # Of six turns the prompt shows the last three views: those before left the same state.
        assert gone(0, 1, 1, 0, 0, 1) == gone(1, 0, 1, 0, 0, 1)


def test_a_success_is_a_gain_of_one_and_worth_less_the_later_it_comes() -> None:
    env = make_env("londi/BabyAIText-GoToObjS4-v0", expert=True)
    with Worlds(lambda: make_env("londi/BabyAIText-GoToObjS4-v0")) as worlds:
        ((graph, _),) = worlds.begin([5])
        assert graph.worth is not None
        _, info = env.reset(seed=5)
        place, steps, ended = 0, 0, False
        while not ended:
            graph.open(place, (info["expert"], "drop"))
            (reached,) = worlds.step([(0, graph, place, 0)])
            _, reward, ended, _, info = env.step(info["expert"])
            steps += 1
            assert reached and (reached.state is None) == ended
            assert reached.gain == (1.0 if ended else 0.0)
            if reached.state:
                place = graph.add(reached.state, 0.0, graph.ways[0])
        assert reward == pytest.approx(graph.worth[steps]) and steps > 1
        assert all(np.diff(graph.worth) < 0)
    env.close()


def test_a_way_that_is_gone_again_has_its_own_rewards_and_no_state_is_merged() -> None:
    with Worlds(Tree) as worlds:
        ((graph, prompt),) = worlds.begin([3])
        assert graph.worth is None and prompt.observations == ("3 ",)
        graph.open(0, ("a", "b"))
        places = [0]
        for g in (1, 0):
            (reached,) = worlds.step([(0, graph, places[-1], g)])
            assert reached
            if not reached.state:
                break
            places.append(graph.add(reached.state, 0.0, graph.ways[0]))
            graph.open(places[-1], ("a", "b"))
            way = [1, 0][: len(places) - 1]
            assert reached.gain == pytest.approx(climbed(3, way)[0] - climbed(3, way[:-1])[0])
            assert reached.state.prompt.observations[-1] == "3 " + "".join("ab"[h] for h in way)
        assert len(set(graph.known)) == len(places) > 1


class Dies(Tree):
    """Breaks off at each "b", once it is told to."""

    metadata = Tree.metadata | {"waits": False}
    dead = False

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        told = super().step(action)
        if self.dead and action == "b":
            return told[0], 0.0, False, True, told[4] | {"aborted": "it died"}
        return told


def test_a_way_that_breaks_off_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with Worlds(Dies) as worlds:
        ((graph, _),) = worlds.begin([3])
        graph.open(0, ("a", "b"))
        (reached,) = worlds.step([(0, graph, 0, 1)])
        assert reached and reached.state
        place = graph.add(reached.state, 0.0, graph.ways[0])
        graph.open(place, ("a", "b"))
        assert None not in worlds.step([(0, graph, place, 0)])
        monkeypatch.setattr(Dies, "dead", True)
        # Neither a step that is broken off nor one behind it says anything of the state.
        assert worlds.step([(0, graph, 0, 1), (0, graph, place, 0)]) == [None, None]
        assert None not in worlds.step([(0, graph, 0, 0)])
