"""Which seeds are for what, so that nothing is evaluated on what it was trained on.

An episode is its seed: the same seed is the same layout, mission and start. The ranges are far
apart, and no run reaches from one into the next. This file knows nothing of the rest.
"""

from __future__ import annotations

from itertools import count
from typing import Literal

DEMONSTRATIONS = 0
"""From here on: episodes that language models are trained on."""
SWITCHING = 500_000_000
"""From here on: episodes that Switchers are trained on."""
VALIDATION = 800_000_000
"""From here on: episodes that settings are chosen by."""
HELD_OUT = 900_000_000
"""From here on: episodes that figures are reported on."""


def demonstration_seeds(seed: int, round_number: int, episodes: int) -> range:
    """The episodes of one round of demonstrations, by the run's seed (0 to 48)."""
    first = DEMONSTRATIONS + seed * 10_000_000 + round_number * 1_000_000
    return range(first, first + episodes)


def switching_seeds(seed: int) -> count[int]:
    """The endless episodes that a Switcher is trained on, by the run's seed (0 to 299)."""
    return count(SWITCHING + seed * 1_000_000)


def validation_seeds(episodes: int) -> range:
    """The first `episodes` of those that settings are chosen by."""
    return range(VALIDATION, VALIDATION + episodes)


def held_out_seeds(episodes: int) -> range:
    """The first `episodes` of those that figures are reported on."""
    return range(HELD_OUT, HELD_OUT + episodes)


Split = Literal["train", "dev", "test"]


def split_of(seed: int) -> Split:
    """The published split that an environment with one draws this episode from."""
    return "train" if seed < VALIDATION else "dev" if seed < HELD_OUT else "test"
