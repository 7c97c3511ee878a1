"""Settings of `londi train`: one dataclass, the sentence under each field is its documentation.

This file knows no environment, no model and no training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from londi.config.base import INF, PairConfig, check, check_budget
from londi.errors import InvalidConfig


@dataclass(frozen=True)
class TrainConfig(PairConfig):
    """Train a Switcher by soft actor-critic: LONDI, or LONDI-B where there is a budget."""

    cost: float = 0.005
    """c: price of one DEEPTHINK call, in units of reward."""
    budget: int | Literal["none"] = "none"
    """n: most DEEPTHINK calls of an episode; `none` for no cap."""
    universal: bool = False
    """Train one Switcher for every cost of `cost_range` and every budget up to `most_budget`, and
    none. It can be operated anywhere in there; unless told otherwise, at `cost` and `budget`."""
    algorithm: str = ""
    """Training algorithm: `sac` (one cost and budget), `universal`, or `module:name` of your own;
    by default `universal` decides."""
    cost_range: tuple[float, float] = (0.001, 0.04)
    """The least and the greatest cost of a universal Switcher."""
    most_budget: int = 20
    """The largest budget of a universal Switcher, short of none."""
    budget_mode: Literal["mask", "penalty"] = "mask"
    """`mask` makes a call beyond the budget impossible; `penalty` allows and punishes it."""
    overspend_penalty: float = 1.0
    """Punishment of one call beyond the budget in `penalty` mode, in units of reward."""
    seed: int = 0
    """Seed of weights, episodes, choices and batches."""
    encoder: str = "quick"
    """What the Switcher reads: `quick` (QUICK's own embedding), `quick-words` (and the words
    of QUICK's choice, for actions that are written and not listed), `transformer` (the paper's,
    trained end to end), `model:<name>` (that of any Hugging Face model) or
    `sentence:<model>` (sentence-transformers)."""
    foresight: bool = True
    """Ask both models at every step of the training, and let the critics (never the Switcher) see
    what both would do: more calls in training, and far better values."""
    width: int = 128
    """Width of the hidden layers of actor and critics."""
    steps: int = 40_000
    """Environment steps in all."""
    num_envs: int = 16
    """Environments played side by side."""
    warmup: int = 4_000
    """Steps of uniformly random choices before the actor chooses and anything is learned."""
    exploration: float = 0.3
    """Chance of a uniformly random choice in place of the actor's, throughout the training."""
    steps_per_update: int = 8
    """Environment steps to each gradient step. A training learns from each transition `batch_size`
    / `steps_per_update` times, about; after hundreds of times it knows its episodes by heart."""
    batch_size: int = 256
    """Transitions in a gradient step."""
    capacity: int = 100_000
    """Most transitions in the replay buffer."""
    gamma: float = 0.97
    """Discount of a step."""
    critics: Literal["mean", "min"] = "mean"
    """What is believed of the two critics: their mean, or the lesser (as SAC was published)."""
    tau: float = 0.03
    """Share of the critics that moves into their slow copies at each gradient step."""
    actor_tau: float = 0.002
    """Share of the newest actor in the running mean of actors, which is the Switcher that is kept;
    1 keeps the last actor."""
    learning_rate: float = 1e-3
    """Adam's learning rate, for actor, critics and temperature."""
    alpha: float | Literal["auto"] = 0.001
    """Temperature, in units of reward a nat: `auto` learns it, towards `target_entropy`. The
    entropy of a step is worth up to 0.69 of it, at every step: it must stay small beside the
    cost, or long episodes pay."""
    target_entropy: float = 0.2
    """Entropy that an automatic temperature aims at, as a share of log 2. The choice against the
    Switcher's judgement keeps about this probability: 0.89 -> 0.31, 0.5 -> 0.11, 0.3 -> 0.05,
    0.2 -> 0.03, 0.1 -> 0.013."""
    report_every: int = 500
    """Steps between two reports of progress."""
    checkpoint_every: int = 4_000
    """Steps between two checkpoints, from which an interrupted run goes on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            cost=(0, INF),
            overspend_penalty=(0, INF),
            most_budget=(1, INF),
            seed=(0, 299),
            width=(1, INF),
            steps=(1, 1_000_000),  # no more episodes than `londi.envs.seeds` has for a seed
            num_envs=(1, INF),
            warmup=(0, INF),
            exploration=(0, 1),
            steps_per_update=(1, INF),
            batch_size=(1, INF),
            capacity=(1, INF),
            gamma=(0, 1),
            tau=(1e-6, 1),
            actor_tau=(1e-6, 1),
            learning_rate=(0, INF),
            target_entropy=(1e-3, 0.999),
            report_every=(1, INF),
            checkpoint_every=(1, INF),
        )
        if self.alpha != "auto":
            check(self, alpha=(0, INF))
        if self.warmup >= self.steps:
            raise InvalidConfig(
                f"warmup: expected fewer steps than the {self.steps:,} of the training, after which"
                f" nothing is learned, got {self.warmup:,}"
            )
        check_budget(self.budget)
        low, high = self.cost_range
        if not 0 < low <= high < INF:
            raise InvalidConfig(
                "cost_range: expected two numbers above 0, the lesser first, got"
                f" {list(self.cost_range)}"
            )
        for name in ("budget_mode", "critics", "alpha"):
            only = getattr(type(self), name)
            if self.universal and getattr(self, name) != only:
                raise InvalidConfig(
                    f"{name}: expected {only} for a universal Switcher, got {getattr(self, name)}"
                )
