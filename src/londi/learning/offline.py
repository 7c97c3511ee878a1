"""Train a Switcher on logged steps, without an environment to play and without a language model.

This file knows logged steps and learners. It does not know where the steps were logged.
"""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from londi.config import TrainConfig
from londi.config.train import R_LEARNER
from londi.encoders.base import Encoder
from londi.errors import InvalidConfig, LondiError
from londi.learning.algorithms import OfflineLearner, make_algorithm
from londi.learning.dataset import OfflineDataset
from londi.learning.rlearner import RLearner
from londi.learning.sac import Losses
from londi.learning.statistics import Progress
from londi.learning.trainer import Run, to_the_end
from londi.storage.runs import create_run, is_free, locked
from londi.switching.observation import uncapped_at
from londi.types import Array, StateDict

FORMAT = 1
"""Version of the state of a training on logged steps."""
PROBED = 1_000
"""Logged states at which a report asks how likely the actor would call."""


class _Learned(Protocol):
    """What every learner of logged steps can do."""

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher."""

    def state_dict(self) -> StateDict:
        """All that a resumed run needs."""

    def load_state_dict(self, state: StateDict) -> None:
        """Take up what `state_dict` returned."""


L = TypeVar("L", bound=_Learned)


class LoggedTraining(ABC, Generic[L]):
    """A training on logged steps under way.

    Args:
        config: the settings.
        log: what to learn from.
        learner: learns.
    """

    def __init__(self, config: TrainConfig, log: OfflineDataset, learner: L) -> None:
        self._config, self._log, self._learner = config, log, learner
        self._losses = Losses(0.0, 0.0, 0.0, 0.0, 0.0)
        self._before, self._start = 0.0, time.perf_counter()  # seconds of earlier processes

    @property
    @abstractmethod
    def step(self) -> int:
        """Steps done."""

    def begin(self) -> None:
        """There is nothing to start."""

    @abstractmethod
    def advance(self) -> None:
        """Go on by one step."""

    @abstractmethod
    def call_probability(self, observation: Tensor) -> Tensor:
        """P(g = 1) `[B]` of the actor, at observations `[B, D]`."""

    def progress(self) -> Progress:
        """How far it is; returns and call rates are those of the log."""
        log, losses = self._log, self._losses
        totals = log.to_come()[log.begins]
        rows = np.linspace(0, len(log.choice) - 1, min(PROBED, len(log.choice))).astype(int)
        seen = uncapped_at(log.observation[rows], self._config.cost)
        return Progress(
            step=self.step,
            steps=self._config.steps,
            seconds=self._seconds,
            lm_seconds=0.0,
            episodes=len(totals),
            return_mean=float(totals.mean()),
            success_rate=0.0,
            call_rate=float(log.choice.mean()),
            overspent=0.0,
            funded=1.0,
            substituted_actions=0.0,
            aborted=0,
            call_probability=float(self.call_probability(torch.from_numpy(seen)).mean()),
            critic_loss=losses.critic,
            actor_loss=losses.actor,
            alpha=losses.temperature,
            entropy=losses.entropy,
            q_mean=losses.q_mean,
            hit_rate=0.0,
        )

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher, for `Switcher.load`."""
        return self._learner.switcher()

    def state(self) -> StateDict:
        """All that a resumed run needs, beside the log."""
        return {
            "format": FORMAT,
            "log": self._digest,
            "step": self.step,
            "seconds": self._seconds,
            "learner": self._learner.state_dict(),
        }

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned.

        Raises:
            LondiError: if it is of another log.
        """
        if state.get("format") != FORMAT or state.get("log") != self._digest:
            raise LondiError(
                "this training was begun on other traces: some were added since, or changed; train"
                " anew with --overwrite"
            )
        self._before, self._start = state["seconds"], time.perf_counter()
        self._learner.load_state_dict(state["learner"])

    @property
    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._start

    @cached_property
    def _digest(self) -> str:
        """An identity of the log."""
        made = hashlib.sha256()
        for field in fields(self._log):
            column: Array = np.ascontiguousarray(getattr(self._log, field.name))
            made.update(column.tobytes())
        return made.hexdigest()


class OfflineTraining(LoggedTraining[OfflineLearner]):
    """A training whose step is one of gradient, by a learner that can also play.

    Args:
        config: the settings.
        log: what to learn from.
        encoder: of its observations.

    Raises:
        InvalidConfig: if the algorithm learns by playing only.
    """

    def __init__(self, config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> None:
        totals = log.to_come()[log.begins]
        torch.manual_seed(config.seed)
        learner = make_algorithm(config, encoder).learner(0, (totals.min(), totals.max()))
        if not isinstance(learner, OfflineLearner):
            raise InvalidConfig(
                f"algorithm: expected one that learns from traces, got {config.algorithm!r}, which"
                " learns by playing only"
            )
        learner.fill(log)
        super().__init__(config, log, learner)
        self._rng = np.random.default_rng(config.seed)
        self._step = 0

    @property
    def step(self) -> int:
        return self._step

    def advance(self) -> None:
        for batch in self._learner.draw(1, self._rng):
            self._losses = self._learner.update(batch)
        self._step += 1

    def call_probability(self, observation: Tensor) -> Tensor:
        allowed = torch.ones(len(observation), 2, dtype=torch.bool)
        return self._learner.policy(observation, allowed)[:, 1]

    def state(self) -> StateDict:
        own = {"rng": self._rng.bit_generator.state, "losses": asdict(self._losses)}
        return super().state() | own

    def load_state(self, state: StateDict) -> None:
        super().load_state(state)
        self._step = state["step"]
        self._rng.bit_generator.state = state["rng"]
        self._losses = Losses(**state["losses"])


class RLearnerTraining(LoggedTraining[RLearner]):
    """A training of an R-learner; a step is a network that has been fitted.

    Args:
        config: the settings.
        log: what to learn from.
        learner: learns.
    """

    @property
    def step(self) -> int:
        return self._learner.fitted

    def advance(self) -> None:
        self._losses = replace(self._losses, critic=self._learner.fit_next())

    @torch.no_grad()
    def call_probability(self, observation: Tensor) -> Tensor:
        logits: Tensor = self._learner.actor(observation)
        return logits.softmax(1)[:, 1]


def train_offline(
    config: TrainConfig,
    log: OfflineDataset,
    encoder: Encoder,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_begin: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train a Switcher on logged steps as `config` says, and leave it in `folder`.

    Args:
        config: the settings.
        log: what to learn from.
        encoder: of its observations.
        folder: the folder of the run.
        resume: go on from the last checkpoint of an interrupted run.
        overwrite: replace an earlier run.
        on_begin: called once the folder is there.
        on_progress: told of every report.
        should_stop: asked after every step; if true, a checkpoint is left and training ends.

    Returns:
        Whether all steps are done.

    Raises:
        LondiError: if the algorithm learns by playing only, the folder is taken or in use, or an
            interrupted run was on another log; nothing is written then.
    """
    if not resume:
        is_free(folder, TrainConfig, overwrite)
    if config.threads:
        torch.set_num_threads(config.threads)
    run, config = fitting(config, log, encoder)
    if not resume:
        create_run(folder, config, overwrite)
        on_begin()
    with locked(folder):
        return to_the_end(run, config, folder, on_progress=on_progress, should_stop=should_stop)


def fitting(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> tuple[Run, TrainConfig]:
    """A training on logged steps, and the settings with its number of steps."""
    if config.algorithm == R_LEARNER:
        learner = RLearner(config, log, encoder)
        config = replace(config, steps=learner.fits, warmup=0, report_every=1, checkpoint_every=1)
        return RLearnerTraining(config, log, learner), config
    updates = ceil(config.passes * len(log.choice) / config.batch_size)
    config = replace(config, steps=updates, warmup=0)
    return OfflineTraining(config, log, encoder), config
