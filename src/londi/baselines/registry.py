"""Baselines by name: each as Switchers at many settings, from never to always calling.

Validation episodes choose among the settings. This file knows which baselines there are and how
each is made, and not how they are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from torch import nn

from londi.baselines.context import HANDOVERS, BaselineContext
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
from londi.baselines.single_switch import SingleSwitcher, learn_switch_values, switch_margins
from londi.baselines.stage_router import ladder
from londi.baselines.switchyard_process import Switchyard, find_switchyard
from londi.envs.seeds import switching_seeds
from londi.errors import InvalidConfig, UnknownName
from londi.storage.names import build, is_spec
from londi.switching.env import SwitchingVectorEnv
from londi.switching.switcher import ConstantSwitcher, LearnedSwitcher, Switcher, ThresholdSwitcher

GRID = 12
"""Settings of a method, about."""
COSTS = 9
"""Costs at which a Switcher that serves a whole range is tried."""
SHARES = 5
"""Shares of QUICK's episodes in which DEEPTHINK takes over, after each number of steps."""
WEIGHTS = (0.1, 0.01, 0.001)
"""Weights of CQL's penalty."""
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


def _single_switch(context: BaselineContext) -> list[OperatingPoint]:
    encoder, quick = context.encoder, context.alone(0.0)
    scorer = context.network(
        "single-switch",
        lambda: score_network(encoder, context.training.width),
        lambda network: learn_switch_values(
            network, quick, context.handover, encoder.size, context.training.seed
        ),
    )
    return _at(
        context,
        {
            f"after {k} steps, share {share} of {SHARES}": SingleSwitcher(
                scorer, context.training.encoder, encoder.size, k, margin
            )
            for k in HANDOVERS
            for share, margin in enumerate(
                switch_margins(scorer, quick, encoder.size, k, SHARES), start=1
            )
        },
    )


def _stage_router(context: BaselineContext) -> list[OperatingPoint]:
    return _at(context, ladder(Switchyard(find_switchyard(context.switchyard))))


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
        Baseline("single-switch", "SWE-Router's single switch", True, _single_switch),
        Baseline("step-router", "supervised router by step", True, _step_router),
        Baseline("cql", "CQL, budget in the state", True, _cql),
        Baseline("dqn", "DQN (Stable-Baselines3)", True, _library("dqn")),
        Baseline("ppo", "PPO (Stable-Baselines3)", True, _library("ppo")),
        Baseline("stage-router", "Switchyard's stage router", False, _stage_router),
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
