"""A text environment seen as the prompts of one episode after the other.

It joins an environment and its history, and can take up an episode again by doing its actions
anew. This file knows no model and nothing of switching.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from londi.envs.histories import HISTORIES
from londi.envs.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one action led to.

    Attributes:
        reward: the task's own.
        terminated, truncated: the episode ended here, or was cut off.
        success: it ended well.
        substituted_action: what was done in place of an action that the environment does not know.
        aborted: why the environment broke off, if it did.
    """

    reward: float
    terminated: bool
    truncated: bool
    success: bool
    substituted_action: str | None = None
    aborted: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated


class TextEpisode:
    """Plays episodes of `env`, each known by its seed.

    Attributes:
        seed: of the episode that is being played.
        observations: what was seen in it so far.
        taken: the actions done in it so far, in order.
        info: what the environment said last.
        history: the name of what gathers its states into prompts.
        waits: whether a step waits for another process, so that several are worth a thread each.
        returns: the least and the greatest return of an episode, where the environment says so.
    """

    def __init__(self, env: gym.Env[str, str]) -> None:
        self._env = env
        self.history: str = env.unwrapped.metadata.get("history", "plain")
        self.waits: bool = env.unwrapped.metadata.get("waits", False)
        self.returns: tuple[float, float] | None = env.unwrapped.metadata.get("returns")

    def start(self, seed: int) -> None:
        """Begin the episode of that seed."""
        self.seed = seed
        observation, self.info = self._env.reset(seed=seed)
        self._history = HISTORIES[self.history](observation, self.info)
        self.observations = [observation]
        self.taken: list[str] = []

    def step(self, action: str) -> Outcome:
        """Do `action`, any text."""
        observation, reward, terminated, truncated, self.info = self._env.step(action)
        self._history.add(action, observation, self.info)
        self.observations.append(observation)
        self.taken.append(action)
        success = bool(self.info.get("success", terminated and float(reward) > 0))
        return Outcome(
            float(reward),
            bool(terminated),
            bool(truncated),
            success,
            self.info.get("substituted_action"),
            self.info.get("aborted"),
        )

    def resume(self, seed: int, taken: Sequence[str]) -> None:
        """Begin the episode of that seed and do `taken` again: environments are deterministic."""
        self.start(seed)
        for action in taken:
            self.step(action)

    def prompt(self) -> Prompt:
        """The state now, with what the environment's expert would do, if it says so."""
        return self._history.prompt()

    @property
    def name(self) -> str:
        """What the environment is called."""
        spec: Any = self._env.spec
        return str(spec.id if spec else self._env)

    def close(self) -> None:
        """Let go of the environment."""
        self._env.close()
