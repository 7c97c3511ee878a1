"""Held-out episodes as a Switcher plays them, by one worker or several.

This file knows how episodes are played and shared, and not which Switchers are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from londi.config import PairConfig
from londi.config.ray import RayConfig
from londi.encoders.registry import make_encoder
from londi.evaluation.results import Episode
from londi.models.pair import ModelPair, load_pair, worker_seed
from londi.scale.opening import open_workers
from londi.scale.workers import Workers, shares, sizes
from londi.switching.budget import Budget
from londi.switching.env import SwitchingVectorEnv
from londi.switching.rollout import rollout
from londi.switching.switcher import Switcher
from londi.types import StateDict, Step

SAVED = 10.0
"""Seconds after which a worker's answers are written to the cache, for whoever replaces it."""

Seed = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class Record:
    """A step as it was played.

    Attributes:
        step: the step.
        propensity: the probability of its choice.
        seconds: wall seconds end to end: the models' as they are charged, and a share of what the
            batch took around them for environments, encoder, Switcher and cache.
    """

    step: Step
    propensity: float
    seconds: float

    def row(self, method: str) -> StateDict:
        """As a line of `episodes.jsonl`; without a cap `remaining` is null."""
        row = asdict(self.step) | {
            "method": method,
            "propensity": self.propensity,
            "seconds": self.seconds,
        }
        if not np.isfinite(self.step.remaining):
            row["remaining"] = None
        return row


def playing(
    pair: ModelPair,
    switcher: Switcher,
    episodes: Sequence[int],
    *,
    cost: float,
    budget: Budget,
    num_envs: int,
    seed: Seed,
) -> Iterator[list[Record]]:
    """Play `episodes` with `switcher`; the steps of each, in the order in which they end.

    The arguments are those of `play`.
    """
    switcher.check_supported(cost, budget)
    env = SwitchingVectorEnv(
        pair.make,
        pair.quick,
        pair.deepthink,
        cost=cost,
        budget=budget,
        encoder=make_encoder(switcher.encoder, pair.quick, pair.deepthink),
        num_envs=min(num_envs, len(episodes)),
    )
    rng = np.random.default_rng(seed)
    played: dict[int, list[Record]] = {episode: [] for episode in episodes}
    decide = partial(switcher.decide, rng=rng)
    with closing(env):
        clock, inside = time.perf_counter(), pair.seconds
        for seen in rollout(env, decide, *env.reset(options={"episodes": episodes})):
            around = time.perf_counter() - clock - (pair.seconds - inside)
            around /= sum(step is not None for step in seen.steps)
            ended: list[int] = []
            for step, propensity in zip(seen.steps, seen.decision.propensity, strict=True):
                if step is not None:
                    seconds = around + step.quick.seconds + step.deepthink.seconds
                    played[step.episode].append(Record(step, float(propensity), seconds))
                    if step.ended:
                        ended.append(step.episode)
            for episode in ended:
                yield played.pop(episode)
            clock, inside = time.perf_counter(), pair.seconds


def play(
    pair: ModelPair,
    switcher: Switcher,
    episodes: Sequence[int],
    *,
    cost: float,
    budget: Budget,
    num_envs: int,
    seed: Seed,
    on_episode: Callable[[], None] = lambda: None,
) -> list[list[Record]]:
    """Play `episodes` with `switcher`, several side by side.

    Args:
        pair: the two models and their environment.
        switcher: who decides.
        episodes: their seeds.
        cost: c, which the Switcher sees.
        budget: the cap on calls.
        num_envs: episodes played side by side.
        seed: seed of random choices.
        on_episode: told of every episode that ends.

    Returns:
        The steps of each episode, in the order of `episodes`.

    Raises:
        InvalidConfig: if the Switcher was trained for a range that these terms are not in.
    """
    found: dict[int, list[Record]] = {}
    for records in playing(
        pair, switcher, episodes, cost=cost, budget=budget, num_envs=num_envs, seed=seed
    ):
        found[records[0].step.episode] = records
        on_episode()
    return [found[episode] for episode in episodes]


class Players:
    """Workers that play a pair's episodes between them.

    Each plays a stretch of the episodes with a share of the environments, and draws its own chance
    numbers; so with one worker it is `play`. Models that draw go on from where each worker's were.

    Args:
        workers: with a pair each.
    """

    def __init__(self, workers: Workers[ModelPair]) -> None:
        self.workers = workers
        self._models: list[list[StateDict | None] | None] = [None] * workers.count

    @classmethod
    def open(
        cls,
        config: PairConfig,
        seed: int,
        count: int,
        ray: RayConfig | None,
        pair: ModelPair,
        wrap: Callable[[ModelPair], ModelPair] = lambda pair: pair,
    ) -> Players:
        """So many players of the pair that `config` names.

        Args:
            config: what to load.
            seed: of a random model.
            count: of players.
            ray: where they are; None for this process.
            pair: the pair as it is in this process; the first player's, if that is here.
            wrap: what else is done with a pair that was loaded.
        """
        make = partial(_load, config, seed, wrap)
        opened = open_workers(
            make, count, ray, device=config.device, end=ModelPair.close, first=pair
        )
        return cls(opened)

    def play(
        self,
        switcher: Switcher,
        episodes: Sequence[int],
        *,
        cost: float,
        budget: Budget,
        num_envs: int,
        seed: int,
        on_episode: Callable[[], None] = lambda: None,
    ) -> list[list[Record]]:
        """As `play`; `num_envs` are those of all workers together."""
        parts = shares(episodes, self.workers.count)
        envs = sizes(num_envs, len(parts))
        units = [
            (self._models[k], switcher, part, cost, budget, max(1, envs[k]), _own(seed, k))
            for k, part in enumerate(parts)
        ]
        found: dict[int, list[Record]] = {}
        for place, item in self.workers.stream(_play_share, units):
            if isinstance(item, _Models):
                self._models[place] = item.state
            else:
                found[item[0].step.episode] = item
                on_episode()
        return [found[episode] for episode in episodes]

    def close(self) -> None:
        """End the workers; a pair that was there before is left open."""
        self.workers.close()


@dataclass(frozen=True)
class _Models:
    """Where a worker's models are at the end of its share, as `ModelPair.state`."""

    state: list[StateDict | None]


def _load(
    config: PairConfig, seed: int, wrap: Callable[[ModelPair], ModelPair], place: int
) -> ModelPair:
    return wrap(load_pair(config, worker_seed(seed, place), place))


def _own(seed: int, place: int) -> Seed:
    """The seed of the choices of the worker in a place; the first has that of a single one."""
    return [seed, place] if place else seed


def _play_share(
    pair: ModelPair,
    models: list[StateDict | None] | None,
    switcher: Switcher,
    episodes: Sequence[int],
    cost: float,
    budget: Budget,
    num_envs: int,
    seed: Seed,
) -> Iterator[list[Record] | _Models]:
    """What one worker plays, as a function of these arguments alone."""
    if models is not None:
        pair.load_state(models)
    saved = time.monotonic()
    for records in playing(
        pair, switcher, episodes, cost=cost, budget=budget, num_envs=num_envs, seed=seed
    ):
        yield records
        if time.monotonic() - saved > SAVED:
            pair.commit()
            saved = time.monotonic()
    yield _Models(pair.state())


def summary(played: Sequence[Sequence[Record]]) -> list[Episode]:
    """The episodes in numbers."""
    return [
        Episode.of([record.step for record in episode], sum(record.seconds for record in episode))
        for episode in played
    ]
