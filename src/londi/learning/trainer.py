"""`londi train`: train a Switcher on the switching problem.

The loop is plain: decide, step, store, learn. A run leaves checkpoints from which it goes on
after any interruption, with the same result as one that was not interrupted. This file does
not know what a text environment, a language model or a learner does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from londi.config import TrainConfig
from londi.config.ray import RayConfig
from londi.config.train import R_LEARNER
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.errors import InvalidConfig, LondiError
from londi.learning.algorithms import make_algorithm
from londi.learning.diagnostics import WINDOW, Diagnosis, diagnose
from londi.learning.sac import Losses
from londi.learning.slots import LocalSlots, SharedSlots, Slots
from londi.learning.statistics import (
    EpisodeStatistics,
    Progress,
    append_progress,
    keep_progress,
)
from londi.models.pair import ModelPair, load_pair
from londi.models.provenance import check_provenance, write_provenance
from londi.scale.opening import check_loadable, on_ray
from londi.storage.checkpoint import has_state, load_state, save_state
from londi.storage.runs import create_run, is_free, locked
from londi.switching.decision import Decision, draw
from londi.switching.rollout import Transitions, rollout
from londi.switching.switcher import CHECKPOINT
from londi.types import StateDict

Array = np.ndarray

FORMAT = 4
"""Version of a training's state. Formats 2 and 3 had other privileged information; release 0.1,
which wrote no version, other observations."""


class Training:
    """A training under way: all that changes while it runs, and how it goes on by one step.

    `begin` or `load_state` comes first. Gradient steps are made on a thread of their own while
    the models answer, and joined before the step ends, so that a run is the same to the bit
    however fast either side is.

    Args:
        config: the settings.
        pair: the models and the environment.
        encoder: of the Switcher; that of `config` by default.
        slots: the episodes, where they are not played here.

    Attributes:
        step: environment steps done.

    Raises:
        LondiError: if the encoder does not fit the models.
    """

    def __init__(
        self,
        config: TrainConfig,
        pair: ModelPair,
        encoder: Encoder | None = None,
        slots: Slots | None = None,
    ) -> None:
        encoder = encoder or make_encoder(config.encoder, pair.quick, pair.deepthink)
        algorithm = make_algorithm(config, encoder)
        self._config = config
        self._pair = pair
        own = LocalSlots(config, pair, encoder, algorithm, 1 if slots else config.num_envs)
        self._env, self._slots = own.env, slots or own
        privileged = self._env.observer.privileged
        torch.manual_seed(config.seed)
        self._learner = algorithm.learner(privileged.size if privileged else 0, self._env.returns)
        self._thread = ThreadPoolExecutor(1)
        self._learning: Future[Losses] | None = None
        self._rng = np.random.default_rng(config.seed)
        self._statistics = EpisodeStatistics(config.num_envs)
        self._losses = Losses(0.0, 0.0, 0.0, 0.0, 0.0)
        self._policy_probabilities: list[float] = []  # since the last report
        self._spent = self._lm_spent = 0.0  # seconds before this process
        self._start = time.perf_counter()
        self._transitions: Iterator[Transitions] = iter(())
        self.step = 0

    def named(self, config: TrainConfig) -> TrainConfig:
        """`config` with the names of the models, the environment and the encoder that play."""
        return named(config, self._pair, self._env.name, self._env.observer.encoder)

    def warnings(self) -> list[str]:
        """Settings that do not fit the environment's returns, one line each."""
        horizon, returns = self._env.horizon, self._env.returns
        return self._config.warnings(horizon, returns) if horizon and returns else []

    def begin(self) -> None:
        """Start every slot of the environment."""
        self._transitions = rollout(self._slots, self._decide, *self._slots.begin())

    def advance(self) -> None:
        """Play one step of every slot, and learn while the models answer."""
        transitions = next(self._transitions)
        assert self._learning is not None
        self._losses = self._learning.result()
        self._learner.add(transitions)
        self._statistics.add(transitions.steps)
        self.step += self._config.num_envs

    def progress(self) -> Progress:
        """How far it is, and how it does since this was last asked."""
        losses, probabilities = self._losses, self._policy_probabilities
        self._policy_probabilities = []
        return Progress(
            step=self.step,
            steps=self._config.steps,
            **self._seconds(),
            episodes=self._statistics.ended,
            aborted=self._statistics.aborted,
            **self._statistics.means(),
            call_probability=float(np.mean(probabilities)) if probabilities else 0.5,
            critic_loss=losses.critic,
            actor_loss=losses.actor,
            alpha=losses.temperature,
            entropy=losses.entropy,
            q_mean=losses.q_mean,
            hit_rate=self._slots.hit_rate,
        )

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher, for `Switcher.load`."""
        return self._learner.switcher()

    def state(self) -> StateDict:
        """All that a resumed run needs."""
        return {
            "format": FORMAT,
            "step": self.step,
            **self._seconds(),
            "learner": self._learner.state_dict(),
            "rng": self._rng.bit_generator.state,
            "statistics": self._statistics.state(),
            "policy_probabilities": self._policy_probabilities,
            "losses": asdict(self._losses),
            **self._slots.state(),
        }

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned.

        Raises:
            LondiError: if it is of another release.
        """
        if state.get("format") != FORMAT:
            raise LondiError(
                "this training was begun by another release of londi, whose checkpoints hold other"
                " observations; end it with that release, or train anew with --overwrite"
            )
        self.step = state["step"]
        self._spent, self._lm_spent = state["seconds"], state["lm_seconds"]
        self._learner.load_state_dict(state["learner"])
        self._rng.bit_generator.state = state["rng"]
        self._statistics.load_state(state["statistics"])
        self._policy_probabilities = state["policy_probabilities"]
        self._losses = Losses(**state["losses"])
        observation, info = self._slots.load_state(state)
        for slot in np.flatnonzero(info["aborted"]):
            self._statistics.abort(int(slot))
        self._transitions = rollout(self._slots, self._decide, observation, info)

    def commit(self) -> None:
        """Write to the cache's file what was learned since the last commit."""
        self._slots.commit()

    def close(self) -> None:
        """Let go of the environments and the thread."""
        self._thread.shutdown()
        self._env.close()

    def _decide(self, observation: Array, allowed: Array) -> Decision:
        """Draw choices, and begin to learn while the models act on them."""
        config, exploring = self._config, self.step < self._config.warmup
        call = np.full(len(observation), 0.5)
        if not exploring:
            policy = self._learner.policy(torch.from_numpy(observation), torch.from_numpy(allowed))
            call = policy[:, 1].numpy()
            self._policy_probabilities.append(float(call.mean()))
        share = 1.0 if exploring else config.exploration
        decision = draw(call, allowed, self._rng, share)
        due = crossed(self.step, self.step + config.num_envs, config.steps_per_update)
        # Drawn here, so that the thread needs no chance.
        batches = self._learner.draw(0 if exploring else due, self._rng)
        self._learning = self._thread.submit(self._learn, batches)
        return decision

    def _learn(self, batches: list[Any]) -> Losses:
        losses = self._losses
        for batch in batches:
            losses = self._learner.update(batch)
        return losses

    def _seconds(self) -> dict[str, float]:
        return {
            "seconds": self._spent + time.perf_counter() - self._start,
            "lm_seconds": self._lm_spent + self._slots.seconds,
        }


