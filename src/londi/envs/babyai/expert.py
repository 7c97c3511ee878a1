"""BabyAI's bot as an expert that knows only what a reader of the prompt can know.

This file knows minigrid's planner, and no text.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from minigrid.envs.babyai.core.verifier import (
    AfterInstr,
    BeforeInstr,
    GoToInstr,
    Instr,
    ObjDesc,
    OpenInstr,
    PickupInstr,
)
from minigrid.minigrid_env import MiniGridEnv
from minigrid.utils.baby_ai_bot import (
    BabyAIBot,
    DropSubgoal,
    GoNextToSubgoal,
    PickupSubgoal,
)

from londi.envs.prompt import HISTORY


class Expert(BabyAIBot):
    """minigrid's bot, limited to what a reader of the prompt can know.

    minigrid's bot remembers everything that it has seen of a level, and its advice depends on
    that: where to look for a thing out of sight, which turn leads back to it. A model that reads
    the last few observations finds that advice inconsistent, and learns to walk in circles. This
    expert therefore remembers the last `memory` views only.

    For the same reason it fetches the key before it has seen a locked door that the mission names
    by its colour: once out of sight, the door would be forgotten and searched for again.

    minigrid's bot drops an object after picking it up, in case it must carry another. No later
    observation then shows that the first half of "pick up A, then go to B" is done. This expert
    keeps carrying the object where the second half is a "go to".

    Args:
        level: the level, just reset.
        memory: number of views that it remembers; None for all.
    """

    _SEARCHES = 200  # a plan takes a few; forgetful, the bot may plan in circles without end

    def __init__(self, level: MiniGridEnv, memory: int | None = HISTORY) -> None:
        self._views: deque[np.ndarray] = deque(maxlen=memory)
        super().__init__(level)  # type: ignore[no-untyped-call]

    def replan(self, action_taken: int | None = None) -> Any:
        self.bfs_counter = 0
        return super().replan(action_taken)  # type: ignore[no-untyped-call]

    def _breadth_first_search(self, *args: object, **kwargs: object) -> Any:
        assert self.bfs_counter < self._SEARCHES, "no end of planning"
        return super()._breadth_first_search(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _process_obs(self) -> None:
        self.vis_mask = np.zeros_like(self.vis_mask)
        super()._process_obs()  # type: ignore[no-untyped-call]
        self._views.append(self.vis_mask)
        self.vis_mask = np.logical_or.reduce(self._views)

    def _process_instr(self, instr: Instr) -> None:
        super()._process_instr(instr)  # type: ignore[no-untyped-call]
        if isinstance(instr, (BeforeInstr, AfterInstr)):
            parts = instr.instr_a, instr.instr_b
            first, second = parts if isinstance(instr, BeforeInstr) else parts[::-1]
            if isinstance(first, PickupInstr) and isinstance(second, GoToInstr):
                self.stack = [goal for goal in self.stack if not isinstance(goal, DropSubgoal)]
        elif isinstance(instr, OpenInstr) and self._locked(instr.desc):
            key = ObjDesc("key", instr.desc.color)
            key.find_matching_objs(self.mission)
            self.stack += [PickupSubgoal(self), GoNextToSubgoal(self, key)]

    @staticmethod
    def _locked(door: ObjDesc) -> bool:
        """Whether that is one colour of doors, all of them locked."""
        return bool(door.color) and all(found.is_locked for found in door.obj_set)
