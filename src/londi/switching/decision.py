"""A choice between QUICK and DEEPTHINK, drawn in one place and written down with its propensity.

This file knows probabilities, and neither environments nor networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from londi.types import Array


@dataclass(frozen=True, slots=True)
class Decision:
    """Choices in n states, as they were drawn.

    Attributes:
        choice: g `[n]`, 1 where DEEPTHINK is to act.
        propensity: `[n]`, the probability that each choice had at the draw.
        call_probability: `[n]`, P(g = 1) at the draw.
        exploration: share of the draw that was uniform over what is allowed, in [0, 1].
    """

    choice: Array
    propensity: Array
    call_probability: Array
    exploration: float = 0.0


def draw(
    call_probability: Array,
    allowed: Array,
    rng: np.random.Generator,
    exploration: float = 0.0,
) -> Decision:
    """Draw choices g; the one place where that is done.

    Args:
        call_probability: P(g = 1) `[n]` under the policy.
        allowed: the possible choices `[n, 2]`, bool.
        rng: where the draw comes from.
        exploration: chance of a uniform choice in place of the policy's.
    """
    call = np.asarray(call_probability, float)
    if exploration:
        call = 0.5 + (1.0 - exploration) * (call - 0.5)
    call = np.where(allowed[:, 1], call, 0.0)
    call = np.where(allowed[:, 0], call, 1.0)
    called = rng.random(len(call)) < call
    propensity = np.where(called, call, 1.0 - call)
    return Decision(called.astype(np.int64), propensity, call, exploration)
