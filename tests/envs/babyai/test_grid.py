"""The faster grid does what minigrid's own does."""

from __future__ import annotations

from unittest import mock

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Key, Wall, WorldObj

from envs.babyai.playing import TRAIN
from londi import make_env
from londi.envs.babyai.grid import FastGrid

CELLS = st.one_of(
    st.none(),
    st.none(),
    st.builds(Wall),
    st.builds(Ball, st.sampled_from(["red", "blue"])),
    st.builds(Key, st.sampled_from(["red", "grey"])),
    st.builds(Box, st.just("green")),
    st.builds(Door, st.just("yellow"), st.booleans(), st.booleans()),
)


@st.composite
def grids(draw: st.DrawFn) -> tuple[Grid, FastGrid]:
    """The same cells in both."""
    width, height = draw(st.integers(3, 8)), draw(st.integers(3, 8))
    cells: list[WorldObj | None] = draw(
        st.lists(CELLS, min_size=width * height, max_size=width * height)
    )
    plain, fast = Grid(width, height), FastGrid(width, height)
    plain.grid, fast.grid = list(cells), list(cells)
    return plain, fast


def same(plain: Grid, fast: Grid) -> None:
    assert (plain.width, plain.height) == (fast.width, fast.height)
    for one, other in zip(plain.grid, fast.grid, strict=True):
        # A wall beyond the edge is a new one in both.
        assert one is other or (isinstance(one, Wall) and isinstance(other, Wall))


@settings(deadline=None)
@given(grids(), st.data())
def test_views_are_cut_rotated_and_encoded_alike(
    pair: tuple[Grid, FastGrid], data: st.DataObject
) -> None:
    x, y = (data.draw(st.integers(-9, 9)) for _ in range(2))
    width, height = (data.draw(st.integers(3, 9)) for _ in range(2))
    plain, fast = (grid.slice(x, y, width, height) for grid in pair)
    same(plain, fast)
    for _ in range(data.draw(st.integers(0, 4))):
        plain, fast = plain.rotate_left(), fast.rotate_left()
    same(plain, fast)
    assert (plain.encode() == fast.encode()).all()
    agent = data.draw(st.integers(0, plain.width - 1)), data.draw(st.integers(0, plain.height - 1))
    masks = plain.process_vis(agent), fast.process_vis(agent)
    assert (masks[0] == masks[1]).all() and masks[0].dtype == masks[1].dtype == bool
    same(plain, fast)
    seen = plain.encode(masks[0]), fast.encode(masks[1])
    assert (seen[0] == seen[1]).all()
    assert seen[0].dtype == seen[1].dtype == np.uint8 and seen[1].flags.c_contiguous


@pytest.mark.parametrize(
    "env", [TRAIN, "londi/BabyAIText-OneRoomS8-v0", "londi/BabyAIText-GoTo-v0"]
)
def test_episodes_are_the_same_on_either(env: str) -> None:
    def episode(seed: int) -> list[object]:
        made: gym.Env[str, str] = make_env(env)
        rng = np.random.default_rng(seed)
        told: list[object] = [made.reset(seed=seed)]
        for _ in range(40):
            action = rng.choice(["turn left", "turn right", "go forward", "pick up", "toggle"])
            told.append(made.step(str(action)))
        return told

    for seed in range(3):
        with mock.patch("minigrid.core.roomgrid.Grid", Grid):
            plain = episode(seed)
        assert episode(seed) == plain


def test_levels_are_made_of_it() -> None:
    env = make_env(TRAIN)
    env.reset(seed=0)
    assert type(env.unwrapped._level.grid) is FastGrid  # type: ignore[attr-defined]
