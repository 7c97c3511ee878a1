"""`londi train --graphs`: explore the graphs of training episodes, then learn a Switcher on them.

This file knows runs, and nothing of how a Switcher learns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
import torch

from londi.config import TrainConfig
from londi.config.train import R_LEARNER
from londi.encoders.base import Encoder
from londi.envs.seeds import switching_seeds
from londi.errors import InvalidConfig, LondiError
from londi.learning.ahead import begun
from londi.learning.statistics import Progress
from londi.learning.tosses import train_on_tosses
from londi.learning.trainer import to_the_end, train
from londi.models.pair import ModelPair
from londi.planning.graphs import EpisodeGraph, explored_graphs
from londi.planning.learner import GraphLearner, Judged
from londi.types import StateDict

GRAPHS = "graphs"
"""The folder, in that of a run, where the explored graphs are."""
FORMAT = 1
"""Version of the state of such a training."""
HELD_BACK = 0.15
"""Share of the episodes that say which of the policies to keep."""
EPISODES = 16
"""Episodes of an update."""
JUDGED = 50
"""Updates between two looks at the episodes that are held back."""


class GraphTraining:
    """A training on explored graphs under way; a step is one of gradient.

    Args:
        config: the settings; `steps` is the number of updates.
        graphs: of all episodes; the last ones are held back.
        learner: learns.
    """

    def __init__(
        self, config: TrainConfig, graphs: Sequence[EpisodeGraph], learner: GraphLearner
    ) -> None:
        back = max(1, round(HELD_BACK * len(graphs)))
        self._config, self._learner = config, learner
        self._learned, self._held_back = graphs[:-back], graphs[-back:]
        self._rng = np.random.default_rng(config.seed)
        self._losses = 0.0, 0.0
        self._judged = learner.judge(self._held_back)
        self._best, self._kept = self._judged.worth, self._checkpoint()
        self._before, self._start = 0.0, time.perf_counter()
        self.step = 0

    def begin(self) -> None:
        """There is nothing to start."""

    def advance(self) -> None:
        """Go on by one update, and judge the policy now and then."""
        count = min(EPISODES, len(self._learned))
        drawn = self._rng.choice(len(self._learned), count, replace=False)
        self._losses = self._learner.update([self._learned[i] for i in drawn], self._rng)
        self.step += 1
        if self.step % JUDGED == 0 or self.step == self._config.steps:
            self._judged = self._learner.judge(self._held_back)
            if self._judged.worth > self._best:
                self._best, self._kept = self._judged.worth, self._checkpoint()

    def progress(self) -> Progress:
        """How far it is; return and call rate are means over costs, on episodes held back."""
        actor, value_head = self._losses
        return Progress(
            step=self.step,
            steps=self._config.steps,
            seconds=self._seconds,
            lm_seconds=0.0,
            episodes=len(self._held_back),
            return_mean=self._judged.returns,
            success_rate=0.0,
            call_rate=self._judged.call_rate,
            overspent=0.0,
            funded=1.0,
            substituted_actions=0.0,
            aborted=0,
            call_probability=self._judged.call_rate,
            critic_loss=value_head,
            actor_loss=actor,
            alpha=0.0,
            entropy=0.0,
            q_mean=0.0,
            hit_rate=0.0,
        )

    def switcher(self) -> StateDict:
        """The best one so far, by the episodes that are held back."""
        return self._kept

    def state(self) -> StateDict:
        """All that a resumed run needs, beside the graphs."""
        return {
            "format": FORMAT,
            "step": self.step,
            "seconds": self._seconds,
            "learner": self._learner.state_dict(),
            "rng": self._rng.bit_generator.state,
            "losses": list(self._losses),
            "judged": asdict(self._judged),
            "best": self._best,
            "kept": self._kept,
        }

    def load_state(self, state: StateDict) -> None:
        """Take up what `state` returned.

        Raises:
            LondiError: if it is of another release, or of another kind of training.
        """
        if state.get("format") != FORMAT or "kept" not in state:
            raise LondiError(
                "this training was begun by another release of londi; train anew with --overwrite"
            )
        self.step = state["step"]
        self._before, self._start = state["seconds"], time.perf_counter()
        self._learner.load_state_dict(state["learner"])
        self._rng.bit_generator.state = state["rng"]
        self._losses = state["losses"][0], state["losses"][1]
        judged = state["judged"]
        self._judged = Judged(judged["worth"], judged["returns"], tuple(judged["call_rates"]))
        self._best, self._kept = state["best"], state["kept"]

    def _checkpoint(self) -> StateDict:
        learned = self._learned[: len(self._held_back)]
        return self._learner.switcher(learned, self._held_back, self._judged)

    @property
    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._start


def find_training(config: TrainConfig) -> Callable[..., bool]:
    """The training in an environment that `config` asks for: on explored graphs, on coin tosses, or
    while it plays.
    """
    if config.graphs:
        return train_on_graphs
    return train_on_tosses if config.algorithm == R_LEARNER else train


def train_on_graphs(
    config: TrainConfig,
    folder: Path,
    *,
    pair: ModelPair | None = None,
    encoder: Encoder | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_gathered: Callable[[int, str], None] = lambda done, text: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Explore the training episodes and learn a Switcher on them, left in `folder`.

    Args:
        config: the settings.
        folder: the folder of the run.
        pair: models and environment in place of those that `config` names; see `train`.
        encoder: of the Switcher, in place of the one that `config` names.
        resume: go on with an interrupted run of this configuration.
        overwrite: replace an earlier run.
        on_gathered: called while states are explored: the number of episodes that are done, a text.
        on_progress: told of every report.
        should_stop: asked between groups of episodes and after every update.

    Returns:
        Whether all is done.

    Raises:
        LondiError: if a model or the environment cannot be had, a model draws its actions, or the
            folder is taken or in use; nothing is written then.
    """
    with begun(config, folder, pair, encoder, check=_check, resume=resume, overwrite=overwrite) as (
        config,
        pair,
        encoder,
    ):
        graphs = explored_graphs(
            pair,
            encoder,
            list(islice(switching_seeds(config.seed), config.graphs)),
            folder / GRAPHS,
            states=config.graph_states,
            on_states=on_gathered,
            should_stop=should_stop,
        )
        if graphs is None:
            return False
        torch.manual_seed(config.seed)
        updates = ceil(config.passes * len(graphs) / EPISODES)
        config = replace(
            config, steps=updates, warmup=0, report_every=JUDGED, checkpoint_every=JUDGED
        )
        return to_the_end(
            GraphTraining(config, graphs, GraphLearner(config, encoder)),
            config,
            folder,
            on_progress=on_progress,
            should_stop=should_stop,
        )


def _check(pair: ModelPair) -> None:
    for model in (pair.quick, pair.deepthink):
        if model.fingerprint is None:
            raise InvalidConfig(f"graphs: expected deterministic models, got {model.name!r}")
