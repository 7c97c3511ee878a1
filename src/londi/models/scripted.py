"""Players without weights: a random one, and the environment's own expert."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.models.base import BaseModel
from londi.types import Reply, StateDict, Usage

_FREE = Usage(calls=1)


class RandomModel(BaseModel):
    """A player that draws uniformly among the possible actions.

    Args:
        seed: seed of the draws.
    """

    name = "random"
    fingerprint = None

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        replies = []
        for prompt in prompts:
            count = len(prompt.actions)
            if not count:
                raise ModelError(f"model {self.name!r} needs a list of possible actions")
            action = prompt.actions[int(self.rng.integers(count))]
            replies.append(Reply(action, -math.log(count), 1 / count, _FREE))
        return replies

    def state(self) -> StateDict | None:
        """The state of the generator."""
        return dict(self.rng.bit_generator.state)

    def load_state(self, state: StateDict | None) -> None:
        """Restore the generator, so that the same draws follow."""
        if state is not None:
            self.rng.bit_generator.state = state


class ExpertModel(BaseModel):
    """A player that does what the environment's expert says (BabyAI's bot).

    Without advice it takes the first action.
    """

    name = "expert"
    fingerprint = None

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [
            Reply(prompt.expert or next(iter(prompt.actions), ""), 0.0, 1.0, _FREE)
            for prompt in prompts
        ]
