"""Graph of the states that two deterministic models can reach in one episode.

From each state, QUICK's action leads to one state and DEEPTHINK's action to one, often the same.
States that behave alike are one node. This file knows what has been explored and what to explore
next; not how an environment is put into a state, nor which choice is best.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from londi.envs.prompt import Prompt

ENDED, UNKNOWN, CUT = -1, -2, -3
"""Where a choice leads if not to a state: to the end of the episode; unknown, since it has not been
explored yet; or unknown for good, since it is lost or there is no room for more states."""
BEGAN = -1
"""Where the first state of an episode was reached from."""

Floats = npt.NDArray[np.float64]


class State(NamedTuple):
    """A state that was reached.

    Attributes:
        key: equal for states that nothing tells apart.
        kept: the data that restores it.
        prompt: the prompt that the models read.
    """

    key: bytes
    kept: Any
    prompt: Prompt


class Successor(NamedTuple):
    """The result of a step.

    Attributes:
        gain: the reward, as a share of the reward of a success at that step.
        state: the next state; None where the episode ended.
    """

    gain: float
    state: State | None


class Deviations(NamedTuple):
    """How far a path deviates from one model acting alone, counted where the models disagree.

    Attributes:
        calls: disagreements at which DEEPTHINK acted.
        declined: disagreements at which QUICK acted.
        steps: all steps of the path.
    """

    calls: int
    declined: int
    steps: int

    def then(self, g: int, agreed: bool) -> Deviations:
        """The counts after one more step, with choice `g`."""
        counts = (0, 0) if agreed else (g, 1 - g)
        return Deviations(self.calls + counts[0], self.declined + counts[1], self.steps + 1)

    def least(self, other: Deviations) -> Deviations:
        """The smaller of each number."""
        return Deviations(*map(min, self, other))

    @property
    def level(self) -> int:
        """Deviations from the nearer of the two models acting alone."""
        return min(self.calls, self.declined)


@dataclass(slots=True)
class Graph:
    """The explored part of one episode's graph, and the choices to explore next.

    A state is known by its place, a number; the first state has place 0.

    Attributes:
        seed: seed of the episode.
        reach: the least and the greatest sum of gains of an episode.
        worth: [horizon + 1], the reward for a gain of 1 after so many steps; None if it is 1 at
            every step, and a state's path gives its time.
        kept: for each state, the data that restores it; None once that is not needed.
        came: for each state, the place from which it was first reached; `BEGAN` for the first.
        earned: for each state, the sum of gains on the path to it.
        actions: for each state, the actions of (QUICK, DEEPTHINK); None until they were asked.
        after: for each state, where those lead.
        gain: for each state, the gains of those.
        ways: for each state, the smallest deviations of any path to it.
        known: the place of each state, by its key.
        waiting: choices to explore, those of the lowest level and the newest first.
        pushed: number of choices ever put there.
    """

    seed: int
    reach: tuple[float, float]
    worth: Floats | None = None
    kept: list[Any] = field(default_factory=list)
    came: list[int] = field(default_factory=list)
    earned: list[float] = field(default_factory=list)
    actions: list[tuple[str, str] | None] = field(default_factory=list)
    after: list[list[int]] = field(default_factory=list)
    gain: list[list[float]] = field(default_factory=list)
    ways: list[Deviations] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    waiting: list[tuple[int, int, int, int]] = field(default_factory=list)
    pushed: int = 0

    @property
    def level(self) -> float:
        """Level of the choice to explore next; infinite if none is left."""
        while self.waiting and self.after[self.waiting[0][2]][self.waiting[0][3]] != UNKNOWN:
            heapq.heappop(self.waiting)  # explored since, from elsewhere
        return self.waiting[0][0] if self.waiting else inf

    def pop(self) -> tuple[int, int]:
        """Take the (place, choice) to explore next."""
        *_, place, g = heapq.heappop(self.waiting)
        return place, g

    def add(self, state: State, earned: float, way: Deviations, came: int = BEGAN) -> int:
        """Add a new state, reached from the place `came`, and return its place.

        `open` must follow.
        """
        place = self.known[state.key] = len(self.after)
        self.kept.append(state.kept)
        self.came.append(came)
        self.earned.append(earned)
        self.actions.append(None)
        self.after.append([UNKNOWN, UNKNOWN])
        self.gain.append([0.0, 0.0])
        self.ways.append(way)
        return place

    def open(self, place: int, actions: tuple[str, str]) -> None:
        """Put the choices of a state up for exploring, now that the actions are known."""
        self.actions[place] = actions
        self._wait(place)

    def action(self, place: int, g: int) -> str:
        """The action of a choice in a state that was opened."""
        actions = self.actions[place]
        assert actions
        return actions[g]

    def link(self, place: int, g: int, reached: Successor | None, most: int) -> int | None:
        """Record the result of a choice.

        Args:
            place: the state in which it was made.
            g: the choice.
            reached: its result; None where it was lost.
            most: largest number of states in the graph.

        Returns:
            The place of the next state, if that is new.
        """
        new, to, gain = None, CUT, 0.0
        if reached:
            gain, state = reached
            way = self.ways[place].then(g, self._agreed(place))
            if state is None:
                to = ENDED
            elif state.key in self.known:
                to = self.known[state.key]
            elif len(self.after) < most:
                new = to = self.add(state, self.earned[place] + gain, way, place)
        for h in (0, 1) if self._agreed(place) else (g,):
            self.after[place][h], self.gain[place][h] = to, gain
        if UNKNOWN not in self.after[place]:
            self.kept[place] = None
        if to >= 0 and new is None:
            self._shorten(to, way)
        return new

    @property
    def complete(self) -> bool:
        """Whether all reachable states have been explored."""
        pairs = zip(self.after, self.ways, strict=True)
        return not any(min(after) <= UNKNOWN and self._in_time(way) for after, way in pairs)

    def _agreed(self, place: int) -> bool:
        return self.action(place, 0) == self.action(place, 1)

    def _in_time(self, way: Deviations) -> bool:
        return self.worth is None or way.steps < len(self.worth) - 1

    def _wait(self, place: int) -> None:
        way = self.ways[place]
        if self.actions[place] is None or not self._in_time(way):
            return
        agreed = self._agreed(place)
        for g in (0,) if agreed else (0, 1):
            if self.after[place][g] == UNKNOWN:
                self.pushed += 1
                heapq.heappush(self.waiting, (way.then(g, agreed).level, -self.pushed, place, g))

    def _shorten(self, place: int, way: Deviations) -> None:
        """Record another path to a state, and so to the states behind it."""
        todo = deque([(place, way)])
        while todo:
            place, way = todo.popleft()
            better = self.ways[place].least(way)
            if better == self.ways[place]:
                continue
            self.ways[place] = better
            self._wait(place)
            todo += [
                (to, better.then(g, self._agreed(place)))
                for g, to in enumerate(self.after[place])
                if to >= 0
            ]
