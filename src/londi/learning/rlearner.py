"""What a call adds, learned from a log of drawn choices (R-learner, Nie & Wager, arXiv 1712.04912).

A network that values both choices freely errs by more than a call adds. So what is common to both,
the value V of a state under the log's own policy, is fitted first, and taken off; what is left of
the return is regressed on how the choice differs from its probability:

    V:    min  E (G - V(s))^2
    tau:  min  E (G' - V(s) - (g - p) tau(s))^2

G is the return to come, discounted, and G' the lambda-return, which bootstraps from V and so
varies less. The same is done for the calls to come. V is always taken from a network that has not
seen the session (cross-fitting). This file knows logged steps, and nothing of where they come from.

Shapes: T logged steps; the last axis of 2 is (return, calls).
"""

from __future__ import annotations

from dataclasses import asdict
from math import ceil

import numpy as np
import torch
from torch import Tensor

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.learning.dataset import OfflineDataset
from londi.learning.early_stopping import fit
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.effects import FOLDS, EffectActor, EffectValue, StateNetwork
from londi.types import Array, StateDict

LAMBDA = 0.9
"""Of the lambda-return."""
HELD_BACK = 0.15
"""Share of the sessions that say when to stop a fit."""
PATIENCE = 5
"""Rounds without a better one after which a fit stops."""
ROUND = 100
"""Least updates of a round, which is a pass over a log that is not small."""
VALUE_RATE, EFFECT_RATE = 5e-4, 3e-4
VALUE_DECAY, EFFECT_DECAY = 0.1, 0.3
FITS = 2 * FOLDS
"""Networks to fit: values first, then effects."""


class RLearner:
    """Fits the networks of a Switcher, one after another.

    Args:
        config: the settings.
        log: what to learn from.
        encoder: of its observations.

    Attributes:
        fitted: networks fitted so far, of `FITS`.
    """

    def __init__(self, config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> None:
        self._config, self._log = config, log
        torch.manual_seed(config.seed)
        self.actor = EffectActor(encoder, config.width)
        self.value_head = EffectValue(encoder, config.width, self.actor)
        self.value_head.rate.fill_(float(log.choice.mean()))
        self._seen = torch.from_numpy(log.observation)
        self._after = torch.from_numpy(log.next_observation)
        for network in self._networks:
            network.standardise(self._seen)
        number = np.cumsum(log.begins) - 1  # of the session
        rng = np.random.default_rng(config.seed)
        sessions = int(number[-1]) + 1
        self._fold = (rng.permutation(sessions) % FOLDS)[number]
        self._back = (rng.random(sessions) < HELD_BACK)[number]
        call, rate = log.call_propensity, log.choice.mean()
        # Where nobody knows the probability of a call it is the log's own call rate.
        self._moved = log.choice - np.where(np.isnan(call), rate, call)
        self.fitted = 0

    @property
    def _networks(self) -> list[StateNetwork]:
        found = [*self.value_head.values, *self.actor.effects]
        return [network for network in found if isinstance(network, StateNetwork)]

    def fit_next(self) -> float:
        """Fit the next network; its loss on the sessions that are held back."""
        network = self._networks[self.fitted]
        among = self._fold != self.fitted % FOLDS
        if self.fitted < FOLDS:
            target = torch.from_numpy(self._returns()).float()
            network.shift.copy_(target[among].mean(0))
            network.scale.copy_(_deviation(target[among]))

            def loss(rows: Tensor) -> Tensor:
                error: Tensor = (network(self._seen[rows]) - target[rows]) / network.scale
                return error.square().mean()

            rate, decay = VALUE_RATE, VALUE_DECAY
        else:
            left = torch.from_numpy(self._unexplained()).float()
            moved = torch.from_numpy(self._moved).float()[:, None]
            network.scale.copy_(_deviation(left[among]))

            def loss(rows: Tensor) -> Tensor:
                effect: Tensor = network(self._seen[rows])
                error: Tensor = (left[rows] - moved[rows] * effect) / network.scale
                return error.square().mean()

            rate, decay = EFFECT_RATE, EFFECT_DECAY
        best = fit(
            network,
            loss,
            np.flatnonzero(among & ~self._back),
            np.flatnonzero(among & self._back),
            np.random.default_rng([self._config.seed, self.fitted]),
            rate=rate,
            decay=decay,
            batch_size=self._config.batch_size,
            rounds=ceil(self._config.passes),
            patience=PATIENCE,
            least=ROUND,
        )
        self.fitted += 1
        return best

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher, for `Switcher.load`."""
        config = self._config
        terms = CostBudgetRange(*config.cost_range, config.most_budget)
        return {
            "algorithm": "r-learner",
            "encoder": config.encoder,
            "width": config.width,
            "cost_budget": asdict(terms),
            "value_head": self.value_head.state_dict(),
        }

    def state_dict(self) -> StateDict:
        """All that a resumed run needs."""
        return {"fitted": self.fitted, "value_head": self.value_head.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """Take up what `state_dict` returned."""
        self.fitted = state["fitted"]
        self.value_head.load_state_dict(state["value_head"])  # the actor is a part of it

    def _returns(self) -> Array:
        """[T, 2], discounted return and calls to come."""
        log, gamma = self._log, self._config.gamma
        found = np.stack([log.reward, log.choice], 1).astype(float)
        for t in np.flatnonzero(~log.ends)[::-1]:
            found[t] += gamma * found[t + 1]
        return found

    def _unexplained(self) -> Array:
        """[T, 2], lambda-returns less the value of the state, or what is known of them."""
        log, gamma = self._log, self._config.gamma
        value, after = np.zeros((2, len(log.choice), 2))
        with torch.no_grad():
            for fold, network in enumerate(self.value_head.values):
                rows = self._fold == fold
                value[rows] = network(self._seen[rows]).numpy()
                after[rows] = network(self._after[rows]).numpy()
        after[log.terminated] = 0.0
        found = np.stack([log.reward, log.choice], 1).astype(float)
        for t in range(len(found) - 1, -1, -1):
            mixed = after[t] if log.ends[t] else (1 - LAMBDA) * after[t] + LAMBDA * found[t + 1]
            found[t] += gamma * mixed
        out: Array = found - value
        # Where both models say the same it is known without noise: no return, and one call.
        out[log.agreed] = self._moved[log.agreed, None] * (0.0, 1.0)
        return out


def _deviation(values: Tensor) -> Tensor:
    """The standard deviations of columns, and 1 of one that does not vary."""
    found = values.std(0, correction=0)
    return torch.where(found > 0, found, torch.ones_like(found))
