"""Whether an answer depends on the other prompts of its batch.

This file knows prompts and replies, and no model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.models.check import PROMPTS, differ
from londi.types import Reply


def depends_on_batch(
    act: Callable[[Sequence[Prompt]], list[Reply]], generates: bool, rounds: bool
) -> bool:
    """Whether a few prompts are answered otherwise together than alone.

    Args:
        act: asks the model.
        generates: whether it writes every action, possible ones listed or not.
        rounds: whether it computes in half precision. Rounding changes a generated token now and
            then, and all tokens behind it, so that only embeddings are compared.
    """
    asked = [PROMPTS[0], PROMPTS[1]]
    if not generates:
        asked += [replace(prompt, actions=()) for prompt in asked]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            together = act(asked)
            alone = [act([prompt])[0] for prompt in asked]
    except ModelError:
        return False  # A prompt of the game that causes this error reports it again.
    if rounds:
        together, alone = (
            [replace(reply, action="", logprob=0.0) for reply in replies]
            for replies in (together, alone)
        )
    return any(differ(*both) for both in zip(together, alone, strict=True))
