"""Baselines by name: each as Switchers at many settings, from never to always calling.

Validation episodes choose among the settings. This file knows which baselines there are and how
each is made, and not how they are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from londi.baselines.logs import cached_dataset, collect
from londi.baselines.routers import (
    EpisodeSwitcher,
    Margin,
    greedy,
    learn_cql,
    learn_episode_router,
    learn_step_router,
    margins,
    score_network,
    universal_score_network,
    win_probability,
)
from londi.baselines.rules import EverySwitcher, FirstSwitcher, StuckSwitcher
from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.seeds import switching_seeds
from londi.errors import InvalidConfig, LondiError, UnknownName
from londi.learning.dataset import OfflineDataset
from londi.models.pair import ModelPair
from londi.storage.checkpoint import has_state, load_state, save_state
from londi.storage.names import build, is_spec
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.env import SwitchingVectorEnv
from londi.switching.switcher import ConstantSwitcher, LearnedSwitcher, Switcher, ThresholdSwitcher

GRID = 12
"""Settings of a method, about."""
COSTS = 9
"""Costs at which a Switcher that serves a whole range is tried."""
WEIGHTS = (0.1, 0.01, 0.001)
"""Weights of CQL's penalty."""
ROUTED = 40
"""Steps of a log for each episode that both models play alone, for the router of episodes."""
TRAINED = 3
"""Costs that a method is trained for, where one training serves one cost."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A method at one setting.

    Attributes:
        setting: the setting in words; no two of a method have the same.
        switcher: who decides.
        cost: c that it sees.
    """

    setting: str
    switcher: Switcher
    cost: float


