"""Games made before they are played, for all episodes of a run at once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from londi.envs.registry import make_env
from londi.envs.textworld.env import TextWorld
from londi.envs.textworld.games import make_games
from londi.errors import InvalidConfig


def generate_games(env: str, seeds: Iterable[int], processes: int = 1, **options: Any) -> None:
    """Make the games of these episodes that the cache does not have.

    Args:
        env: name of the environment, such as ``"londi/TextWorld-cooking-easy-v0"``.
        seeds: seeds of the episodes, such as `londi.envs.seeds.held_out_seeds(300)`.
        processes: number of games that are made at once.
        options: options of the environment.

    Raises:
        InvalidConfig: if it is no environment of TextWorld games, or `processes` is no whole
            number >= 1.
        EnvironmentFailed: if a game cannot be made; the others stay.
        LondiError: if the cache cannot be written.
    """
    with closing(make_env(env, **options)) as made:
        world = made.unwrapped
        if not isinstance(world, TextWorld):
            raise InvalidConfig(f"env: expected an environment of TextWorld games, got {env!r}")
        make_games([world.game_of(seed) for seed in seeds], world.cache, processes)
