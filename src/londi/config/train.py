"""Settings of `londi train`: one dataclass; the text under each field is its `--help`.

This file knows no environment, no model and no training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from londi.config.base import (
    AUTO,
    INF,
    MOST_ENVS,
    MOST_EPISODES,
    PairConfig,
    check,
    check_budget,
    check_name,
)
from londi.errors import InvalidConfig

R_LEARNER = "r-learner"
ALGORITHMS = ("sac", "universal", R_LEARNER)
"""The built-in training algorithms."""

WARMUP = 4_000
"""Default of `warmup`; a training that is no longer than this warms up for a tenth of its steps."""


@dataclass(frozen=True)
class TrainConfig(PairConfig):
    """Train a Switcher, the policy that decides at each step whether to call DEEPTHINK."""

    cost: float = 0.005
    """c: the price of one DEEPTHINK call, in units of the environment's reward; the Switcher
    maximizes return minus c times calls."""
    budget: int | Literal["none"] = "none"
    """Most DEEPTHINK calls in an episode (LONDI-B); `none` for no limit (LONDI)."""
    universal: bool = False
    """Train one Switcher for all costs in `cost_range` and all budgets up to `most_budget`, with no
    limit among them. It plays at `cost` and `budget` unless a later command says otherwise."""
    algorithm: str = ""
    """Training algorithm: `sac` (soft actor-critic for one cost and budget), `universal`,
    `r-learner` (what a call adds, regressed on choices that were drawn: those of the traces, where
    it is the default, or `steps` steps of coin tosses that it plays first, asking DEEPTHINK only
    where it acts), or your own as `module:name`; empty picks by `universal` and `traces`."""
    cost_range: tuple[float, float] = (0.001, 0.04)
    """Smallest and largest cost of a universal Switcher."""
    most_budget: int = 20
    """Largest budget of a universal Switcher, apart from no limit."""
    budget_mode: Literal["mask", "penalty"] = "mask"
    """How the budget is enforced: `mask` makes further calls impossible, `penalty` allows and
    punishes them."""
    overspend_penalty: float = 1.0
    """Penalty for one call beyond the budget in `penalty` mode, in units of reward."""
    seed: int = 0
    """Seed for weights, episodes, choices and batches, from 0 to 299."""
    traces: str = ""
    """File of traces of real traffic to learn from, in place of playing; the Switcher is then a
    universal one. Environment, models, `steps` and `steps_per_update` are not used."""
    graphs: int = 0
    """Number of training episodes to explore ahead, with both models, in all states that any
    choices lead to; the Switcher, a universal one, is then learned on their graphs, where returns
    are exact, in place of playing. 0 for none. Models must be deterministic; `steps` and
    `steps_per_update` are not used."""
    graph_states: int = 300
    """Largest number of states that are explored in an episode of `graphs`."""
    passes: float = 32.0
    """Number of times that each step of the traces, or each graph, is learned from; with hundreds
    the Switcher overfits to them. `r-learner` and `graphs` hold some back, and keep the Switcher
    that is best on those."""
    conservatism: float = 0.0
    """Weight of the penalty that keeps `universal` from trusting choices that the traces rarely
    hold, as in conservative Q-learning; 0.01 to 1 where one model has most of the calls."""
    held_out: float = 0.2
    """Share of the sessions in the traces that are not learned from, for `londi ope`."""
    encoder: str = AUTO
    """Features of a state that the Switcher reads: `auto` is `quick`, or `text` where it learns
    from traces; `quick` (QUICK's own embedding), `quick-words`
    (also the words of QUICK's choice, for actions that are written freely), `text` (hashed words of
    the state, without any model), `transformer` (the paper's, trained end to end), `model:<name>`
    (the embedding of any Hugging Face model), `sentence:<model>` (sentence-transformers), or your
    own as `module:name`."""
    foresight: bool = True
    """Ask both models at every training step and show the critics, never the Switcher, whether the
    answers differ, and who has acted where they did. This takes more calls in training and gives
    far better value estimates."""
    width: int = 128
    """Width of the hidden layers of actor and critics."""
    steps: int = 40_000
    """Number of environment steps in the training."""
    num_envs: int = 16
    """Number of environments played in parallel."""
    workers: int = 1
    """Number of workers that share the environments, each with models of its own; on this machine
    they take turns, with `--ray` they play at the same time. Another number is another order of
    episodes, and another training."""
    warmup: int = WARMUP
    """Number of environment steps with random choices at the start, before anything is learned; a
    tenth of `steps` if `steps` is no more than this default."""
    exploration: float = 0.3
    """Probability of a uniformly random choice in place of the actor's, throughout the training."""
    steps_per_update: int = 8
    """Environment steps for each gradient step. Each transition is learned from about `batch_size`
    / `steps_per_update` times; with hundreds of times the Switcher overfits to its episodes."""
    batch_size: int = 256
    """Number of transitions in a gradient step."""
    capacity: int = 100_000
    """Largest number of transitions in the replay buffer."""
    replay_folder: str = ""
    """Folder on a local disk for the file of a replay buffer that is larger than memory; empty
    keeps the buffer in memory. The file takes its whole space at the start, and is gone when the
    process ends."""
    gamma: float = 0.97
    """Discount factor per step."""
    critics: Literal["mean", "min"] = "mean"
    """How the two critics are combined: their mean, or their minimum as in the SAC paper."""
    tau: float = 0.03
    """Rate at which the target critics follow the critics, per gradient step."""
    actor_tau: float = 0.002
    """Rate at which the running mean of actors, which becomes the Switcher, follows the actor; 1
    keeps the last actor."""
    learning_rate: float = 1e-3
    """Learning rate of Adam for actor, critics and temperature."""
    alpha: float | Literal["auto"] = 0.001
    """Temperature: the weight of entropy, in units of reward per nat; `auto` learns it to reach
    `target_entropy`. Entropy adds up to 0.69 times this to every step: keep it well below `cost`,
    or long episodes pay off."""
    target_entropy: float = 0.2
    """Entropy to reach with `--alpha auto`, as a share of log 2. The less preferred choice keeps
    about this probability: 0.89 -> 0.31, 0.5 -> 0.11, 0.3 -> 0.05, 0.2 -> 0.03, 0.1 -> 0.013."""
    report_every: int = 500
    """Environment steps between two reports of progress."""
    checkpoint_every: int = 4_000
    """Environment steps between two checkpoints, from which an interrupted run can go on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            cost=(0, INF),
            overspend_penalty=(0, INF),
            most_budget=(1, 1_000_000),
            seed=(0, 299),
            graphs=(0, MOST_EPISODES),
            graph_states=(2, 1_000_000_000),
            width=(1, 65_536),
            steps=(1, 1_000_000_000),
            num_envs=(1, MOST_ENVS),
            workers=(1, self.num_envs),
            warmup=(0, INF),
            exploration=(0, 1),
            steps_per_update=(1, INF),
            batch_size=(1, 10_000_000),
            capacity=(1, 1_000_000_000),
            gamma=(0, 1),
            conservatism=(0, INF),
            tau=(1e-6, 1),
            actor_tau=(1e-6, 1),
            learning_rate=(0, INF),
            target_entropy=(1e-3, 0.999),
            report_every=(1, INF),
            checkpoint_every=(1, INF),
        )
        if self.alpha != "auto":
            check(self, alpha=(0, INF))
        if self.warmup == WARMUP >= self.steps:
            object.__setattr__(self, "warmup", self.steps // 10)
        if self.warmup >= self.steps:
            raise InvalidConfig(
                f"warmup: expected fewer steps than the {self.steps:,} of the training, after which"
                f" nothing is learned, got {self.warmup:,}"
            )
        check_budget(self.budget)
        self._check_algorithm()
        self._check_graphs()
        self._check_traces()
        self._check_universal()
        if self.workers > 1 and self.gathers:
            raise InvalidConfig(
                "workers: expected 1 for a training that does not play as it learns"
            )

    @property
    def gathers(self) -> bool:
        """Whether all that is learned from is there before anything is learned."""
        return bool(self.traces or self.graphs) or self.algorithm == R_LEARNER

    def _check_graphs(self) -> None:
        if not self.graphs:
            return
        check(self, graphs=(2, MOST_EPISODES), passes=(1e-3, INF))
        for name in ("traces", "algorithm"):
            if value := getattr(self, name):
                raise InvalidConfig(f"{name}: expected none beside --graphs, got {value}")
        object.__setattr__(self, "universal", True)

    def _check_traces(self) -> None:
        if not self.traces:
            if self.encoder == AUTO:
                object.__setattr__(self, "encoder", "quick")
            if self.algorithm == R_LEARNER:
                check(self, passes=(1e-3, INF))
            return
        check(self, held_out=(0, 0.9), passes=(1e-3, INF))
        if self.encoder == AUTO:
            object.__setattr__(self, "encoder", "text")
        if self.algorithm == "sac":
            raise InvalidConfig("algorithm: expected one that learns from traces, got sac")
        if not self.algorithm:
            object.__setattr__(self, "algorithm", "universal" if self.universal else R_LEARNER)
        object.__setattr__(self, "universal", True)

    def _check_algorithm(self) -> None:
        if not self.algorithm:
            return
        check_name("algorithm", self.algorithm, ALGORITHMS)
        if self.algorithm in ("universal", R_LEARNER):
            object.__setattr__(self, "universal", True)
        elif self.algorithm == "sac" and self.universal:
            raise InvalidConfig("algorithm: expected universal for a universal Switcher, got sac")

    def _check_universal(self) -> None:
        low, high = self.cost_range
        if not 0 < low <= high < INF:
            raise InvalidConfig(
                "cost_range: expected two numbers above 0, the lesser first, got"
                f" {list(self.cost_range)}"
            )
        if not self.universal:
            return
        for name in ("budget_mode", "critics", "alpha"):
            only = getattr(type(self), name)
            if getattr(self, name) != only:
                raise InvalidConfig(
                    f"{name}: expected {only} for a universal Switcher, got {getattr(self, name)}"
                )
        if self.budget != "none" and self.budget > self.most_budget:
            raise InvalidConfig(
                f"budget: expected at most {self.most_budget} or none, got {self.budget}; a"
                " universal Switcher is trained for budgets up to most_budget"
            )

    def warnings(self, horizon: int, returns: tuple[float, float]) -> list[str]:
        """Settings that are allowed and yet likely to train a useless Switcher, one line each.

        Args:
            horizon: most steps of an episode.
            returns: smallest and largest return of an episode.
        """
        calls = horizon if self.budget == "none" else min(horizon, self.budget)
        cost = self.cost_range[0] if self.universal else self.cost
        gain = returns[1] - returns[0]
        if cost * calls <= gain:
            return []
        return [
            f"cost: {calls} calls at {cost:g} cost {cost * calls:g}, and an episode wins at most"
            f" {gain:g}, so DEEPTHINK may never be called. Costs are in units of the environment's"
            " reward: the paper's c = 0.1 on ScienceWorld is 0.001 here, where a return is the"
            " score over 100"
        ]