class BaselineContext:
    """Logs, networks and models that the baselines of one training seed share, made on first use.

    Args:
        folder: where to keep what was learned.
        training: the configuration of the universal Switcher that they are held against; what is
            learned here has its encoder, its width, its discount and its seed.
        switcher: that Switcher.
        pair: the models and their environment.
        log_steps: steps of each log.
    """

    def __init__(
        self,
        folder: Path,
        training: TrainConfig,
        switcher: Switcher,
        pair: ModelPair,
        log_steps: int,
    ) -> None:
        terms = CostBudgetRange.of(training)
        assert terms
        self.folder, self.training, self.switcher, self.pair = folder, training, switcher, pair
        self.terms = terms
        self.log_steps = log_steps

    @cached_property
    def encoder(self) -> Encoder:
        return make_encoder(self.training.encoder, self.pair.quick, self.pair.deepthink)

    @cached_property
    def varied(self) -> OfflineDataset:
        """Episodes of random switching, each at a call rate of its own."""
        return self._record("varied", lambda rng: rng.random(), steps=self.log_steps)

    @cached_property
    def even(self) -> OfflineDataset:
        """Episodes in which every step's choice is a toss of its own.

        Where a choice hints at the episode's other choices, what follows it is not its merit.
        """
        return self._record("even", lambda rng: 0.5, steps=self.log_steps)

    def alone(self, rate: float) -> OfflineDataset:
        """Episodes that one model plays alone: QUICK at a rate of 0, DEEPTHINK at 1."""
        name = "deepthink" if rate else "quick"
        return self._record(name, lambda rng: rate, episodes=self.log_steps // ROUTED)

    def network(
        self, name: str, make: Callable[[], nn.Module], learn: Callable[[Any], None]
    ) -> Any:
        """The network of that name: taught by `learn`, unless it is kept already.

        Raises:
            LondiError: if the one that is kept is of another release, or of other settings.
        """
        torch.manual_seed(self.training.seed)
        network, kept = make(), self.folder / name
        if has_state(kept):
            try:
                network.load_state_dict(load_state(kept))
            except RuntimeError as error:
                raise LondiError(
                    f"the network in {str(kept)!r} does not fit: it was learned by another release"
                    " of londi, or with other settings; remove it, or compare in another folder"
                ) from error
        else:
            learn(network)
            save_state(kept, network.state_dict())
        return network.eval().requires_grad_(False)

    def _record(
        self,
        name: str,
        rate: Callable[[np.random.Generator], float],
        steps: float = np.inf,
        episodes: int | None = None,
    ) -> OfflineDataset:
        training = self.training
        return cached_dataset(
            self.folder / name,
            lambda: collect(
                self.pair,
                self.encoder,
                islice(switching_seeds(training.seed), episodes),
                rate,
                steps=steps,
                num_envs=training.num_envs,
                seed=training.seed,
            ),
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """A way to decide, from never to always calling.

    Attributes:
        name: as it is asked for.
        label: what it does, in a few words.
        seeded: whether it differs from one training seed to the next.
        candidates: makes it at all of its settings.
    """

    name: str
    label: str
    seeded: bool
    candidates: Callable[[BaselineContext], list[OperatingPoint]]


def _universal(context: BaselineContext) -> list[OperatingPoint]:
    costs = np.geomspace(context.terms.low, context.terms.high, COSTS)
    # Rounded for the eye, and never out of the range.
    rounded = [
        float(np.clip(float(f"{c:.3g}"), context.terms.low, context.terms.high)) for c in costs
    ]
    return [OperatingPoint(f"c = {c:g}", context.switcher, c) for c in rounded]


def _at(context: BaselineContext, settings: dict[str, Switcher]) -> list[OperatingPoint]:
    return [OperatingPoint(name, who, context.training.cost) for name, who in settings.items()]


def _random(context: BaselineContext) -> list[OperatingPoint]:
    shares = np.linspace(0, 1, GRID + 1)[1:-1]
    return _at(context, {f"p = {p:.3f}": ConstantSwitcher(float(p)) for p in shares})


def _first(context: BaselineContext) -> list[OperatingPoint]:
    numbers = sorted({round(k) for k in np.geomspace(1, 40, GRID)})
    return _at(context, {f"first {k} steps": FirstSwitcher(k) for k in numbers})


def _every(context: BaselineContext) -> list[OperatingPoint]:
    shares = {f"every {k} steps": 1 / k for k in (12, 8, 6, 5, 4, 3, 2)}
    shares |= {f"all but every {k}th step": 1 - 1 / k for k in (3, 4, 6, 12)}
    return _at(context, {name: EverySwitcher(share) for name, share in shares.items()})


def _confidence(context: BaselineContext) -> list[OperatingPoint]:
    # Log-odds: a good model's confidences crowd together near 1.
    odds = np.linspace(-2, 12, 2 * GRID)
    levels = 1 / (1 + np.exp(-odds))
    return _at(context, {f"below {p:.6f}": ThresholdSwitcher(float(p)) for p in levels})


def _stuck(context: BaselineContext) -> list[OperatingPoint]:
    return _at(
        context,
        {
            f"{patience} steps without {'news' if novelty else 'gain'}, then {hold}": StuckSwitcher(
                patience, hold, novelty
            )
            for novelty in (True, False)
            for patience in (1, 2, 3, 5, 8)
            for hold in (1, 2, 5)
        },
    )


def _episode_router(context: BaselineContext) -> list[OperatingPoint]:
    encoder, quick = context.encoder, context.alone(0.0)

    def learn(scorer: nn.Module) -> None:
        learn_episode_router(scorer, quick, context.alone(1.0), context.training.seed)

    scorer = context.network(
        "episode-router", lambda: score_network(encoder, context.training.width), learn
    )
    wins = win_probability(scorer, quick.observation[quick.begins])
    levels = np.quantile(wins, np.linspace(0, 1, GRID + 1)[1:-1])
    return _at(
        context,
        {
            f"share {k} of {GRID}": EpisodeSwitcher(
                scorer, context.training.encoder, encoder.size, float(level)
            )
            for k, level in enumerate(levels[::-1], start=1)
        },
    )


def _step_router(context: BaselineContext) -> list[OperatingPoint]:
    scorer = context.network(
        "step-router",
        lambda: score_network(context.encoder, context.training.width),
        lambda network: learn_step_router(network, context.even, context.training.seed),
    )
    return _at(
        context,
        {
            f"share {k} of {GRID}": greedy(Margin(scorer, margin), context.training.encoder)
            for k, margin in enumerate(margins(scorer, context.even, GRID - 1)[::-1], start=1)
        },
    )


def _cql(context: BaselineContext) -> list[OperatingPoint]:
    return [at for weight in WEIGHTS for at in _conservative(context, weight)]


def _conservative(context: BaselineContext, weight: float) -> list[OperatingPoint]:
    training = context.training

    def learn(scorer: nn.Module) -> None:
        learn_cql(
            scorer,
            context.varied,
            context.terms,
            context.encoder.size,
            weight=weight,
            steps=context.log_steps // 4,
            gamma=training.gamma,
            seed=training.seed,
        )

    scorer = context.network(
        f"cql-{weight:g}",
        lambda: universal_score_network(context.encoder, training.width, context.terms),
        learn,
    )
    who = greedy(scorer, training.encoder, context.terms)
    return [
        OperatingPoint(f"{at.setting}, weight {weight:g}", who, at.cost)
        for at in _universal(context)
    ]


def _library(algorithm: str) -> Callable[[BaselineContext], list[OperatingPoint]]:
    def candidates(context: BaselineContext) -> list[OperatingPoint]:
        from londi.baselines.sb3 import learn, network

        training, encoder = context.training, context.encoder

        def taught(cost: float) -> LearnedSwitcher:
            def learning(untrained: nn.Module) -> None:
                env = SwitchingVectorEnv(
                    context.pair.make,
                    context.pair.quick,
                    context.pair.deepthink,
                    cost=cost,
                    encoder=encoder,
                    num_envs=training.num_envs,
                )
                with closing(env):
                    learned = learn(
                        algorithm,
                        env,
                        encoder,
                        switching_seeds(training.seed),
                        width=training.width,
                        cost=cost,
                        steps=context.log_steps,
                        gamma=training.gamma,
                        seed=training.seed,
                    )
                context.pair.commit()
                untrained.load_state_dict(learned.state_dict())

            learned = context.network(
                f"{algorithm}-{cost:g}", lambda: network(encoder, training.width, cost), learning
            )
            return LearnedSwitcher(learned, training.encoder, greedy=algorithm == "dqn")

        low, high = context.terms.low, context.terms.high
        costs = [float(f"{c:.2g}") for c in np.geomspace(2 * low, high / 2, TRAINED)]
        return [OperatingPoint(f"c = {c:g}", taught(c), c) for c in costs]

    return candidates


UNIVERSAL = Baseline("londi", "universal Switcher", True, _universal)

BASELINES = {
    method.name: method
    for method in (
        Baseline("random", "random", True, _random),
        Baseline("first-k", "first k steps", False, _first),
        Baseline("every-k", "every k steps", False, _every),
        Baseline("confidence", "threshold on QUICK's confidence", False, _confidence),
        Baseline("stuck", "SwiftSage's rule: no progress", False, _stuck),
        Baseline("episode-router", "router by episode", True, _episode_router),
        Baseline("step-router", "supervised router by step", True, _step_router),
        Baseline("cql", "CQL, budget in the state", True, _cql),
        Baseline("dqn", "DQN (Stable-Baselines3)", True, _library("dqn")),
        Baseline("ppo", "PPO (Stable-Baselines3)", True, _library("ppo")),
    )
}
"""The names are those of `londi.config.METHODS`."""


def find_baseline(name: str) -> Baseline:
    """The baseline of that name, or `module:name`: a `Baseline` that a user brings.

    Raises:
        UnknownName: if there is none of that name.
        InvalidConfig: if a module cannot be imported, or holds no baseline under that name.
    """
    if is_spec(name):
        brought = build(name, "method")
        if not isinstance(brought, Baseline):
            raise InvalidConfig(
                f"method: expected a Baseline in {name!r}, got {type(brought).__name__}"
            )
        return brought
    if name not in BASELINES:
        raise UnknownName("method", name, BASELINES)
    return BASELINES[name]
