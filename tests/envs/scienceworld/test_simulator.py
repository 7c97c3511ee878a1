"""The pool of idle simulators, shared by threads; programs stand in for Java, which is slow."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any, cast

import pytest

from londi.envs.scienceworld.simulator import _Pool, _Program


@dataclass(eq=False)
class Program:
    ended: int = 0

    def end(self) -> None:
        self.ended += 1


def program() -> _Program:
    return cast(_Program, Program())


def ended(one: _Program) -> int:
    return cast(Any, one).ended


@pytest.fixture
def switching_often() -> Any:
    """Threads take turns as often as they can, so that a race shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching_often")
def test_many_threads_share_the_pool_without_a_race() -> None:
    pool, workers = _Pool(), 16
    pool.open()
    for _ in range(workers // 2):
        pool.give(program())
    start = Barrier(workers)

    def work(_: int) -> list[_Program]:
        held = []
        start.wait()
        for _ in range(500):
            if one := pool.take():
                held.append(one)
            if held and not pool.give(held.pop()):
                raise AssertionError("the pool is open")
        return held

    with ThreadPoolExecutor(workers) as threads:
        left = [one for held in threads.map(work, range(workers)) for one in held]
    idle = []
    while one := pool.take():
        idle.append(one)
    assert len(left) + len(idle) == workers // 2
    assert len({id(one) for one in [*left, *idle]}) == workers // 2, "none is held twice"


def test_the_last_to_leave_ends_what_is_idle() -> None:
    pool, one, late = _Pool(), program(), program()
    assert not pool.give(one), "closed: whoever has it ends it"
    pool.open()
    pool.open()
    assert pool.give(one)
    pool.close()
    assert not ended(one) and pool.take() is one
    assert pool.give(one)
    pool.close()
    assert ended(one) == 1
    assert not pool.give(late) and pool.take() is None
