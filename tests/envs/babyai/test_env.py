"""BabyAI-Text: what is seen, and what can be done."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Box, Door, Key, Wall, WorldObj
from minigrid.minigrid_env import MiniGridEnv

from envs.babyai.playing import TEST, TRAIN, solve
from londi.envs.babyai.env import ACTIONS, BabyAIText, describe
from londi.envs.registry import BABYAI_LEVELS, MIXES, environment_names, make_env
from londi.errors import UnknownName


def view(things: dict[tuple[int, int], WorldObj], carrying: Any = None) -> list[str]:
    """What is said of a 7 x 7 view with `things` at (steps to the right, steps forward)."""
    grid = Grid(7, 7)
    for (right, forward), thing in things.items():
        grid.set(3 + right, 6 - forward, thing)
    return describe(grid.encode(), carrying)


def door(state: str, color: str) -> Door:
    return Door(color, is_open=state == "open", is_locked=state == "locked")


class TestWhatIsSaid:
    def test_nothing_in_sight(self) -> None:
        assert view({}) == []

    def test_a_thing_and_how_far_it_is(self) -> None:
        assert view({(0, 3): Ball("red")}) == ["You see a red ball 3 steps forward"]
        assert view({(-2, 0): Key("grey")}) == ["You see a grey key 2 steps left"]
        assert view({(3, 0): Box("blue")}) == ["You see a blue box 3 steps right"]

    def test_sideways_comes_before_forward(self) -> None:
        assert view({(2, 4): Box("purple")}) == [
            "You see a purple box 2 steps right and 4 steps forward"
        ]

    def test_one_step_is_singular(self) -> None:
        assert view({(0, 1): Ball("red")}) == ["You see a red ball 1 step forward"]
        assert view({(-1, 1): Key("red")}) == ["You see a red key 1 step left and 1 step forward"]

    @pytest.mark.parametrize("state", ["open", "closed", "locked"])
    def test_a_door_says_its_state_after_the_published_article(self, state: str) -> None:
        assert view({(0, 2): door(state, "red")}) == [f"You see a {state} red door 2 steps forward"]

    def test_walls_ahead_left_and_right_come_first(self) -> None:
        walls = {(0, 5): Wall(), (-3, 0): Wall(), (1, 0): Wall(), (-2, 2): Ball("green")}
        assert view(walls) == [
            "You see a wall 5 steps forward",
            "You see a wall 3 steps left",
            "You see a wall 1 step right",
            "You see a green ball 2 steps left and 2 steps forward",
        ]

    def test_only_the_nearest_wall_of_a_side_is_named(self) -> None:
        assert view({(0, 2): Wall(), (0, 4): Wall()}) == ["You see a wall 2 steps forward"]

    def test_a_wall_behind_something_is_not_named(self) -> None:
        assert view({(0, 2): Ball("red"), (0, 3): Wall()}) == ["You see a red ball 2 steps forward"]
        assert view({(-1, 0): Key("red"), (-2, 0): Wall()}) == ["You see a red key 1 step left"]

    def test_a_wall_in_front_of_something_is(self) -> None:
        assert view({(0, 2): Wall(), (0, 3): Ball("red")}) == [
            "You see a wall 2 steps forward",
            "You see a red ball 3 steps forward",
        ]

    def test_walls_off_the_three_rays_are_not_named(self) -> None:
        assert view({(1, 1): Wall(), (-2, 3): Wall()}) == []

    def test_things_come_by_columns_from_the_left_then_from_the_far_end(self) -> None:
        things = {
            (1, 2): Ball("red"),
            (0, 1): Key("blue"),
            (-1, 1): Box("grey"),
            (0, 4): Ball("green"),
            (-1, 5): Ball("yellow"),
        }
        assert view(things) == [
            "You see a yellow ball 1 step left and 5 steps forward",
            "You see a grey box 1 step left and 1 step forward",
            "You see a green ball 4 steps forward",
            "You see a blue key 1 step forward",
            "You see a red ball 1 step right and 2 steps forward",
        ]

    def test_what_is_carried_comes_first_and_is_not_seen_as_well(self) -> None:
        # minigrid draws what is carried where the agent stands.
        key = Key("yellow")
        assert view({(0, 0): key, (0, 1): Wall()}, carrying=key) == [
            "You carry a yellow key",
            "You see a wall 1 step forward",
        ]

    def test_what_is_out_of_sight_is_not_named(self) -> None:
        image = np.zeros((7, 7, 3), dtype=np.uint8)  # object 0 is "unseen"
        assert describe(image) == []


class HandBuilt(MiniGridEnv):
    """A 7 x 7 room: the agent in the middle looks up at a key one step away, a ball behind."""

    def __init__(self) -> None:
        mission = MissionSpace(mission_func=lambda: "pick up the red key")
        super().__init__(mission_space=mission, grid_size=7, max_steps=20)

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        self.grid.set(3, 2, Key("red"))
        self.grid.set(2, 4, Ball("blue"))
        self.agent_pos, self.agent_dir = (3, 3), 3
        self.mission = "pick up the red key"


def test_the_six_actions_do_what_they_say() -> None:
    env = BabyAIText(HandBuilt())
    first, info = env.reset(seed=0)
    assert info["goal"] == "pick up the red key"
    assert info["actions"] == ACTIONS
    walls = "You see a wall 3 steps left, You see a wall 3 steps right, "
    assert first == walls + "You see a red key 1 step forward"
    picked = "You carry a red key, You see a wall 3 steps forward, You see a wall 3 steps left, "
    assert env.step("pick up")[0] == picked + "You see a wall 3 steps right"
    assert env.step("turn left")[0] == (
        "You carry a red key, You see a wall 3 steps forward, You see a wall 3 steps left, "
        "You see a wall 3 steps right, You see a blue ball 1 step left and 1 step forward"
    )
    assert env.step("drop")[0] == (
        "You see a wall 3 steps left, You see a wall 3 steps right, "
        "You see a blue ball 1 step left and 1 step forward, You see a red key 1 step forward"
    )
    env.step("pick up")
    assert env.step("go forward")[0].startswith("You carry a red key, You see a wall 2 steps for")
    assert env.step("turn right")[0].startswith("You carry a red key, You see a wall 3 steps for")


def test_an_unknown_action_does_nothing_for_a_step() -> None:
    env = BabyAIText(HandBuilt())
    before, _ = env.reset(seed=0)
    after, reward, terminated, truncated, info = env.step("jump up and down")
    assert (after, reward, terminated, truncated) == (before, 0.0, False, False)
    assert info["invalid_action"] is True
    assert "invalid_action" not in env.step("toggle")[4]
    for _ in range(17):
        assert env.step("Turn left")[4]["invalid_action"]
    assert env.step("turn left")[3], "the twentieth step is the last, wasted ones included"


MADE = [*(f"{mix}-v0" for mix in MIXES), "GoToObjS6-v1", "BossLevel-v0", "UnlockToUnlock-v0"]


@pytest.mark.parametrize("level", MADE)
def test_gymnasiums_checker_has_nothing_to_say(level: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make_env(f"londi/BabyAIText-{level}").unwrapped
        check_env(env)
        check_env(make_env(f"londi/BabyAIText-{level}", expert=True).unwrapped)


def test_gymnasium_makes_it_by_name() -> None:
    env = gym.make(TRAIN)
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert info["goal"]
    assert env.spec is not None and env.spec.id == TRAIN


def test_gymnasium_makes_it_without_an_import_of_londi() -> None:
    code = f"import gymnasium; print(gymnasium.make('londi.envs:{TRAIN}').reset(seed=0)[1]['goal'])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == make_env(TRAIN).reset(seed=0)[1]["goal"]


def test_it_can_be_rendered() -> None:
    env = make_env(TRAIN, render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3


def play(name: str, seed: int, expert: bool = False) -> list[Any]:
    """Everything that the first 60 steps of random actions give."""
    env = make_env(name, expert=expert)
    rng = np.random.default_rng(seed)
    out: list[Any] = [env.reset(seed=seed)]
    for _ in range(60):
        out.append(env.step(str(rng.choice(ACTIONS))))
        if out[-1][2] or out[-1][3]:
            break
    return out


@pytest.mark.parametrize("name", [TRAIN, TEST, "londi/BabyAIText-BossLevel-v0"])
def test_a_seed_decides_the_episode(name: str) -> None:
    assert play(name, seed=5) == play(name, seed=5)
    assert play(name, seed=5) != play(name, seed=6)


def test_an_environment_used_before_gives_the_same_episode() -> None:
    env = make_env(TRAIN)
    fresh = [make_env(TRAIN).reset(seed=seed) for seed in range(8)]
    assert [env.reset(seed=seed) for seed in range(8)] == fresh


def test_the_expert_does_not_change_the_episode() -> None:
    plain, advised = play(TRAIN, seed=3), play(TRAIN, seed=3, expert=True)
    assert [step[:4] for step in plain[1:]] == [step[:4] for step in advised[1:]]
    assert all(step[4]["expert"] in (*ACTIONS, None) for step in advised[1:])
    assert all("expert" not in step[4] for step in plain[1:])


def test_the_reward_is_babyais() -> None:
    env = make_env("londi/BabyAIText-GoToObj-v0", expert=True)
    for seed in range(10):
        t, reward, success = solve(env, seed)
        # One mission in one room of 8 x 8: at most 64 steps.
        assert success and reward == pytest.approx(1 - 0.9 * t / 64)


def test_at_the_step_limit_an_episode_is_cut_not_ended() -> None:
    env = make_env("londi/BabyAIText-GoToObj-v0")
    env.reset(seed=0)
    ends = [env.step("toggle")[1:] for _ in range(64)]
    assert all(end[:3] == (0.0, False, False) for end in ends[:-1])
    reward, terminated, truncated, info = ends[-1]
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, True, False)


def test_the_list_of_levels_is_minigrids() -> None:
    theirs = [name for name in gym.registry if name.startswith("BabyAI-")]
    assert sorted(theirs) == sorted(f"BabyAI-{level}" for level in BABYAI_LEVELS)


def test_every_level_has_a_name_and_starts() -> None:
    names = [name for name in environment_names() if "BabyAIText" in name]
    assert len(names) == len(set(names)) == len(MIXES) + len(BABYAI_LEVELS)
    for name in names:
        env = make_env(name)
        observation, info = env.reset(seed=1)
        assert observation in env.observation_space and info["goal"], name
        assert env.step("turn left")[0] in env.observation_space


def test_a_slip_in_the_name_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"unknown environment .*; did you mean '(.*)'\?") as info:
        make_env("londi/BabyAIText-MixedTrainLocl-v0")
    assert TRAIN in str(info.value)


def test_a_step_of_the_text_stays_in_the_declared_characters() -> None:
    for step in play("londi/BabyAIText-KeyCorridor-v0", seed=2)[1:]:
        assert set(step[0]) <= set(make_env(TRAIN).observation_space.character_set)  # type: ignore[attr-defined]
