"""QUICK and DEEPTHINK of a run, loaded as its configuration says, with the cache in front.

This file knows which models there are and how they are wrapped, not what they are used for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from londi.config import PairConfig
from londi.envs.registry import make_env
from londi.errors import InvalidConfig
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.meter import MeteredModel
from londi.models.registry import load_model
from londi.models.scripted import ExpertModel, RandomModel


class ModelPair:
    """The two models of a run, and the environment that they play.

    Args:
        quick: the small model.
        deepthink: the large model.
        make: makes one copy of the environment.
        store: the cache; None asks the models every time.

    Attributes:
        quick, deepthink: the models, each behind a stop-watch and, where its answers can be
            kept, behind the cache.
    """

    def __init__(
        self,
        quick: LanguageModel,
        deepthink: LanguageModel,
        make: Callable[[], gym.Env[str, str]],
        store: AnswerStore | None = None,
    ) -> None:
        self._meters = MeteredModel(quick), MeteredModel(deepthink)
        self.quick, self.deepthink = (self._cached(meter, store) for meter in self._meters)
        self.make = make
        self._store = store

    @staticmethod
    def _cached(meter: MeteredModel, store: AnswerStore | None) -> LanguageModel:
        return CachedModel(meter, store) if store and meter.fingerprint is not None else meter

    @property
    def seconds(self) -> float:
        """Wall seconds spent inside the two models so far."""
        return sum(meter.seconds for meter in self._meters)

    @property
    def hit_rate(self) -> float:
        """Share of the cache's look-ups that were answered by it; 0.0 where it is off."""
        return self._store.stats.rate if self._store else 0.0

    def commit(self) -> None:
        """Write to the cache's file what was learned since the last commit."""
        if self._store:
            self._store.commit()

    def close(self) -> None:
        """Commit, and let go of the cache's file."""
        if self._store:
            self._store.close()

    def state(self) -> list[Any]:
        """What a resumed run needs of models that draw."""
        return [
            m.inner.rng.bit_generator.state if isinstance(m.inner, RandomModel) else None
            for m in self._meters
        ]

    def load_state(self, state: list[Any]) -> None:
        """Take up what `state` returned."""
        for meter, saved in zip(self._meters, state, strict=True):
            if isinstance(meter.inner, RandomModel):
                meter.inner.rng.bit_generator.state = saved


def load_pair(config: PairConfig, seed: int) -> ModelPair:
    """Load the two models that `config` names, and find its environment.

    Args:
        config: what to load and how to run it.
        seed: seed of a random model.

    Raises:
        LondiError: if a model or the environment cannot be had.
    """
    # What cannot be played is refused before anything is spent.
    env = make_env(config.env, **config.env_options)
    env.close()
    config.check_models()
    if "random" in (config.quick, config.deepthink) and not getattr(
        env.unwrapped, "list_actions", True
    ):
        raise InvalidConfig(
            f"model 'random' needs a list of possible actions: {config.env} gives one with"
            " --env_options.list_actions true"
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    own = config.dtype if config.deepthink_dtype == "same" else config.deepthink_dtype
    named = ((config.quick, config.dtype), (config.deepthink, own))
    quick, deepthink = (
        load_model(
            name,
            seed=seed + k,
            device=config.device,
            dtype=dtype,
            batch_size=config.lm_batch_size,
            choose=config.choose,
        )
        for k, (name, dtype) in enumerate(named)
    )
    # Its advice is asked for only where somebody heeds it: it takes time.
    advice = isinstance(quick, ExpertModel) or isinstance(deepthink, ExpertModel)
    options = config.env_options | ({"expert": True} if advice else {})
    return ModelPair(
        quick, deepthink, partial(make_env, config.env, **options), _store(config.cache)
    )


def _store(cache: str) -> AnswerStore | None:
    if cache == "none":
        return None
    return AnswerStore(None if cache == "memory" else Path(cache).expanduser())
