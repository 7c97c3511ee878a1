"""QUICK and DEEPTHINK of a run, loaded from its configuration, each behind meter and cache.

This file knows how the two models are loaded and wrapped. It does not know when each of them acts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

import gymnasium as gym
import torch

from londi.config import PairConfig
from londi.envs.contract import Traits
from londi.envs.registry import make_env
from londi.errors import InvalidConfig
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.check import check_members
from londi.models.devices import worker_device
from londi.models.meter import MeteredModel
from londi.models.registry import load_model
from londi.models.scripted import is_expert
from londi.types import StateDict


class ModelPair:
    """The two models of a run, and the environment that they play.

    Args:
        quick: the small model.
        deepthink: the large model.
        make: makes one copy of the environment.
        store: the cache; None asks the models every time.

    Attributes:
        quick, deepthink: the models, each behind a meter and, if it has a fingerprint, behind the
            cache.

    Raises:
        ModelError: if one of them is no `LanguageModel`.
    """

    def __init__(
        self,
        quick: LanguageModel,
        deepthink: LanguageModel,
        make: Callable[[], gym.Env[str, str]],
        store: AnswerStore | None = None,
    ) -> None:
        for model in (quick, deepthink):
            check_members(model)
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
        """Write to the cache's database what was learned since the last commit."""
        if self._store:
            self._store.commit()

    def close(self) -> None:
        """Commit, and close the cache's database on every way out."""
        if self._store:
            self._store.close()

    def state(self) -> list[StateDict | None]:
        """The states of the two models that a resumed run needs; None for a model without one."""
        return [meter.state() for meter in self._meters]

    def load_state(self, state: list[StateDict | None]) -> None:
        """Restore what `state` returned."""
        for meter, saved in zip(self._meters, state, strict=True):
            meter.load_state(saved)


def load_pair(config: PairConfig, seed: int, place: int = 0) -> ModelPair:
    """Load the two models that `config` names, and find its environment.

    Args:
        config: what to load and how to run it.
        seed: seed of a random model.
        place: of the worker that loads it; with the device `cuda` each has another GPU.

    Raises:
        LondiError: if a model or the environment cannot be had.
    """
    # What cannot be played is refused before anything is spent.
    env = make_env(config.env, **config.env_options)
    env.close()
    config.check_models()
    models = (config.quick, config.deepthink)
    if "random" in models and not Traits.of(env).lists_actions:
        can = "list_actions" in inspect.signature(type(env.unwrapped)).parameters
        gives = "gives one with --env_options.list_actions true" if can else "gives none"
        raise InvalidConfig(
            f"model 'random' needs a list of possible actions: {config.env} {gives}"
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    own = config.dtype if config.deepthink_dtype == "same" else config.deepthink_dtype
    named = ((config.quick, config.dtype), (config.deepthink, own))
    quick, deepthink = (
        load_model(
            name,
            seed=seed + k,
            device=worker_device(config.device, place),
            backend=config.backend,
            dtype=dtype,
            batch_size=config.lm_batch_size,
            choose=config.choose,
        )
        for k, (name, dtype) in enumerate(named)
    )
    # The expert takes time, so the environment runs it only for the model that reads its advice.
    options = config.env_options | ({"expert": True} if any(map(is_expert, models)) else {})
    return ModelPair(
        quick, deepthink, partial(make_env, config.env, **options), _store(config.cache)
    )


def worker_seed(seed: int, place: int) -> int:
    """The seed of a random model of the worker in a place, so that workers draw apart."""
    return seed + 1_000_000 * place


def _store(cache: str) -> AnswerStore | None:
    if cache == "none":
        return None
    return AnswerStore(None if cache == "memory" else cache)
