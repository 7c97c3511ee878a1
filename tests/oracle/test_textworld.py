"""The limit on TextWorld, whose states are restored and merged: against all choices, played."""

from __future__ import annotations

import itertools

import pytest

from londi.config import LimitConfig
from londi.envs.registry import make_env
from londi.models.pair import ModelPair
from londi.oracle.clairvoyant import clairvoyant
from oracle.ways import returned
from textgames import COUNTS, Cook, Player

STEPS = 5


@pytest.mark.parametrize(
    ("challenge", "deepthink"),
    [("cooking-easy", Cook("cook")), ("treasure-easy", Player("b")), ("coin-easy", Player("b"))],
)
def test_it_is_what_playing_all_choices_finds(
    challenge: str, deepthink: Player, textworld_cache: str
) -> None:
    options = {"limit": STEPS, "cache": textworld_cache}
    pair = ModelPair(
        Player("a"), deepthink, lambda: make_env(f"londi/TextWorld-{challenge}-v0", **options)
    )
    config = LimitConfig(episodes=COUNTS[challenge], most_calls=STEPS, states=10_000)
    episodes = clairvoyant(config, pair=pair).episodes
    for found in episodes:
        played = [
            (returned(pair, found.episode, choices)[0], sum(choices))
            for choices in itertools.product((0, 1), repeat=STEPS)
        ]
        best = [max(total for total, calls in played if calls <= k) for k in range(STEPS + 1)]
        assert found.complete
        assert found.at_least == found.at_most == pytest.approx(best)
    assert min(found.states for found in episodes) < 2**STEPS - 1, "no two ways met"
