"""Ranges of seeds by purpose, so that nothing is evaluated on episodes it was trained on.

An episode is known by its seed: the same seed gives the same layout, mission and start. The ranges
are far apart, and no run reaches from one into the next. This file knows no environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Literal

DEMONSTRATIONS = 0
"""First seed of the episodes that language models are trained on."""
SWITCHING = 500_000_000
"""First seed of the episodes that Switchers are trained on."""
VALIDATION = 800_000_000
"""First seed of the episodes that settings are chosen on."""
HELD_OUT = 900_000_000
"""First seed of the episodes that figures are reported on."""


def demonstration_seeds(seed: int, round_number: int, episodes: int) -> range:
    """Seeds of one round of demonstrations, by the run's seed (0 to 48)."""
    first = DEMONSTRATIONS + seed * 10_000_000 + round_number * 1_000_000
    return range(first, first + episodes)


def switching_seeds(seed: int) -> Iterator[int]:
    """Endless seeds that a Switcher is trained on, by the run's seed (0 to 299).

    A run has a million of its own, which come again from the first.
    """
    first = SWITCHING + seed * 1_000_000
    return chain.from_iterable(repeat(range(first, first + 1_000_000)))


def validation_seeds(episodes: int) -> range:
    """The first `episodes` seeds that settings are chosen on."""
    return range(VALIDATION, VALIDATION + episodes)


def held_out_seeds(episodes: int) -> range:
    """The first `episodes` seeds that figures are reported on."""
    return range(HELD_OUT, HELD_OUT + episodes)


def among_first(seed: int, episodes: int) -> int:
    """The seed in its place where each range has no more than so many different episodes."""
    first = max(begun for begun in _RANGES if begun <= seed)
    return first + (seed - first) % episodes


_RANGES = (DEMONSTRATIONS, SWITCHING, VALIDATION, HELD_OUT)

Split = Literal["train", "dev", "test"]


def split_of(seed: int) -> Split:
    """The published split that an episode is drawn from, where an environment has splits."""
    return "train" if seed < VALIDATION else "dev" if seed < HELD_OUT else "test"
