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
from torch import Tensor

from londi.config import TrainConfig
from londi.config.train import R_LEARNER
from londi.encoders.base import Encoder
from londi.errors import InvalidConfig, LondiError
from londi.learning.algorithms import OfflineLearner, make_algorithm
from londi.learning.dataset import OfflineDataset
from londi.learning.rlearner import FITS, RLearner
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
        self._clock = _Clock()
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
        log = self._log
        seen = _probed(log, self._config.cost)
        call = self._learner.policy(seen, torch.ones(len(seen), 2, dtype=torch.bool))[:, 1]
        seconds = self._clock.seconds
        return _progress(self._config, log, self.step, seconds, call, self._losses)

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher, for `Switcher.load`."""
        return self._learner.switcher()

    def state(self) -> StateDict:
        """All that a resumed run needs, beside the log."""
        return {
            "format": FORMAT,
            "log": _digest(self._log),
            "step": self.step,
            "seconds": self._clock.seconds,
            "learner": self._learner.state_dict(),
            "rng": self._rng.bit_generator.state,
            "losses": asdict(self._losses),
        }

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned.

        Raises:
            LondiError: if it is of another log.
        """
        _check_log(state, self._log)
        self.step, self._clock = state["step"], _Clock(state["seconds"])
        self._learner.load_state_dict(state["learner"])
        self._rng.bit_generator.state = state["rng"]
        self._losses = Losses(**state["losses"])


class RLearnerTraining:
    """A training of an R-learner under way; a step is a network that has been fitted.

    Args:
        config: the settings.
        log: what to learn from.
        encoder: of its observations.

    Attributes:
        step: networks fitted.
    """

    def __init__(self, config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> None:
        self._config, self._log = config, log
        self._learner = RLearner(config, log, encoder)
        self._loss, self._clock = 0.0, _Clock()

    @property
    def step(self) -> int:
        return self._learner.fitted

    def begin(self) -> None:
        """There is nothing to start."""

    def advance(self) -> None:
        """Fit one network."""
        self._loss = self._learner.fit_next()

    def progress(self) -> Progress:
        """How far it is; returns and call rates are those of the log."""
        with torch.no_grad():
            logits = self._learner.actor(_probed(self._log, self._config.cost))
        call = logits.softmax(1)[:, 1]
        losses = Losses(self._loss, 0.0, 0.0, 0.0, 0.0)
        return _progress(self._config, self._log, self.step, self._clock.seconds, call, losses)

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher, for `Switcher.load`."""
        return self._learner.switcher()

    def state(self) -> StateDict:
        """All that a resumed run needs, beside the log."""
        return {
            "format": FORMAT,
            "log": _digest(self._log),
            "step": self.step,
            "seconds": self._clock.seconds,
            "learner": self._learner.state_dict(),
        }

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned.

        Raises:
            LondiError: if it is of another log.
        """
        _check_log(state, self._log)
        self._clock = _Clock(state["seconds"])
        self._learner.load_state_dict(state["learner"])


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
    run, config = _run(config, log, encoder)
    with ExitStack() as stack:
        if not resume:
            create_run(folder, config, overwrite)
            on_begin()
        stack.enter_context(locked(folder))
        return to_the_end(run, config, folder, on_progress=on_progress, should_stop=should_stop)


def _run(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> tuple[Run, TrainConfig]:
    """The training, and the settings with its number of steps."""
    if config.algorithm == R_LEARNER:
        config = replace(config, steps=FITS, warmup=0, report_every=1, checkpoint_every=1)
        return RLearnerTraining(config, log, encoder), config
    updates = ceil(config.passes * len(log.choice) / config.batch_size)
    config = replace(config, steps=updates, warmup=0)
    return OfflineTraining(config, log, encoder), config


class _Clock:
    """Seconds of a training over all of its processes."""

    def __init__(self, before: float = 0.0) -> None:
        self._before, self._start = before, time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._start


def _probed(log: OfflineDataset, cost: float) -> Tensor:
    """Some of the logged states, as they are seen at c and without a budget."""
    rows = np.linspace(0, len(log.choice) - 1, min(PROBED, len(log.choice))).astype(int)
    return torch.from_numpy(uncapped_at(log.observation[rows], cost))


def _progress(
    config: TrainConfig,
    log: OfflineDataset,
    step: int,
    seconds: float,
    call: Tensor,
    losses: Losses,
) -> Progress:
    totals = log.to_come()[log.begins]
    return Progress(
        step=step,
        steps=config.steps,
        seconds=seconds,
        lm_seconds=0.0,
        episodes=len(totals),
        return_mean=float(totals.mean()),
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


def _check_log(state: StateDict, log: OfflineDataset) -> None:
    """Refuse to go on with another log.

    Raises:
        LondiError: if it is another one.
    """
    if state.get("format") != FORMAT or state.get("log") != _digest(log):
        raise LondiError(
            "this training was begun on other traces: some were added since, or changed; train"
            " anew with --overwrite"
        )


def _digest(log: OfflineDataset) -> str:
    """An identity of logged steps."""
    made = hashlib.sha256()
    for field in fields(log):
        column: Array = np.ascontiguousarray(getattr(log, field.name))
        made.update(column.tobytes())
    return made.hexdigest()