def train(
    config: TrainConfig,
    folder: Path,
    *,
    pair: ModelPair | None = None,
    encoder: Encoder | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_diagnosis: Callable[[Diagnosis], None] = lambda _: None,
    on_warning: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    ray: RayConfig | None = None,
) -> bool:
    """Train a Switcher as `config` says, and leave it in `folder`.

    Args:
        config: the settings.
        folder: the folder of the run.
        pair: models and environment in place of those that `config` names. Their names are written
            down in the folder, and a later command that cannot find them refuses.
        encoder: of the Switcher, in place of the one that `config` names; likewise.
        resume: go on from the last checkpoint of an interrupted run with this configuration; a
            run that has ended is left as it is.
        overwrite: replace an earlier run.
        on_progress: told of every report.
        on_diagnosis: told of a failure, when it is first seen and when it is back.
        on_warning: told, before the first step, of settings that may train a useless Switcher.
        should_stop: asked after every step; if true, a checkpoint is left and training ends.
        ray: where episodes are played; None for this process.

    Returns:
        Whether all steps are done.

    Raises:
        LondiError: if a model or the environment cannot be had, or the folder is taken or in use;
            nothing is written then.
    """
    if config.graphs:
        raise InvalidConfig(
            "graphs: expected 0 for a training that plays; use"
            " londi.planning.training.train_on_graphs"
        )
    if config.algorithm == R_LEARNER:
        raise InvalidConfig(
            f"algorithm: {R_LEARNER} learns once all is played; use"
            " londi.learning.tosses.train_on_tosses"
        )
    check_loadable(bool(pair or encoder), config.workers, ray)
    if not resume:
        is_free(folder, TrainConfig, overwrite)  # before the models are waited for
    with ExitStack() as stack:  # closed, and answers committed, on every way out
        brought, pair = pair, pair or load_pair(config, config.seed)
        stack.callback(pair.close)
        shared = config.workers > 1 or on_ray(ray)
        slots = stack.enter_context(closing(SharedSlots(config, ray))) if shared else None
        run = Training(config, pair, encoder, slots)
        stack.callback(run.close)
        if resume:
            check_provenance(folder, pair)
        else:
            create_run(folder, run.named(config) if brought or encoder else config, overwrite)
            write_provenance(folder, pair)
        stack.enter_context(locked(folder))
        for warning in run.warnings():
            on_warning(warning)
        return to_the_end(
            run,
            config,
            folder,
            commit=run.commit,
            on_progress=on_progress,
            on_diagnosis=on_diagnosis,
            should_stop=should_stop,
        )


