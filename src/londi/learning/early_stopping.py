"""Fit a network until its loss on rows that are held back falls no more.

This file knows rows by their numbers. It does not know what is learned from them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import ceil

import numpy as np
import torch
from torch import Tensor, nn

from londi.types import Array


def fit(
    network: nn.Module,
    loss: Callable[[Tensor], Tensor],
    rows: Array,
    held: Array,
    rng: np.random.Generator,
    *,
    rate: float,
    decay: float,
    batch_size: int,
    rounds: int,
    patience: int,
    least: int = 1,
) -> float:
    """Fit `network` by AdamW; it is left as it was at its least loss on the rows held back.

    Args:
        network: what is fitted.
        loss: of these rows.
        rows: numbers of the rows to fit.
        held: numbers of those that say when to stop.
        rng: shuffles the rows.
        rate: of learning.
        decay: of the weights.
        batch_size: rows of an update.
        rounds: most rounds; each is a pass over the rows, or several where they are few.
        patience: rounds without a lesser loss after which it stops.
        least: updates of a round at least.

    Returns:
        The least loss.
    """
    stop = torch.from_numpy(held)
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay, fused=True)
    best, state, idle = float("inf"), deepcopy(network.state_dict()), 0
    batches = max(1, len(rows) // batch_size)
    for _ in range(rounds):
        for _ in range(ceil(least / batches)):
            for part in np.array_split(rng.permutation(rows), batches):
                optimizer.zero_grad()
                loss(torch.from_numpy(part)).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        with torch.no_grad():
            now = float(loss(stop))
        idle += 1
        if now < best:
            best, state, idle = now, deepcopy(network.state_dict()), 0
        if idle == patience:
            break
    network.load_state_dict(state)
    return best
