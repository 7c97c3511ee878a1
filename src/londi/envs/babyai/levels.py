"""BabyAI levels that minigrid does not have: the mixes of BabyAI-Text.

GLAM (arXiv 2302.02662) trains on MixedTrainLocal and tests on MixedTestLocal: one room with
distractors (two with a locked door between them for "open"), and a mission drawn from go to,
pick up, open, put next to, and "pick up A then go to B" in both wordings. Training never names
a yellow box, a red key, a red door, a green ball or a grey door; the test names only these.
This file knows grids and missions, not text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from minigrid.core.constants import COLOR_NAMES
from minigrid.core.world_object import WorldObj
from minigrid.envs.babyai.core import roomgrid_level
from minigrid.envs.babyai.core.roomgrid_level import RejectSampling, RoomGridLevel
from minigrid.envs.babyai.core.verifier import (
    AfterInstr,
    BeforeInstr,
    GoToInstr,
    Instr,
    ObjDesc,
    OpenInstr,
    PickupInstr,
    PutNextInstr,
)

HELD_OUT = ("yellow box", "red key", "red door", "green ball", "grey door")
"""Things that no mission of MixedTrainLocal names, and that missions of MixedTestLocal name."""

ROOM_SIZE = 8
DISTRACTORS = 8

# minigrid reports every rejected level with a bare print; a name in its module's globals takes
# the place of the builtin there and nowhere else.
_log = logging.getLogger(__name__)
roomgrid_level.print = lambda *words: _log.debug("%s %s", *words)  # type: ignore[attr-defined]


class MixedLocal(RoomGridLevel):
    """A mix of local missions, one kind drawn at each reset.

    Args:
        held_out: name only the held-out things in missions (the test mix) or never name them
            (the training mix).
        kinds: the kinds of mission to draw from.
        wordings: how a sequence may be said, "then" and "after".
    """

    KINDS = ("goto", "pickup", "open", "putnext", "sequence")
    WORDINGS = ("then", "after")

    def __init__(
        self,
        held_out: bool = False,
        kinds: Sequence[str] = KINDS,
        wordings: Sequence[str] = WORDINGS,
        **kwargs: Any,
    ) -> None:
        self._held_out = held_out
        self._kinds = tuple(kinds)
        self._wordings = tuple(wordings)
        super().__init__(room_size=ROOM_SIZE, num_rows=1, num_cols=1, **kwargs)

    def _gen_grid(self, width: int, height: int) -> None:
        # The kind is drawn once, not again for each rejected layout: rejection must not favour
        # the kinds that are rejected less.
        self._kind = self._rand_elem(self._kinds)
        self.num_cols = 2 if self._kind == "open" else 1
        self.width = (ROOM_SIZE - 1) * self.num_cols + 1
        super()._gen_grid(self.width, height)  # type: ignore[no-untyped-call]

    def gen_mission(self) -> None:
        build: Callable[[], Instr] = getattr(self, f"_{self._kind}")
        self.instrs = build()
        mission = self.instrs.surface(self)
        named = [thing for thing in self._things(self.instrs)]
        banned = [thing in HELD_OUT for thing in named]
        if not all(flag == self._held_out for flag in banned):
            raise RejectSampling(f"{mission!r} is of the other mix")
        self.check_objs_reachable()  # type: ignore[no-untyped-call]

    @staticmethod
    def _things(instr: Instr) -> list[str]:
        """The "colour type" pairs that a mission names; a door of no colour names none."""
        parts = (
            [instr.instr_a, instr.instr_b]
            if isinstance(instr, (BeforeInstr, AfterInstr))
            else [instr]
        )
        descriptions: list[ObjDesc] = []
        for part in parts:
            if isinstance(part, PutNextInstr):
                descriptions += [part.desc_move, part.desc_fixed]
            else:
                descriptions.append(part.desc)  # type: ignore[attr-defined]
        return [f"{desc.color} {desc.type}" for desc in descriptions if desc.color]

    def _room(self, extra: int) -> list[WorldObj]:
        """One room with the agent and distractors; returns the distractors."""
        self.place_agent()
        return list(self.add_distractors(num_distractors=DISTRACTORS + extra, all_unique=False))

    def _pair(self) -> tuple[ObjDesc, ObjDesc]:
        """Two things; of one description only if there are two of it."""
        first, second = self._rand_subset(self._room(extra=2), 2)
        return ObjDesc(first.type, first.color), ObjDesc(second.type, second.color)

    def _goto(self) -> Instr:
        target = self._rand_elem(self._room(extra=1))
        return GoToInstr(ObjDesc(target.type, target.color))

    def _pickup(self) -> Instr:
        target = self._rand_elem(self._room(extra=1))
        return PickupInstr(ObjDesc(target.type, target.color))

    def _putnext(self) -> Instr:
        return PutNextInstr(*self._pair())

    def _sequence(self) -> Instr:
        first, second = self._pair()
        if self._rand_elem(self._wordings) == "then":
            return BeforeInstr(PickupInstr(first), GoToInstr(second))
        return AfterInstr(GoToInstr(second), PickupInstr(first))

    def _open(self) -> Instr:
        colors = [c for c in COLOR_NAMES if (f"{c} door" in HELD_OUT) == self._held_out]
        color = self._rand_elem(colors)
        locked = self._rand_int(0, 2)
        start = 1 - locked
        # Door 0 of a room is on its right, door 2 on its left.
        self.add_door(locked, 0, 2 if locked else 0, color=color, locked=True)
        self.add_object(start, 0, "key", color)
        self.add_distractors(start, 0, num_distractors=DISTRACTORS, all_unique=False)
        self.place_agent(start, 0)
        # The training mix leaves the colour out half of the time.
        named = color if self._held_out else self._rand_elem([None, color])
        return OpenInstr(ObjDesc("door", named))
