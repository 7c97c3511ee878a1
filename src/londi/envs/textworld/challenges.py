"""The games that can be named: TextWorld's challenges, each at three sizes.

This file knows names and settings, and imports no TextWorld, so that naming starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KINDS = ("cooking", "treasure", "coin")
SIZES = ("easy", "medium", "hard")


@dataclass(frozen=True, slots=True)
class Challenge:
    """How the games of one kind and size are made.

    Attributes:
        maker: the module of `textworld.challenges` that makes them, and a package around it.
        settings: its settings.
    """

    maker: str
    settings: Mapping[str, object]


def _cooking(ingredients: int, rooms: int) -> Challenge:
    skills = {"recipe": ingredients, "take": ingredients, "go": rooms}
    rest: dict[str, object] = {
        "open": True,
        "cut": True,
        "cook": True,
        "drop": False,
        "recipe_seed": 0,
        "split": None,
    }
    return Challenge("tw_cooking.cooking", {**skills, **rest})


def _treasure(level: int) -> Challenge:
    return Challenge("tw_treasure_hunter.treasure_hunter", {"level": level})


def _coin(level: int) -> Challenge:
    return Challenge("tw_coin_collector.coin_collector", {"level": level})


CHALLENGES: dict[str, Challenge] = {
    "cooking-easy": _cooking(1, 1),
    "cooking-medium": _cooking(2, 6),
    "cooking-hard": _cooking(3, 9),
    # TextWorld's own modes: five rooms; ten, with closed doors and containers; twenty, with keys.
    "treasure-easy": _treasure(6),
    "treasure-medium": _treasure(15),
    "treasure-hard": _treasure(24),
    # Ten rooms on the way, with none, one or two dead ends at each.
    "coin-easy": _coin(10),
    "coin-medium": _coin(110),
    "coin-hard": _coin(210),
}
"""Challenges by name."""
