"""Players without weights: chance, and the environment's own expert."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.types import Reply, Usage

_FREE = Usage(calls=1)


class RandomModel:
    """Chooses uniformly among the possible actions."""

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


class ExpertModel:
    """Does what the environment's expert says (BabyAI's bot); the first action without advice."""

    name = "expert"
    fingerprint = None

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [
            Reply(prompt.expert or next(iter(prompt.actions), ""), 0.0, 1.0, _FREE)
            for prompt in prompts
        ]
