"""QUICK and DEEPTHINK of a run, loaded as its configuration says, with the cache in front.

This file knows which models there are and how they are wrapped, not what they are used for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

from londi.config import PairConfig
from londi.envs import make_env
from londi.models import LanguageModel, load_model
from londi.models.cache import AnswerStore, CachedModel
from londi.models.meter import MeteredModel
from londi.models.scripted import ExpertModel, RandomModel


@dataclass
class Pair:
    """The two models of a run.

    Attributes:
        quick, deepthink: the models, each behind a stop-watch and, where its answers can be
            kept, behind the cache.
        store: the cache; None where it is off.
        make: makes the environment, with its expert's advice where a model needs it.
    """

    quick: LanguageModel
    deepthink: LanguageModel
    store: AnswerStore | None
    make: Callable[[], gym.Env[str, str]]
    _meters: tuple[MeteredModel, MeteredModel]

    @property
    def seconds(self) -> float:
        """Wall seconds spent inside the two models so far."""
        return sum(meter.seconds for meter in self._meters)

    @property
    def hit_rate(self) -> float:
        """Share of the cache's look-ups that were answered by it; 0.0 where it is off."""
        return self.store.stats.rate if self.store else 0.0

    def commit(self) -> None:
        """Write to the cache's file what was learned since the last commit."""
        if self.store:
            self.store.commit()

    def close(self) -> None:
        """Commit, and let go of the cache's file."""
        if self.store:
            self.store.close()

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


def load_pair(config: PairConfig, seed: int) -> Pair:
    """Load the two models that `config` names, and find its environment.

    Args:
        config: what to load and how to run it.
        seed: seed of a random model.

    Raises:
        LondiError: if a model or the environment cannot be had.
    """
    make_env(config.env).close()  # an unknown name is refused before anything is spent
    store = None if config.cache == "off" else AnswerStore(Path(config.cache).expanduser())
    meters = tuple(
        MeteredModel(
            load_model(
                name,
                seed=seed + k,
                device=config.device,
                dtype=config.dtype,
                batch_size=config.lm_batch_size,
                choose=config.choose,
            )
        )
        for k, name in enumerate((config.quick, config.deepthink))
    )
    models = [
        CachedModel(meter, store) if store and meter.fingerprint is not None else meter
        for meter in meters
    ]
    expert = any(isinstance(meter.inner, ExpertModel) for meter in meters)
    return Pair(
        models[0],
        models[1],
        store,
        lambda: make_env(config.env, **({"expert": True} if expert else {})),
        (meters[0], meters[1]),
    )
