"""What a call adds, learned from a log of drawn choices (R-learner, Nie & Wager, arXiv 1712.04912).

A network that values both choices freely errs by more than a call adds. So what is common to both,
the value V of a state under the log's own policy, is fitted first, and taken off; what is left of
the return is regressed on how the choice differs from its probability:

    V:    min  E (G - V(s))^2
    tau:  min  E (G' - V(s) - (g - p) tau(s))^2

G is the return to come, discounted, and G' the lambda-return, which bootstraps from V and so
varies less. The same is done for the calls to come. V is always taken from a network that has not
seen the session (cross-fitting).

Where both models do the same a call adds itself and nothing else. A log that says of some steps
whether they did, as one of played episodes does of each call before which QUICK was asked, shows
how likely they are to differ, d, with far less noise than returns do; then what a call adds is

    tau(s) = (0, 1) + d(s) effect(s)

and only the effect where they differ is left to regress. Which steps the log says it of may depend
on the choice, as long as the choice depends on nothing but what is seen in s. An exact 0 in place
of tau where they are known to agree would not do: V is then of agreeing and differing steps alike.
This file knows logged steps, and nothing of where they come from.

Shapes: T logged steps; the last axis of 2 is (return, calls).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from math import ceil
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.learning.dataset import OfflineDataset
from londi.learning.early_stopping import fit
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.effects import FOLDS, EffectActor, EffectValue, StateNetwork, composed
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
KNOWN = 300
"""Steps of which a log must say whether the models agree, before it is learned where they do."""


class RLearner:
    """Fits the networks of a Switcher, one after another.

    Args:
        config: the settings.
        log: what to learn from.
        encoder: of its observations.

    Attributes:
        fitted: networks fitted so far.
        fits: networks to fit: values first, then disagreement where it is known, then effects.
    """

    def __init__(self, config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> None:
        self._config, self._log = config, log
        torch.manual_seed(config.seed)
        self._known = np.isfinite(log.agreement)
        disagreement = bool(self._known.sum() >= KNOWN)
        self.actor = EffectActor(encoder, config.width, disagreement)
        self.value_head = EffectValue(encoder, config.width, self.actor)
        self.value_head.rate.fill_(float(log.choice.mean()))
        self._seen = torch.from_numpy(log.observation)
        self._after = torch.from_numpy(log.next_observation)
        for module in self.value_head.modules():  # the actor's are among them
            if isinstance(module, StateNetwork):
                module.standardise(self._seen)
        number = np.cumsum(log.begins) - 1  # of the session
        rng = np.random.default_rng(config.seed)
        sessions = int(number[-1]) + 1
        self._fold = (rng.permutation(sessions) % FOLDS)[number]
        self._back = (rng.random(sessions) < HELD_BACK)[number]
        call, rate = log.call_propensity, log.choice.mean()
        # Where nobody knows the probability of a call it is the log's own call rate.
        self._moved = log.choice - np.where(np.isnan(call), rate, call)
        kinds = (
            (self._fit_value, self.value_head.values),
            (self._fit_disagreement, self.actor.disagreement),
            (self._fit_effect, self.actor.effects),
        )
        self._fits = [
            partial(fit_one, fold, cast(StateNetwork, network))
            for fit_one, networks in kinds
            for fold, network in enumerate(networks)
        ]
        self.fits = len(self._fits)
        self.fitted = 0

    def fit_next(self) -> float:
        """Fit the next network; its loss on the sessions that are held back."""
        best = self._fits[self.fitted]()
        self.fitted += 1
        return best

    def _fit_value(self, fold: int, network: StateNetwork) -> float:
        among = self._fold != fold
        target = torch.from_numpy(self._returns()).float()
        network.shift.copy_(target[among].mean(0))
        network.scale.copy_(_deviation(target[among]))

        def loss(rows: Tensor) -> Tensor:
            error: Tensor = (network(self._seen[rows]) - target[rows]) / network.scale
            return error.square().mean()

        return self._fit(network, loss, among, VALUE_RATE, VALUE_DECAY)

    def _fit_disagreement(self, fold: int, network: StateNetwork) -> float:
        among = (self._fold != fold) & self._known
        differ = torch.from_numpy(self._log.agreement == 0).float()[:, None]

        def loss(rows: Tensor) -> Tensor:
            return binary_cross_entropy_with_logits(network(self._seen[rows]), differ[rows])

        return self._fit(network, loss, among, VALUE_RATE, VALUE_DECAY)

    def _fit_effect(self, fold: int, network: StateNetwork) -> float:
        among = self._fold != fold
        left = torch.from_numpy(self._unexplained()).float()
        moved = torch.from_numpy(self._moved).float()[:, None]
        network.scale.copy_(_deviation(left[among]))
        differ = self._differ()

        def loss(rows: Tensor) -> Tensor:
            effect: Tensor = network(self._seen[rows])
            if differ is not None:
                effect = composed(differ[rows], effect)
            error: Tensor = (left[rows] - moved[rows] * effect) / network.scale
            return error.square().mean()

        return self._fit(network, loss, among, EFFECT_RATE, EFFECT_DECAY)

    def _fit(
        self,
        network: nn.Module,
        loss: Callable[[Tensor], Tensor],
        among: Array,
        rate: float,
        decay: float,
    ) -> float:
        return fit(
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

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher, for `Switcher.load`."""
        config = self._config
        terms = CostBudgetRange(*config.cost_range, config.most_budget)
        return {
            "algorithm": "r-learner",
            "encoder": config.encoder,
            "width": config.width,
            "cost_budget": asdict(terms),
            "disagreement": len(self.actor.disagreement) > 0,
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
        value = self._by_others(self.value_head.values, self._seen).double().numpy()
        after = self._by_others(self.value_head.values, self._after).double().numpy()
        after[log.terminated] = 0.0
        found = np.stack([log.reward, log.choice], 1).astype(float)
        for t in range(len(found) - 1, -1, -1):
            mixed = after[t] if log.ends[t] else (1 - LAMBDA) * after[t] + LAMBDA * found[t + 1]
            found[t] += gamma * mixed
        out: Array = found - value
        return out

    def _differ(self) -> Tensor | None:
        """[T, 1], how likely the models are to differ; None where the log does not tell."""
        if not self.actor.disagreement:
            return None
        return self._by_others(self.actor.disagreement, self._seen).sigmoid()

    @torch.no_grad()
    def _by_others(self, networks: nn.ModuleList, observation: Tensor) -> Tensor:
        """`[T, N]`, of each step by the network that has not seen its session."""
        fold = torch.from_numpy(self._fold)
        parts = [network(observation[fold == k]) for k, network in enumerate(networks)]
        found = torch.empty(len(observation), parts[0].shape[1])
        for k, part in enumerate(parts):
            found[fold == k] = part
        return found


def _deviation(values: Tensor) -> Tensor:
    """The standard deviations of columns, and 1 of one that does not vary."""
    found = values.std(0, correction=0)
    return torch.where(found > 0, found, torch.ones_like(found))
