"""Environments whose steps are kept: told the same as if they were made again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from londi.envs.memoized import memoized
from londi.envs.restorable import restorable
from londi.errors import InvalidConfig
from playthings import Corridor, Texts


class Slow(Texts):
    """Tells the way that was taken; a third "b" ends it, and "aborted" loses the simulator."""

    metadata = {"waits": True}  # noqa: RUF012
    begun = stepped = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        Slow.begun += 1
        self._way = str(seed)
        return self._way, {"goal": "b"}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        Slow.stepped += 1
        if action == "aborted":
            return self._way, 0.0, False, True, {"aborted": "it died"}
        self._way += action
        found = self._way.count("b")
        return self._way, found / 3, found == 3, len(self._way) == 9, {"found": found}


@pytest.fixture(autouse=True)
def uncounted() -> None:
    Slow.begun = Slow.stepped = 0


def walk(env: gym.Env[str, str], seed: int, way: str) -> Iterator[Any]:
    yield env.reset(seed=seed)
    for action in way:
        told = env.step(action)
        yield told
        if told[2] or told[3]:
            return


WAYS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.text("ab", max_size=9)))


@settings(deadline=None)
@given(ways=WAYS)
def test_it_tells_what_the_environment_tells(ways: list[tuple[int, int, str]]) -> None:
    make = memoized(Slow)
    copies = [make(), make()]
    for k, seed, way in ways:
        assert list(walk(copies[k], seed, way)) == list(walk(Slow(), seed, way))


def test_no_step_is_made_twice_by_any_copy() -> None:
    make = memoized(Slow)
    one, other = make(), make()
    list(walk(one, 5, "aab"))
    list(walk(other, 5, "aab"))
    assert (Slow.begun, Slow.stepped) == (1, 3)
    # It catches up where another way is taken, and goes on from there.
    list(walk(other, 5, "aaaa"))
    assert (Slow.begun, Slow.stepped) == (2, 3 + 4)
    list(walk(other, 5, "aaaab"))
    assert (Slow.begun, Slow.stepped) == (2, 3 + 4 + 1)


def test_what_was_lost_is_tried_again() -> None:
    env = memoized(Slow)()
    for begun in (1, 2):
        env.reset(seed=1)
        assert env.step("a")[4] == {"found": 0}
        *_, truncated, info = env.step("aborted")
        assert truncated and info == {"aborted": "it died"}
        assert Slow.begun == begun


def test_what_is_told_can_be_changed_without_harm() -> None:
    env = memoized(Slow)()
    env.reset(seed=1)[1].clear()
    env.step("a")[4].clear()
    assert list(walk(env, 1, "a")) == list(walk(Slow(), 1, "a"))


def test_episodes_without_a_seed_are_refused() -> None:
    env = memoized(Slow)()
    with pytest.raises(ValueError, match="known by their seed alone"):
        env.reset()
    with pytest.raises(ValueError, match="known by their seed alone"):
        env.reset(seed=1, options={"task": "boil"})


def test_a_broken_step_is_refused_and_not_kept() -> None:
    class Broken(Slow):
        def step(self, action: str) -> Any:
            return (*super().step(action)[:1], None, *super().step(action)[2:])

    env = memoized(Broken)()
    env.reset(seed=4)
    with pytest.raises(InvalidConfig, match="Broken, episode 4, step 1: expected a finite number"):
        env.step("a")


def test_slow_steps_are_kept_and_states_are_still_restored_past_them() -> None:
    class Reckons(Slow):
        metadata = {"slow": True, "restorable": True}  # noqa: RUF012

    env = memoized(Reckons)()
    for _ in range(2):
        list(walk(env, 5, "aab"))
    assert Slow.stepped == 3
    assert restorable(env) is env.unwrapped


def test_quick_environments_and_what_is_remembered_already_are_left_alone() -> None:
    assert memoized(Corridor) is Corridor
    make = memoized(Slow)
    assert memoized(make) is make
