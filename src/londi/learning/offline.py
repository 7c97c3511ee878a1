"""Train a Switcher on logged steps, without an environment to play and without a language model.

This file knows logged steps and learners. It does not know where the steps were logged.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from math import ceil
from pathlib import Path

import numpy as np
import torch

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.errors import InvalidConfig, LondiError
from londi.learning.algorithms import OfflineLearner, make_algorithm
from londi.learning.dataset import OfflineDataset
from londi.learning.sac import Losses
from londi.learning.statistics import Progress
from londi.learning.trainer import to_the_end
from londi.storage.runs import create_run, is_free, locked
from londi.switching.observation import BUDGET_LEFT, CAPPED, CONTEXT, COST
from londi.types import Array, StateDict

FORMAT = 1
"""Version of the state of a training on logged steps."""
PROBED = 1_000
"""Logged states at which a report asks how likely the actor would call."""


class OfflineTraining:
    """A training on logged steps under way.

    Args:
        config: the settings.
        log: what to learn from.
        encoder: of its observations.

    Attributes:
        step: steps of gradient made.

    Raises:
        InvalidConfig: if the algorithm learns by playing only.
    """

    def __init__(self, config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> None:
        self._config, self._log = config, log
        totals = log.to_come()[log.begins]
        torch.manual_seed(config.seed)
        learner = make_algorithm(config, encoder).learner(0, (totals.min(), totals.max()))
        if not isinstance(learner, OfflineLearner):
            raise InvalidConfig(
                f"algorithm: expected one that learns from traces, got {config.algorithm!r}, which"
                " learns by playing only"
            )
        learner.fill(log)
        self._learner = learner
        self._rng = np.random.default_rng(config.seed)
        self._losses = Losses(0.0, 0.0, 0.0, 0.0, 0.0)
        self._spent = 0.0  # seconds before this process
        self._start = time.perf_counter()
        self.step = 0

    def begin(self) -> None:
        """There is nothing to start."""

    def advance(self) -> None:
        """Make one step of gradient."""
        for batch in self._learner.draw(1, self._rng):
            self._losses = self._learner.update(batch)
        self.step += 1

    def progress(self) -> Progress:
        """How far it is; returns and call rates are those of the log."""
        log, losses = self._log, self._losses
        rows = np.linspace(0, len(log.choice) - 1, min(PROBED, len(log.choice))).astype(int)
        observation = log.observation[rows]  # a copy, seen at the cost of the training
        width = observation.shape[1] - CONTEXT
        observation[:, width + COST] = self._config.cost
        observation[:, [width + BUDGET_LEFT, width + CAPPED]] = 0.0
        seen = torch.from_numpy(observation)
        call = self._learner.policy(seen, torch.ones(len(rows), 2, dtype=torch.bool))[:, 1]
        return Progress(
            step=self.step,
            steps=self._config.steps,
            seconds=self._seconds,
            lm_seconds=0.0,
            episodes=int(log.begins.sum()),
            return_mean=float(log.to_come()[log.begins].mean()),
            success_rate=0.0,
            call_rate=float(log.choice.mean()),
            overspent=0.0,
            funded=1.0,
            substituted_actions=0.0,
            aborted=0,
            call_probability=float(call.mean()),
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
            "log": _digest(self._log),
            "step": self.step,
            "seconds": self._seconds,
            "learner": self._learner.state_dict(),
            "rng": self._rng.bit_generator.state,
            "losses": asdict(self._losses),
        }

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned.

        Raises:
            LondiError: if it is of another log.
        """
        if state.get("format") != FORMAT or state.get("log") != _digest(self._log):
            raise LondiError(
                "this training was begun on other traces: some were added since, or changed; train"
                " anew with --overwrite"
            )
        self.step, self._spent = state["step"], state["seconds"]
        self._learner.load_state_dict(state["learner"])
        self._rng.bit_generator.state = state["rng"]
        self._losses = Losses(**state["losses"])

    @property
    def _seconds(self) -> float:
        return self._spent + time.perf_counter() - self._start


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
    updates = ceil(config.passes * len(log.choice) / config.batch_size)
    config = replace(config, steps=updates, warmup=0)
    run = OfflineTraining(config, log, encoder)
    with ExitStack() as stack:
        if not resume:
            create_run(folder, config, overwrite)
            on_begin()
        stack.enter_context(locked(folder))
        return to_the_end(run, config, folder, on_progress=on_progress, should_stop=should_stop)


def _digest(log: OfflineDataset) -> str:
    """An identity of logged steps."""
    made = hashlib.sha256()
    for field in fields(log):
        column: Array = np.ascontiguousarray(getattr(log, field.name))
        made.update(column.tobytes())
    return made.hexdigest()
