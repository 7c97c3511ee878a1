"""Caution on states that a Switcher has not seen the like of.

On levels that it was not trained on a Switcher's choice can be worse than chance. A state whose
embedding lies far from those of the training (Mahalanobis distance; Lee et al., arXiv 1807.03888)
is called unfamiliar, and there the Switcher calls like a coin, at the rate that it has elsewhere.
The limit is a conformal quantile of held-back states. This file knows numbers, and no learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from londi.switching.observation import ObservationLayout
from londi.types import Array, StateDict

FAMILIAR = 0.97
"""Share of the training's own states that are to be familiar."""
LEAST = 100
"""Different states that it takes to say what is familiar."""
_RIDGE = 1e-3  # of the mean variance, for directions in which the training does not vary


class Caution(nn.Module):
    """Which states are unfamiliar, and how often to call there.

    Attributes:
        center: `[E]`, mean of the embeddings.
        whitening: `[E, E]`, brings them to unit variance.
        limit: squared distance beyond which a state is unfamiliar.
        costs: `[K]`, logarithms of costs, ascending.
        odds: `[K]`, log-odds of a call at those.
    """

    center: Tensor
    whitening: Tensor
    limit: Tensor
    costs: Tensor
    odds: Tensor

    def __init__(self, embedding: int, costs: int) -> None:
        super().__init__()
        for name, shape in (
            ("center", (embedding,)),
            ("whitening", (embedding, embedding)),
            ("limit", ()),
            ("costs", (costs,)),
            ("odds", (costs,)),
        ):
            self.register_buffer(name, torch.zeros(shape))

    @classmethod
    def fit(
        cls, seen: Array, held_back: Array, costs: Sequence[float], rates: Sequence[float]
    ) -> Self | None:
        """The caution of a Switcher; None where too few states differ.

        Args:
            seen: embeddings `[N, E]` of states of the training.
            held_back: embeddings of other ones, which set the limit.
            costs: some c, ascending, each greater than the one before by the same factor.
            rates: the share of steps at which the Switcher calls at those.
        """
        seen, held_back = np.unique(seen, axis=0), np.unique(held_back, axis=0)
        if min(len(seen), len(held_back)) < LEAST:
            return None
        made = cls(seen.shape[1], len(costs))
        covariance = np.cov(seen.T.astype(float))
        covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T
        made.center.copy_(torch.from_numpy(seen.mean(0)))
        made.whitening.copy_(torch.from_numpy(whitening))
        made.costs.copy_(torch.tensor([log(cost) for cost in costs]))
        made.odds.copy_(torch.logit(torch.tensor(rates), eps=1e-4))
        distances = made.distance(torch.from_numpy(held_back).float()).sort().values
        place = min(len(distances), ceil(FAMILIAR * (len(distances) + 1))) - 1
        made.limit.copy_(distances[place])
        return made

    @classmethod
    def of(cls, state: StateDict) -> Self:
        """The one of a checkpoint."""
        made = cls(len(state["center"]), len(state["costs"]))
        made.load_state_dict(state)
        return made

    def distance(self, embedding: Tensor) -> Tensor:
        """[B], squared Mahalanobis distances of embeddings `[B, E]`."""
        out: Tensor = ((embedding - self.center) @ self.whitening).square().sum(1)
        return out

    def usual(self, cost: Tensor) -> Tensor:
        """[B], the usual log-odds of a call at costs `[B]`, between those of the nearest costs."""
        low, high = self.costs[0], self.costs[-1]
        gap = (high - low).clamp(min=1e-9) / max(1, len(self.costs) - 1)
        at = cost.clamp(min=1e-12).log().clamp(low, high)  # in rows of nothing c is 0
        weight = (1 - ((at[:, None] - self.costs) / gap).abs()).clamp(min=0)
        out: Tensor = (weight * self.odds).sum(1)
        return out


class CautiousActor(nn.Module):
    """An actor that calls like a coin in unfamiliar states.

    Args:
        inner: logits `[B, 2]` from observations `[B, D]`.
        caution: which states those are.
        layout: of the observations.
    """

    def __init__(self, inner: nn.Module, caution: Caution, layout: ObservationLayout) -> None:
        super().__init__()
        self.inner, self.caution = inner, caution
        self._layout, self._embedding = layout, len(caution.center)

    def forward(self, observation: Tensor) -> Tensor:
        """`[B, D]` -> `[B, 2]`."""
        view = self._layout.view(observation)
        unfamiliar = self.caution.distance(view.features[:, : self._embedding]) > self.caution.limit
        odds = self.caution.usual(view.cost)
        coin = torch.stack([torch.zeros_like(odds), odds], 1)
        return torch.where(unfamiliar[:, None], coin, self.inner(observation))
