"""Logs, networks and models that baselines learn from, made on first use and kept in a folder.

This file knows how what is shared is recorded and kept, and not which baselines there are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.seeds import switching_seeds
from londi.errors import LondiError
from londi.learning.dataset import OfflineDataset
from londi.learning.logs import cached_dataset, collect
from londi.models.pair import ModelPair
from londi.storage.checkpoint import has_state, load_state, save_state
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.switcher import Switcher

ROUTED = 40
"""Steps of a log for each episode that both models play alone, for the router of episodes."""
HANDOVERS = (1, 2, 3, 4, 6, 8)
"""Steps that QUICK makes before the single switch; the paper tries the first four."""


class BaselineContext:
    """Logs, networks and models that the baselines of one training seed share, made on first use.

    Args:
        folder: where to keep what was learned.
        training: the configuration of the universal Switcher that they are held against; what is
            learned here has its encoder, its width, its discount and its seed.
        switcher: that Switcher.
        pair: the models and their environment.
        log_steps: steps of each log.
        switchyard: the interpreter that has `nemo-switchyard`; empty for this one.
    """

    def __init__(
        self,
        folder: Path,
        training: TrainConfig,
        switcher: Switcher,
        pair: ModelPair,
        log_steps: int,
        switchyard: str = "",
    ) -> None:
        terms = CostBudgetRange.of(training)
        assert terms
        self.folder, self.training, self.switcher, self.pair = folder, training, switcher, pair
        self.terms = terms
        self.log_steps, self.switchyard = log_steps, switchyard

    @cached_property
    def encoder(self) -> Encoder:
        return make_encoder(self.training.encoder, self.pair.quick, self.pair.deepthink)

    @cached_property
    def varied(self) -> OfflineDataset:
        """Episodes of random switching, each at a call rate of its own."""
        return self._record("varied", lambda rng: rng.random(), steps=self.log_steps)

    @cached_property
    def even(self) -> OfflineDataset:
        """Episodes in which every step's choice is a toss of its own.

        Where a choice hints at the episode's other choices, what follows it is not its merit.
        """
        return self._record("even", lambda rng: 0.5, steps=self.log_steps)

    def alone(self, rate: float) -> OfflineDataset:
        """Episodes that one model plays alone: QUICK at a rate of 0, DEEPTHINK at 1."""
        name = "deepthink" if rate else "quick"
        return self._record(name, lambda rng: rate, episodes=self.log_steps // ROUTED)

    @cached_property
    def handover(self) -> OfflineDataset:
        """Episodes that QUICK begins, and that DEEPTHINK plays to their end from some step on.

        The number of QUICK's steps is drawn from `HANDOVERS`.
        """
        return self._record(
            "handover",
            lambda rng: 1.0,
            steps=self.log_steps,
            quick_steps=lambda rng: int(rng.choice(HANDOVERS)),
        )

    def network(
        self, name: str, make: Callable[[], nn.Module], learn: Callable[[Any], None]
    ) -> Any:
        """The network of that name: taught by `learn`, unless it is kept already.

        Raises:
            LondiError: if the one that is kept is of another release, or of other settings.
        """
        torch.manual_seed(self.training.seed)
        network, kept = make(), self.folder / name
        if has_state(kept):
            try:
                network.load_state_dict(load_state(kept))
            except RuntimeError as error:
                raise LondiError(
                    f"the network in {str(kept)!r} does not fit: it was learned by another release"
                    " of londi, or with other settings; remove it, or compare in another folder"
                ) from error
        else:
            learn(network)
            save_state(kept, network.state_dict())
        return network.eval().requires_grad_(False)

    def _record(
        self,
        name: str,
        rate: Callable[[np.random.Generator], float],
        steps: float = np.inf,
        episodes: int | None = None,
        quick_steps: Callable[[np.random.Generator], int] = lambda rng: 0,
    ) -> OfflineDataset:
        training = self.training
        return cached_dataset(
            self.folder / name,
            lambda: collect(
                self.pair,
                self.encoder,
                islice(switching_seeds(training.seed), episodes),
                rate,
                steps=steps,
                num_envs=training.num_envs,
                seed=training.seed,
                quick_steps=quick_steps,
            ),
        )
