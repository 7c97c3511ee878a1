"""`londi train --algorithm r-learner`: play even coin tosses, then learn what a call adds.

DEEPTHINK is asked only where it acts. This file knows runs, and nothing of how a Switcher learns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from math import inf
from pathlib import Path

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.envs.seeds import switching_seeds
from londi.learning.ahead import begun
from londi.learning.dataset import OfflineDataset
from londi.learning.logs import cached_dataset, collect
from londi.learning.offline import fitting
from londi.learning.statistics import Progress
from londi.learning.trainer import to_the_end
from londi.models.pair import ModelPair

TOSSES = "tosses"
"""The folder, in that of a run, where the played steps are."""
TOGETHER = 128
"""Episodes that are played to their end and stored together."""
RATE = 0.5
"""Probability of a call: what a call adds is then known best from so many steps."""


def train_on_tosses(
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
    """Play `config.steps` steps of coin tosses and learn a Switcher from them, left in `folder`.

    Args:
        config: the settings.
        folder: the folder of the run.
        pair: models and environment in place of those that `config` names; see `train`.
        encoder: of the Switcher, in place of the one that `config` names.
        resume: go on with an interrupted run of this configuration.
        overwrite: replace an earlier run.
        on_gathered: called as steps are played: how many are done, a text.
        on_progress: told of every report of the learning.
        should_stop: asked between groups of episodes and after every fit.

    Returns:
        Whether all is done.

    Raises:
        LondiError: if a model or the environment cannot be had, or the folder is taken or in use;
            nothing is written then.
    """
    with begun(config, folder, pair, encoder, resume=resume, overwrite=overwrite) as made:
        log = _tossed(folder / TOSSES, *made, on_gathered, should_stop)
        if log is None:
            return False
        run, config = fitting(made[0], log, made[2])
        return to_the_end(run, config, folder, on_progress=on_progress, should_stop=should_stop)


def _tossed(
    folder: Path,
    config: TrainConfig,
    pair: ModelPair,
    encoder: Encoder,
    on_gathered: Callable[[int, str], None],
    should_stop: Callable[[], bool],
) -> OfflineDataset | None:
    """At least `config.steps` steps, of whole episodes; those that are in `folder` already are not
    played again. None if it was stopped before the last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    episodes = switching_seeds(config.seed)
    parts: list[OfflineDataset] = []
    made = 0
    while made < config.steps:
        if should_stop():
            return None
        number = len(parts)
        play = partial(
            collect,
            pair,
            encoder,
            list(islice(episodes, TOGETHER)),
            lambda rng: RATE,
            steps=inf,
            num_envs=min(config.num_envs, TOGETHER),
            seed=config.seed * 1_000_000 + number,
        )
        parts.append(cached_dataset(folder / str(number), play))
        made += len(parts[-1].choice)
        on_gathered(min(made, config.steps), "")
    return OfflineDataset.joined(parts)
