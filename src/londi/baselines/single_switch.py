"""A single switch: QUICK plays K steps, then a value decides once who plays the rest.

This is the form of SWE-Router (arXiv 2607.00053). There the small model makes K exploratory turns,
K from 1 to 4; a value head reads what came of them, and predicts the success, less its cost, of
going on with it and of the large model from there; the large one takes over where its value is
greater. Here the two values are returns to come, and the cost is a margin. This file knows arrays,
and nobody who plays.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from londi.baselines.routers import fit_scorer
from londi.baselines.rules import Memory
from londi.learning.dataset import OfflineDataset
from londi.switching.observation import ObservationLayout, steps_made
from londi.switching.switcher import Switcher
from londi.types import Array


class SingleSwitcher(Switcher):
    """QUICK for k steps, then one model for the rest: DEEPTHINK where it gains more than a margin.

    It remembers which, slot by slot: one player at a time.

    Args:
        scorer: the return to come where QUICK goes on, and where DEEPTHINK takes over, `[B, 2]`.
        encoder: the spec of the encoder that it reads.
        size: the features of that.
        k: steps of QUICK, >= 1.
        margin: the gain in return above which DEEPTHINK takes over.
    """

    def __init__(self, scorer: nn.Module, encoder: str, size: int, k: int, margin: float) -> None:
        self.encoder = encoder
        self.k, self.margin = k, margin
        self._scorer, self._layout = scorer, ObservationLayout(size)
        self._switched = Memory()

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        steps = steps_made(self._layout.view(observation))
        kept = self._switched.at(steps == 0)
        switched = np.where(steps == self.k, gains(self._scorer, observation) > self.margin, kept)
        self._switched.keep(switched)
        return np.where(allowed[:, 1], switched, 0.0)


def gains(scorer: nn.Module, observation: Array) -> Array:
    """By how much more of return DEEPTHINK ends these episodes than QUICK, `[B]`."""
    with torch.inference_mode():
        scores = scorer(torch.from_numpy(observation))
    out: Array = (scores[:, 1] - scores[:, 0]).numpy()
    return out


def learn_switch_values(
    scorer: nn.Module, quick: OfflineDataset, handover: OfflineDataset, size: int, seed: int
) -> None:
    """Teach `scorer` the return to come of either model, in states that QUICK has led to.

    Args:
        scorer: as `SingleSwitcher` reads it.
        quick: episodes that QUICK played alone; all states but the first are learned from.
        handover: episodes in which DEEPTHINK took over from QUICK; the states in which it did.
        size: features of the encoder.
        seed: seed of the batches.
    """
    later = steps_made(ObservationLayout(size).view(quick.observation)) > 0
    taken_over = (handover.choice == 1) & ~handover.begins
    taken_over[1:] &= handover.choice[:-1] == 0
    logs = ((quick, later), (handover, taken_over))
    counts = [int(rows.sum()) for _, rows in logs]
    seen = torch.from_numpy(np.concatenate([log.observation[rows] for log, rows in logs]))
    to_come = np.concatenate([log.to_come()[rows] for log, rows in logs])
    episode = np.concatenate([log.episode[rows] for log, rows in logs])
    returns = torch.from_numpy(to_come.astype(np.float32))
    choice = torch.from_numpy(np.repeat([0, 1], counts))[:, None]
    # QUICK has a row a step, DEEPTHINK one an episode; both models' values count alike.
    weight = torch.tensor([len(returns) / (2 * max(1, count)) for count in counts])

    def loss(rows: Tensor) -> Tensor:
        who = choice[rows]
        errors = scorer(seen[rows]).gather(1, who)[:, 0] - returns[rows]
        out: Tensor = (weight[who[:, 0]] * errors.square()).mean()
        return out

    fit_scorer(scorer, loss, episode, seed, decay=1e-4)


def switch_margins(
    scorer: nn.Module, quick: OfflineDataset, size: int, k: int, points: int
) -> list[float]:
    """Margins at which DEEPTHINK takes over in equal shares of QUICK's episodes, fewest first.

    The last is minus infinity: it takes over in all of them.

    Args:
        scorer: as `SingleSwitcher` reads it.
        quick: episodes that QUICK played alone.
        size: features of the encoder.
        k: steps of QUICK.
        points: number of shares.
    """
    at = steps_made(ObservationLayout(size).view(quick.observation)) == k
    if not at.any():
        return [-np.inf]
    levels = np.linspace(0, 1, points + 1)[1:-1]
    found = np.quantile(gains(scorer, quick.observation[at]), levels)
    return [*found[::-1].tolist(), -np.inf]
