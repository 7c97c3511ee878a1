"""`londi train`: train a Switcher by discrete soft actor-critic on the switching problem.

The loop is plain: choose, step, store, learn. A run leaves checkpoints from which it goes on
after any interruption, with the same result as one that was not interrupted. This file does
not know what a text environment or a language model does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from londi.config import TrainConfig
from londi.encoders.registry import EXTRAS, make_encoder
from londi.envs.seeds import switching_seeds
from londi.learning.algorithms import make_algorithm
from londi.learning.diagnostics import Diagnosis, diagnose
from londi.learning.replay import Batch, ReplayBuffer, Transitions
from londi.learning.sac import Losses
from londi.learning.statistics import EpisodeStatistics, Progress, append_progress, keep_progress
from londi.models.pair import Pair, load_pair
from londi.storage.checkpoint import has_state, load_state, save_state
from londi.storage.runs import create_run, is_free
from londi.switching.env import SwitchingVectorEnv
from londi.switching.switcher import CHECKPOINT
from londi.types import Step


class Training:
    """A training under way: all that changes while it runs, and how it goes on by one step.

    `begin` or `load_state` comes first. Gradient steps are made on a thread of their own while
    the models answer, and joined before the step ends, so that a run is the same to the bit
    however fast either side is.

    Args:
        config: the settings.
        pair: the models and the environment.

    Attributes:
        step: environment steps done.

    Raises:
        LondiError: if the encoder does not fit the models.
    """

    def __init__(self, config: TrainConfig, pair: Pair) -> None:
        encoder = make_encoder(config.encoder, pair.quick, pair.deepthink)
        self._config = config
        self._pair = pair
        self._algorithm = make_algorithm(config, encoder)
        self._env = SwitchingVectorEnv(
            pair.make,
            pair.quick,
            pair.deepthink,
            budget=self._algorithm.budget,
            terms=self._algorithm.terms,
            encoder=encoder,
            num_envs=config.num_envs,
            foresight=config.foresight,
        )
        foresight = self._env.foresight.size if self._env.foresight else 0
        torch.manual_seed(config.seed)
        self._learner = self._algorithm.learner(foresight, self._env.returns)
        self._thread = ThreadPoolExecutor(1)
        self._buffer = ReplayBuffer(config.capacity, encoder.size + EXTRAS + foresight)
        self._rng = np.random.default_rng(config.seed)
        self._recent = EpisodeStatistics(config.num_envs)
        self._losses = Losses(0.0, 0.0, 0.0, 0.0, 0.0)
        self._policy_probabilities: list[
            float
        ] = []  # the actor's own call probabilities since the last report
        self._spent = self._lm_spent = 0.0  # seconds before this process
        self._start = time.perf_counter()
        self.step = 0

    def begin(self) -> None:
        """Start every slot of the environment."""
        self._observation, self._info = self._env.reset(
            options={"episodes": switching_seeds(self._config.seed)}
        )

    def advance(self) -> None:
        """Choose, learn while the models answer, store."""
        config, env = self._config, self._env
        allowed = self._info["action_mask"]
        call = np.full(config.num_envs, 0.5)
        if self.step >= config.warmup:
            observation = torch.from_numpy(self._observation)
            policy = self._learner.policy(observation, torch.from_numpy(allowed))
            wish = policy[:, 1].numpy()
            self._policy_probabilities.append(float(wish.mean()))
            call += (1.0 - config.exploration) * (wish - call)
        choice = self._rng.random(config.num_envs) < call

        learning = self._thread.submit(self._learn, self._batches())
        following, _, terminated, _, info = env.step(choice)
        self._losses = learning.result()

        steps: tuple[Step, ...] = info["steps"]
        self._buffer.add(
            Transitions(
                observation=_with(self._observation, self._info.get("foresight")),
                choice=np.array([step.choice for step in steps]),
                reward=np.array([step.reward for step in steps]),
                next_observation=_with(info["final_obs"], info.get("final_privileged")),
                terminated=terminated,
                allowed=allowed,
                next_allowed=info["final_action_mask"],
                overspent=np.array([step.overspent for step in steps]),
            )
        )
        self._recent.add(steps)
        self._observation, self._info = following, info
        self.step += config.num_envs

    def progress(self) -> Progress:
        """How far it is, and how it does since this was last asked."""
        losses = self._losses
        wish = float(np.mean(self._policy_probabilities)) if self._policy_probabilities else 0.5
        self._policy_probabilities = []
        return Progress(
            step=self.step,
            steps=self._config.steps,
            **self._seconds(),
            episodes=self._recent.ended,
            aborted=self._recent.aborted,
            **self._recent.means(),
            call_probability=wish,
            critic_loss=losses.critic,
            actor_loss=losses.actor,
            alpha=self._learner.alpha.value,
            entropy=losses.entropy,
            q_mean=losses.q_mean,
            hit_rate=self._pair.hit_rate,
        )

    def switcher(self) -> dict[str, Any]:
        """What `Switcher.load` needs of a checkpoint."""
        return self._algorithm.kept(self._learner)

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {
            "step": self.step,
            **self._seconds(),
            "learner": self._learner.state_dict(),
            "buffer": self._buffer.state(),
            "rng": self._rng.bit_generator.state,
            "recent": self._recent.state(),
            "wishes": self._policy_probabilities,
            "losses": asdict(self._losses),
            "models": self._pair.state(),
            "env": self._env.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self.step = state["step"]
        self._spent, self._lm_spent = state["seconds"], state["lm_seconds"]
        self._learner.load_state_dict(state["learner"])
        self._buffer.load_state(state["buffer"])
        self._rng.bit_generator.state = state["rng"]
        self._recent.load_state(state["recent"])
        self._policy_probabilities = state["wishes"]
        self._losses = Losses(**state["losses"])
        self._pair.load_state(state["models"])
        episodes = switching_seeds(self._config.seed)
        self._observation, self._info = self._env.load_state(state["env"], episodes)

    def close(self) -> None:
        """Let go of the environments and the thread."""
        self._thread.shutdown()
        self._env.close()

    def _batches(self) -> list[Batch]:
        """What to learn from during this step; drawn here, so that the thread needs no chance."""
        config = self._config
        if self.step < config.warmup or not len(self._buffer):
            return []
        due = _crossed(self.step, self.step + config.num_envs, config.steps_per_update)
        return [self._algorithm.sample(self._buffer, self._rng) for _ in range(due)]

    def _learn(self, batches: list[Batch]) -> Losses:
        losses = self._losses
        for batch in batches:
            losses = self._learner.update(batch)
        return losses

    def _seconds(self) -> dict[str, float]:
        return {
            "seconds": self._spent + time.perf_counter() - self._start,
            "lm_seconds": self._lm_spent + self._pair.seconds,
        }


def train(
    config: TrainConfig,
    folder: Path,
    *,
    pair: Pair | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_diagnosis: Callable[[Diagnosis], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train a Switcher as `config` says, and leave it in `folder`.

    Args:
        config: the settings.
        folder: the folder of the run.
        pair: models and environment in place of those that `config` names.
        resume: go on from the last checkpoint of an interrupted run with this configuration; a
            run that has ended is left as it is.
        overwrite: replace an earlier run.
        on_progress: told of every report.
        on_diagnosis: told of a failure, when it is first seen and when it is back.
        should_stop: asked after every step; if true, a checkpoint is left and training ends.

    Returns:
        Whether all steps are done.

    Raises:
        LondiError: if a model or the environment cannot be had, or the folder is taken; nothing
            is written then.
    """
    if not resume:
        is_free(folder, TrainConfig, overwrite)  # before the models are waited for
    pair = pair or load_pair(config, config.seed)
    run = Training(config, pair)
    saved = folder / CHECKPOINT
    if not resume:
        create_run(folder, config, overwrite)
    if has_state(saved):
        state = load_state(saved)
        if state["step"] >= config.steps:
            return True
        run.load_state(state)
    else:
        run.begin()
    reports = keep_progress(folder, run.step)
    failing: set[str] = set()

    stopped = False
    while run.step < config.steps and not stopped:
        before = run.step
        run.advance()
        done = run.step >= config.steps
        if done or _crossed(before, run.step, config.report_every):
            reports.append(run.progress())
            append_progress(folder, reports[-1])
            on_progress(reports[-1])
            seen = diagnose(config, reports)
            for signature in seen:
                if signature.name not in failing:
                    on_diagnosis(signature)
            failing = {signature.name for signature in seen}
        stopped = not done and should_stop()
        if stopped or (not done and _crossed(before, run.step, config.checkpoint_every)):
            save_state(saved, {"switcher": run.switcher(), **run.state()})
            pair.commit()
    if not stopped:
        # What a resumed run would need goes with the last checkpoint: this one is to be kept.
        save_state(saved, {"switcher": run.switcher(), "step": run.step})
    run.close()
    pair.close()
    return not stopped


def _with(observation: np.ndarray, foresight: np.ndarray | None) -> np.ndarray:
    """What the critics see `[n, D + P]`: the observation, and behind it what they alone know."""
    return observation if foresight is None else np.concatenate([observation, foresight], 1)


def _crossed(before: int, after: int, every: int) -> int:
    """How many multiples of `every` lie in (before, after]."""
    return after // every - before // every
