"""Trainings that gather all they learn from ahead: what they have in common.

This file knows runs. It does not know what is gathered, nor how a Switcher learns from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.contract import name_of
from londi.learning.trainer import named
from londi.models.pair import ModelPair, load_pair
from londi.models.provenance import check_provenance, write_provenance
from londi.storage.runs import create_run, is_free, locked


@contextmanager
def begun(
    config: TrainConfig,
    folder: Path,
    pair: ModelPair | None,
    encoder: Encoder | None,
    *,
    check: Callable[[ModelPair], None] = lambda pair: None,
    resume: bool,
    overwrite: bool,
) -> Iterator[tuple[TrainConfig, ModelPair, Encoder]]:
    """Models, environment and encoder of a run, whose folder is made and locked.

    Args:
        config: the settings.
        folder: the folder of the run.
        pair: models and environment in place of those that `config` names.
        encoder: of the Switcher, in place of the one that `config` names.
        check: refuses models, before anything is written.
        resume: go on with an interrupted run.
        overwrite: replace an earlier run.

    Yields:
        The settings, with the names of what was brought; the pair; and the encoder.

    Raises:
        LondiError: if a model or the environment cannot be had, or the folder is taken or in use;
            nothing is written then.
    """
    if not resume:
        is_free(folder, TrainConfig, overwrite)
    with ExitStack() as stack:
        plays = pair or load_pair(config, config.seed)
        stack.callback(plays.close)
        check(plays)
        reads = encoder or make_encoder(config.encoder, plays.quick, plays.deepthink)
        if pair or encoder:
            with closing(plays.make()) as env:
                config = named(config, plays, name_of(env), reads)
        if resume:
            check_provenance(folder, plays)
        else:
            create_run(folder, config, overwrite)
            write_provenance(folder, plays)
        stack.enter_context(locked(folder))
        yield config, plays, reads
