"""Players without weights: a random one, the environment's own expert, and one that errs."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, ModelError
from londi.models.base import BaseModel
from londi.types import Reply, StateDict, Usage

EXPERT = "expert"
"""Name of the expert; with a colon and a share behind it, of one that errs."""
WRONG = "I do not know."
"""What an expert that errs says where any text is an action."""

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

    name = EXPERT
    fingerprint: str | None = None

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [
            Reply(prompt.expert or next(iter(prompt.actions), ""), 0.0, 1.0, _FREE)
            for prompt in prompts
        ]


class ErringExpert(BaseModel):
    """The expert, but for a share of the kinds of actions, which it gets wrong wherever they occur.

    The first word of an action is its kind: a verb, or the name of a function. The kinds that it
    gets wrong are the same in every process. There it does another one of the possible actions, or
    says `WRONG` where any text is one. It is as sure of itself as the expert, so that a threshold
    on its confidence tells nothing.

    Args:
        share: share of all kinds that it gets wrong.

    Raises:
        InvalidConfig: if that is no share.
    """

    fingerprint: str | None = None

    def __init__(self, share: float) -> None:
        if not 0 <= share <= 1:
            raise InvalidConfig(f"expert:SHARE: expected a share from 0 to 1, got {share!r}")
        self.name = f"{EXPERT}:{share:g}"
        self._share = share

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        return [
            Reply(_other(prompt), 0.0, 1.0, _FREE) if self.errs(prompt) else reply
            for prompt, reply in zip(prompts, ExpertModel().act(prompts), strict=True)
        ]

    def errs(self, prompt: Prompt) -> bool:
        """Whether it gets the action wrong that it is advised."""
        kind = re.match(r"\w*", prompt.expert or "")
        if not kind or not kind[0]:  # without advice there is nothing to get wrong
            return False
        drawn = int.from_bytes(hashlib.sha256(kind[0].encode()).digest()[:8], "big") / 2**64
        return drawn < self._share


def is_expert(name: str) -> bool:
    """Whether the model of that name reads the advice of the environment's expert."""
    return name == EXPERT or name.startswith(f"{EXPERT}:")


def expert(name: str) -> BaseModel:
    """The expert of that name.

    Raises:
        InvalidConfig: if there is no number from 0 to 1 behind its colon.
    """
    _, colon, share = name.partition(":")
    if not colon:
        return ExpertModel()
    try:
        return ErringExpert(float(share))
    except ValueError as error:
        raise InvalidConfig(f"expert:SHARE: expected a share from 0 to 1, got {share!r}") from error


def _other(prompt: Prompt) -> str:
    """An action other than the one that is advised."""
    return next((action for action in prompt.actions if action != prompt.expert), WRONG)
