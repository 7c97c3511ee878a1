"""Workers that do units of work: the seam between what is done and where.

How many workers there are says how work is shared, and so decides the result; where they are does
not. This file knows workers in this process, and nothing of Ray.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Generic, TypeVar

from londi.errors import LondiError

Context = TypeVar("Context")
Item = TypeVar("Item")
T = TypeVar("T")


class WorkersLost(LondiError):
    """Workers that were lost, one after the other, at the same unit.

    Args:
        place: of the unit.
        message: what happened.
    """

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place


class News:
    """Base of items that only tell how far a unit is; they may come more than once."""


class Workers(ABC, Generic[Context]):
    """Workers, each with a context of its own to work with: two loaded models, say.

    Attributes:
        count: how many there are.
    """

    count: int

    @abstractmethod
    def stream(
        self,
        work: Callable[..., Iterator[Item]],
        units: Sequence[tuple[Any, ...]],
        *,
        should_stop: Callable[[], bool] = lambda: False,
        reports: bool = True,
        alike: bool = False,
    ) -> Iterator[tuple[int, Item]]:
        """Do units of work, and yield the place of a unit with each item that comes of it.

        The first units go to the workers in their order, and a worker that is free takes the next
        one. A worker that is lost is replaced, and its unit begun again; items that were yielded
        before are not yielded again. So the items of a unit, `News` aside, have to be a function of
        its arguments and of the context as it was made.

        Args:
            work: a generator function of a worker's context and a unit's arguments.
            units: the arguments of each unit.
            should_stop: asked now and then; if true, no unit is begun and the stream ends.
            reports: whether items come so often that silence means that a worker hangs.
            alike: whether the contexts of all workers are alike, so that any worker that is there
                may take any unit. The unit of a lost one then goes to the next that is free.

        Raises:
            LondiError: as the work does, or if workers are lost again and again.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers, and their contexts."""


class LocalWorkers(Workers[Context]):
    """Workers that take turns in this process.

    Args:
        make: makes the context of the worker in a place.
        count: how many there are.
        end: ends a context.
        first: the context of the first worker, which is left as it is.
    """

    def __init__(
        self,
        make: Callable[[int], Context],
        count: int = 1,
        end: Callable[[Context], None] = lambda _: None,
        first: Context | None = None,
    ) -> None:
        self.count, self._make, self._end = count, make, end
        self._brought = {} if first is None else {0: first}
        self._made: dict[int, Context] = {}

    def stream(
        self,
        work: Callable[..., Iterator[Item]],
        units: Sequence[tuple[Any, ...]],
        *,
        should_stop: Callable[[], bool] = lambda: False,
        reports: bool = True,
        alike: bool = False,
    ) -> Iterator[tuple[int, Item]]:
        for place, unit in enumerate(units):
            if should_stop():
                return
            for item in work(self._context(place % self.count), *unit):
                yield place, item

    def close(self) -> None:
        while self._made:
            self._end(self._made.popitem()[1])

    def _context(self, place: int) -> Context:
        if place in self._brought:
            return self._brought[place]
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]


def shares(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """`items` in at most `count` shares, none of them empty: each a stretch, in order."""
    count = min(count, len(items))
    cuts = [len(items) * k // count for k in range(count + 1)]
    return [items[a:b] for a, b in pairwise(cuts)]


def sizes(total: int, count: int) -> list[int]:
    """`total` as `count` numbers that differ by at most one, the greater first."""
    return [total // count + (k < total % count) for k in range(count)]
