"""Rules that decide, by episodes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.baselines.rules import EverySwitcher, FirstSwitcher, Memory, StuckSwitcher
from londi.errors import InvalidConfig
from londi.switching.observation import CONTEXT, REPEATS, STEPS
from londi.switching.switcher import Switcher


def seen(steps: int, repeats: int = 0, features: tuple[float, ...] = ()) -> np.ndarray:
    """An observation without a cap and at no cost."""
    context = [0.0] * CONTEXT
    context[STEPS], context[REPEATS] = np.log1p(steps), np.log1p(repeats)
    return np.array([*features, *context], np.float32)


def choices(who: Switcher, episode: list[np.ndarray]) -> list[int]:
    """What a rule chooses along one episode in one slot."""
    anything = np.ones((1, 2), bool)
    return [int(who.call_probability(row[None], anything)[0]) for row in episode]


def test_the_first_steps_are_called_and_no_others() -> None:
    assert choices(FirstSwitcher(3), [seen(t) for t in range(6)]) == [1, 1, 1, 0, 0, 0]


@given(share=st.floats(0, 1), steps=st.integers(1, 60))
def test_calls_are_spread_evenly(share: float, steps: int) -> None:
    made = choices(EverySwitcher(share), [seen(t) for t in range(steps)])
    assert sum(made) == int(np.floor(steps * share + 1e-9))


def test_every_third_step() -> None:
    assert choices(EverySwitcher(1 / 3), [seen(t) for t in range(7)]) == [0, 0, 1, 0, 0, 1, 0]
    with pytest.raises(InvalidConfig, match=r"share: expected a number in \[0, 1\], got 1.5"):
        EverySwitcher(1.5)


def test_the_large_model_takes_over_where_there_is_no_progress() -> None:
    gains = [0, 0, 0, 0, 0, 5, 0, 0, 0]
    episode = [seen(t, features=(float(gain),)) for t, gain in enumerate(gains)]
    # Two idle steps, then two of DEEPTHINK's, and idle steps count from anew.
    assert choices(StuckSwitcher(2, 2, False), episode) == [0, 0, 1, 1, 0, 0, 0, 1, 1]
    repeats = [0, 0, 1, 2, 0, 0, 1, 1, 0]
    episode = [seen(t, r, (0.0,)) for t, r in enumerate(repeats)]
    assert choices(StuckSwitcher(1, 1, True), episode) == [0, 0, 1, 1, 0, 0, 1, 1, 0]


def test_a_rule_forgets_where_an_episode_begins() -> None:
    rule = StuckSwitcher(2, 5, False)
    idle = [seen(t, features=(0.0,)) for t in range(4)]
    assert choices(rule, idle) == [0, 0, 1, 1]
    assert choices(rule, idle) == [0, 0, 1, 1]


def test_rules_call_nobody_without_a_budget() -> None:
    nothing = np.array([[True, False]])
    rows = seen(0)[None], seen(0, features=(0.0,))[None]
    for who, row in ((FirstSwitcher(9), rows[0]), (EverySwitcher(1.0), rows[0])):
        assert who.call_probability(row, nothing).tolist() == [0.0]
    assert StuckSwitcher(1, 1, True).call_probability(rows[1], nothing).tolist() == [0.0]


def test_a_memory_is_kept_slot_by_slot() -> None:
    memory, nowhere = Memory(5.0), np.zeros(2, bool)
    assert memory.at(nowhere).tolist() == [5.0, 5.0]
    memory.keep(np.array([1.0, 2.0]))
    assert memory.at(nowhere).tolist() == [1.0, 2.0]
    assert memory.at(np.array([False, True])).tolist() == [1.0, 5.0]
