"""BabyAI-Text: minigrid's BabyAI levels with text in and text out.

Observations follow the grammar that GLAM published (arXiv 2302.02662, its `gen_graph`):
what is carried, the nearest wall ahead, to the left and to the right unless something stands
before it, then every visible thing by columns from the left and rows from the far end. This
file knows one environment; histories and prompts are written elsewhere.
"""

from __future__ import annotations

import pickle
import string
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from minigrid.core.constants import IDX_TO_COLOR, IDX_TO_OBJECT, OBJECT_TO_IDX
from minigrid.minigrid_env import MiniGridEnv
from minigrid.utils.baby_ai_bot import (
    DisappearedBoxError,
)

import londi.envs.babyai.grid  # noqa: F401  (levels are made of it)
from londi.envs.babyai.expert import Expert
from londi.envs.info import Told
from londi.envs.options import check_flags
from londi.envs.prompt import HISTORY
from londi.errors import InvalidConfig
from londi.types import Array, Info

ACTIONS = ("turn left", "turn right", "go forward", "pick up", "drop", "toggle")
"""The actions in minigrid's order, so that an index is a minigrid action."""


_DONE = 6  # minigrid's action without effect, for an unknown text


_STATES = ("open", "closed", "locked")


_UNSEEN, _EMPTY, _WALL, _DOOR = (OBJECT_TO_IDX[n] for n in ("unseen", "empty", "wall", "door"))


_CHARSET = string.ascii_letters + string.digits + string.punctuation + " "


def describe(image: np.ndarray, carrying: Any = None) -> list[str]:
    """Description of the agent's view, in the published grammar.

    Args:
        image: minigrid's partial view, `[columns, rows, 3]` of (object, colour, state); the
            agent stands in the middle of the last row and looks towards row 0.
        carrying: the minigrid object in the agent's hands, if any.
    """
    columns, rows = image.shape[:2]
    x, y = columns // 2, rows - 1
    kinds = image[:, :, 0]
    seen: list[str] = []
    if carrying is not None:
        seen.append(f"You carry a {carrying.color} {carrying.type}")
    rays = (
        (kinds[x, y - 1 :: -1] if y else kinds[x, :0], "forward"),
        (kinds[x - 1 :: -1, y] if x else kinds[:0, y], "left"),
        (kinds[x + 1 :, y], "right"),
    )
    for ray, side in rays:
        solid = np.flatnonzero(ray > _EMPTY)
        if solid.size and ray[solid[0]] == _WALL:
            seen.append(f"You see a wall {_steps(int(solid[0]) + 1, side)}")
    for i, j in np.argwhere(kinds > _WALL):
        if (i, j) == (x, y):
            continue
        kind, color, state = image[i, j]
        # The published text says "a open door"; models trained on it expect that.
        door = f"{_STATES[state]} " if kind == _DOOR else ""
        distances = []
        if i != x:
            distances.append(_steps(abs(int(i) - x), "right" if i > x else "left"))
        if j != y:
            distances.append(_steps(y - int(j), "forward"))
        what = f"{door}{IDX_TO_COLOR[color]} {IDX_TO_OBJECT[kind]}"
        seen.append(f"You see a {what} {' and '.join(distances)}")
    return seen


def _steps(count: int, side: str) -> str:
    return f"{count} step{'s' if count > 1 else ''} {side}"


class BabyAIText(gym.Env[str, str]):
    """A BabyAI level that is read and acted on in words.

    An observation is one text of comma-separated descriptions; an action is one of
    `ACTIONS`. Any other text is no error: it does nothing for a step and sets
    `info["invalid_action"]`. The reward is BabyAI's, `1 - 0.9 t / t_max` on success.
    `info` holds `goal`, `actions`, `success` and, with `expert`, the bot's next action.

    Args:
        level: the minigrid environment, already made.
        expert: ask `Expert` for its action at every step. It follows the actions that are done, so
            its advice holds on any trajectory.
        memory: number of views that the expert remembers; None for all.
        render_mode: None or ``"rgb_array"``.

    Raises:
        InvalidConfig: if `memory` is no whole number >= 1.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "returns": (0.0, 1.0),
        "rewindable": True,
    }

    def __init__(
        self,
        level: MiniGridEnv,
        expert: bool = False,
        memory: int | None = HISTORY,
        render_mode: str | None = None,
    ) -> None:
        if memory is not None and not (type(memory) is int and memory >= 1):
            raise InvalidConfig(f"memory: expected a whole number >= 1 or nothing, got {memory!r}")
        check_flags(expert=expert)
        self._level = level
        self._expert = expert
        self._memory = memory
        self._bot: Expert | None = None
        self.render_mode = render_mode
        self.observation_space = spaces.Text(max_length=8192, min_length=0, charset=_CHARSET)
        self.action_space = spaces.Text(max_length=64, min_length=0, charset=_CHARSET)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[str, Info]:
        super().reset(seed=seed)
        observation, _ = self._level.reset(seed=seed)
        if self._expert:
            self._bot = Expert(self._level, self._memory)
        return self._read(observation), self._info(None)

    def step(self, action: str) -> Told:
        known = action in ACTIONS
        index = ACTIONS.index(action) if known else _DONE
        observation, reward, terminated, truncated, _ = self._level.step(index)
        info = self._info(index)
        info["success"] = bool(terminated and float(reward) > 0)
        if not known:
            info["invalid_action"] = True
        return self._read(observation), float(reward), terminated, truncated, info

    def render(self) -> Array:
        frame: Array = self._level.get_frame()
        return frame

    def close(self) -> None:
        self._level.close()

    @property
    def horizon(self) -> int:
        """Steps after which an episode is cut off."""
        return int(self._level.max_steps)

    def reward_at(self, steps: int) -> float:
        """The reward of a success after that many steps; there is no other reward."""
        return 1.0 - 0.9 * steps / self.horizon

    def snapshot(self) -> bytes:
        """The state without its step count; equal for states that behave alike."""
        clock, self._level.step_count = self._level.step_count, 0
        kept = pickle.dumps(self._level, pickle.HIGHEST_PROTOCOL)
        self._level.step_count = clock
        return kept

    def restore(self, snapshot: bytes) -> None:
        """Go back to a state that `snapshot` returned in this process, with a step count of 0."""
        self._level = pickle.loads(snapshot)
        self._bot = None

    def _read(self, observation: Info) -> str:
        return ", ".join(describe(observation["image"], self._level.carrying))

    def _info(self, taken: int | None) -> Info:
        info: Info = {"goal": self._level.mission, "actions": ACTIONS, "success": False}
        if self._expert:
            info["expert"] = self._advice(taken)
        return info

    def _advice(self, taken: int | None) -> str | None:
        """The bot's next action; None once it has given up on the episode."""
        if self._bot is None:
            return None
        try:
            action = int(self._bot.replan(taken))
        except (DisappearedBoxError, AssertionError, IndexError):
            # The bot cannot plan from here: a box was opened, or a mission became impossible.
            self._bot = None
            return None
        return ACTIONS[action] if action < len(ACTIONS) else None
