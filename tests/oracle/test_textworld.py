"""The limit on TextWorld, whose states are restored and merged: against all choices, played."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from londi.config import LimitConfig
from londi.envs.episode import TextEpisode
from londi.envs.registry import make_env
from londi.models.pair import ModelPair
from londi.oracle.clairvoyant import clairvoyant
from textgames import COUNTS, Cook, Player


def played(pair: ModelPair, seed: int, choices: Sequence[int]) -> tuple[float, list[str]]:
    """The return of an episode with these choices, and the actions that did not end it."""
    episode = TextEpisode(pair.make())
    episode.start(seed)
    total, done = 0.0, False
    for g in choices:
        model = pair.deepthink if g else pair.quick
        outcome = episode.step(model.act([episode.prompt()])[0].action)
        total, done = total + outcome.reward, outcome.ended
        if done:
            break
    assert done
    return total, episode.taken[:-1]


@pytest.mark.parametrize(
    ("challenge", "quick", "deepthink", "steps"),
    [
        # QUICK opens and closes the oven, and so comes back to where it was.
        ("cooking-easy", Player("close oven", "open oven"), Cook(), 6),
        ("treasure-easy", Player("go north", "go east"), Player("take", "go south", "go west"), 6),
        ("coin-easy", Player("go north", "go east"), Player("take", "go south", "go west"), 6),
        ("coin-easy", Player(), Player("take"), 5),
    ],
)
def test_it_is_what_playing_all_choices_finds(
    challenge: str, quick: Player, deepthink: Player, steps: int, textworld_cache: str
) -> None:
    options = {"limit": steps, "cache": textworld_cache}
    pair = ModelPair(
        quick, deepthink, lambda: make_env(f"londi/TextWorld-{challenge}-v0", **options)
    )
    config = LimitConfig(episodes=COUNTS[challenge], most_calls=steps, states=10_000)
    ways = states = 0
    for found in clairvoyant(config, pair=pair).episodes:
        tried = []
        reached: set[tuple[str, ...]] = set()
        for choices in itertools.product((0, 1), repeat=steps):
            total, taken = played(pair, found.episode, choices)
            tried.append((total, sum(choices)))
            reached |= {tuple(taken[:t]) for t in range(len(taken) + 1)}
        best = [max(total for total, calls in tried if calls <= k) for k in range(steps + 1)]
        assert found.complete
        assert found.at_least == found.at_most == pytest.approx(best)
        ways, states = ways + len(reached), states + found.states
    assert COUNTS[challenge] * steps < states
    assert states < ways or steps == 5, "no two ways have met"