def named(config: TrainConfig, pair: ModelPair, env: str, encoder: Encoder) -> TrainConfig:
    """`config` with the names of these models, of the environment and of the encoder."""
    return replace(
        config,
        quick=pair.quick.name,
        deepthink=pair.deepthink.name,
        # A module in front of the name is how a later command finds it.
        env=config.env if config.env.rpartition(":")[2] == env else env,
        encoder=encoder.spec,
    )


class Run(Protocol):
    """A training under way, which goes on by one step after another."""

    @property
    def step(self) -> int:
        """Steps done."""

    def begin(self) -> None:
        """Start from nothing."""

    def advance(self) -> None:
        """Go on by one step, or some."""

    def progress(self) -> Progress:
        """How far it is, and how it does since this was last asked."""

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher."""

    def state(self) -> StateDict:
        """All that a resumed run needs."""

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned."""


def to_the_end(
    run: Run,
    config: TrainConfig,
    folder: Path,
    *,
    commit: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None],
    on_diagnosis: Callable[[Diagnosis], None] = lambda _: None,
    should_stop: Callable[[], bool],
) -> bool:
    """Bring a training to its end, from its last checkpoint where there is one.

    Args:
        run: the training.
        config: its settings.
        folder: the folder of the run.
        commit: told at each checkpoint.
        on_progress: told of every report.
        on_diagnosis: told of a failure, when it is first seen and when it is back.
        should_stop: asked after every step; if true, a checkpoint is left and training ends.

    Returns:
        Whether all steps are done.
    """
    saved = folder / CHECKPOINT
    if has_state(saved):
        state = load_state(saved)
        if state["step"] >= config.steps:
            return True
        run.load_state(state)
    else:
        run.begin()
    reports = deque(keep_progress(folder, run.step), maxlen=WINDOW)
    failing: set[str] = set()
    stopped = False
    while run.step < config.steps and not stopped:
        before = run.step
        run.advance()
        done = run.step >= config.steps
        if done or crossed(before, run.step, config.report_every):
            reports.append(run.progress())
            append_progress(folder, reports[-1])
            on_progress(reports[-1])
            seen = diagnose(config, reports)
            for diagnosis in seen:
                if diagnosis.name not in failing:
                    on_diagnosis(diagnosis)
            failing = {diagnosis.name for diagnosis in seen}
        stopped = not done and should_stop()
        if stopped or (not done and crossed(before, run.step, config.checkpoint_every)):
            save_state(saved, {"switcher": run.switcher(), **run.state()})
            commit()
    if not stopped:
        # What a resumed run would need goes with the last checkpoint: this one is to be kept.
        save_state(saved, {"switcher": run.switcher(), "step": run.step})
    return not stopped


def crossed(before: int, after: int, every: int) -> int:
    """How many multiples of `every` lie in (before, after]."""
    return after // every - before // every
