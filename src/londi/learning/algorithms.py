"""Training algorithms: SAC for one fixed cost and budget, or an actor-critic conditioned on both.

An algorithm says at which cost and budget episodes are played, and makes the learner. A learner
takes in transitions and turns them into a policy. Both are protocols, so that another algorithm
(`--algorithm module:name`) is a file of its own. This file knows no environment and no language
model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from math import inf, log
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.errors import UnknownName
from londi.learning.dataset import OfflineDataset
from londi.learning.privileged import PrivilegedCritic
from londi.learning.replay import Batch, Experience, ReplayBuffer
from londi.learning.sac import (
    SAC,
    AutoAlpha,
    FixedAlpha,
    Losses,
    Rates,
    Temperature,
    average,
)
from londi.learning.universal import UniversalLearner, relabel
from londi.storage.names import build, is_spec
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import (
    FixedInputs,
    Network,
    PenaltyActor,
    UniversalActor,
    UniversalValue,
)
from londi.switching.observation import ObservationLayout
from londi.switching.rollout import Transitions
from londi.types import CostBudget, StateDict

Returns = tuple[float, float]
"""The least and the greatest return of an episode."""


class Learner(Protocol):
    """Turns transitions into a policy.

    `draw` is called in the main thread, and `update` in another one while the language models
    answer; both are joined before `add`, so that a run is the same to the bit.
    """

    def policy(self, observation: Tensor, allowed: Tensor) -> Tensor:
        """Probabilities `[B, 2]` at observations `[B, D]`; 0 where not `allowed` `[B, 2]`."""

    def add(self, transitions: Transitions) -> None:
        """Take in one step of every slot."""

    def draw(self, updates: int, rng: np.random.Generator) -> list[Any]:
        """Batches to learn from during the next step, about `updates` of them."""

    def update(self, batch: Any) -> Losses:
        """Learn from one of these batches."""

    def switcher(self) -> StateDict:
        """A checkpoint of the Switcher; the algorithm's `switcher` makes it again."""

    def state_dict(self) -> StateDict:
        """All that a resumed run needs; rows that are many are best a `RowLog`."""

    def load_state_dict(self, state: StateDict) -> None:
        """Take up what `state_dict` returned."""


class Algorithm(Protocol):
    """A way to train a Switcher; made of a configuration and the encoder.

    Attributes:
        budget: the rule of the calls in its episodes.
    """

    @property
    def budget(self) -> Budget: ...

    def cost_budget(self, episode: int) -> CostBudget:
        """The cost and budget at which the episode of that seed is played."""

    def learner(self, privileged: int, returns: Returns | None) -> Learner:
        """A new learner; its weights are drawn from torch's global generator.

        Args:
            privileged: numbers behind an observation that critics alone see, P.
            returns: the least and the greatest return of an episode, where they are known.
        """


@runtime_checkable
class OfflineLearner(Learner, Protocol):
    """A learner that can also learn from logged steps alone.

    What it was filled with is no part of its `state_dict`.
    """

    def fill(self, log: OfflineDataset) -> None:
        """Take in all that there is to learn from."""


ALGORITHMS: dict[str, Callable[[TrainConfig, Encoder], Algorithm]] = {}
"""The built-in algorithms by name; filled at the end of this file."""


def make_algorithm(config: TrainConfig, encoder: Encoder) -> Algorithm:
    """The algorithm that `config` names.

    Args:
        config: the settings of the training.
        encoder: features that the Switcher reads.

    Raises:
        UnknownName: if there is no algorithm of that name.
        InvalidConfig: if a universal Switcher is to be operated outside of its range, or a module
            cannot be imported.
    """
    name = config.algorithm or ("universal" if config.universal else "sac")
    if is_spec(name):
        return cast(Algorithm, build(name, "algorithm", config=config, encoder=encoder))
    if name not in ALGORITHMS:
        raise UnknownName("algorithm", name, ALGORITHMS)
    return ALGORITHMS[name](config, encoder)


class ReplayLearner:
    """A learner that replays stored transitions.

    Args:
        inner: makes the updates.
        buffer: the transitions.
        sample: draws a batch.
        switcher: the part of the learner that is the Switcher.
        follow: brings what depends on the learner's state up to date, after each change of it.
    """

    def __init__(
        self,
        inner: SAC | UniversalLearner,
        buffer: ReplayBuffer,
        sample: Callable[[ReplayBuffer, np.random.Generator], Batch],
        switcher: Callable[[], StateDict],
        follow: Callable[[], None] = lambda: None,
    ) -> None:
        self._update = cast(Callable[[Batch], Losses], inner.update)
        self.inner, self.buffer, self._filled = inner, buffer, False
        self._sample, self.switcher, self._follow = sample, switcher, follow

    def policy(self, observation: Tensor, allowed: Tensor) -> Tensor:
        return self.inner.policy(observation, allowed)

    def add(self, transitions: Transitions) -> None:
        self.buffer.add(experience(transitions))

    def fill(self, log: OfflineDataset) -> None:
        self.buffer, self._filled = log.replay(), True

    def draw(self, updates: int, rng: np.random.Generator) -> list[Batch]:
        count = updates if len(self.buffer) else 0
        return [self._sample(self.buffer, rng) for _ in range(count)]

    def update(self, batch: Batch) -> Losses:
        losses = self._update(batch)
        self._follow()
        return losses

    def state_dict(self) -> StateDict:
        buffer = {} if self._filled else {"buffer": self.buffer.state()}
        return {"learner": self.inner.state_dict(), **buffer}

    def load_state_dict(self, state: StateDict) -> None:
        self.inner.load_state_dict(state["learner"])
        if not self._filled:
            self.buffer.load_state(state["buffer"])
        self._follow()


def experience(seen: Transitions) -> Experience:
    """A step as a replay buffer stores it: privileged information behind the observation."""
    return Experience(
        observation=np.concatenate([seen.observation, seen.privileged], 1),
        choice=seen.decision.choice,
        reward=seen.reward,
        next_observation=np.concatenate([seen.next_observation, seen.next_privileged], 1),
        terminated=seen.terminated,
        allowed=seen.allowed,
        next_allowed=seen.next_allowed,
        overspent=seen.overspent,
    )


def _rates(config: TrainConfig) -> Rates:
    rate = config.learning_rate
    return Rates(config.gamma, config.tau, config.actor_tau, actor_lr=rate, critic_lr=rate)


class SACAlgorithm:
    """Soft actor-critic at one cost and one budget: LONDI, or LONDI-B."""

    def __init__(self, config: TrainConfig, encoder: Encoder) -> None:
        self._config, self._encoder = config, encoder
        self.budget = Budget.of(config)

    def cost_budget(self, episode: int) -> CostBudget:
        return CostBudget(self._config.cost, self.budget.start)

    def learner(self, privileged: int, returns: Returns | None) -> ReplayLearner:
        config, encoder, width = self._config, self._encoder, self._config.width
        alpha, budget = self._temperature(), self.budget
        most = budget.calls or 1
        layout = ObservationLayout(encoder.size, privileged)

        def critic() -> nn.Module:
            if privileged:
                return PrivilegedCritic(encoder, privileged, width, budget)
            return Network.reading(encoder, FixedInputs(layout, most), width)

        actor = PenaltyActor(encoder, width, most, budget.punishment(alpha.value))
        sac = SAC(
            actor,
            (critic(), critic()),
            alpha,
            _rates(config),
            combine=average if config.critics == "mean" else torch.minimum,
            observed=layout.observed,
            target_bounds=self._target_bounds(returns) if returns else (-inf, inf),
        )

        def sample(buffer: ReplayBuffer, rng: np.random.Generator) -> Batch:
            return buffer.sample(config.batch_size, config.cost, budget.penalty, rng)

        def switcher() -> StateDict:
            return {
                "algorithm": "sac",
                "encoder": config.encoder,
                "width": width,
                "budget": most,
                "punishment": actor.punishment,
                "actor": sac.networks.mean_actor.module.state_dict(),
            }

        def follow() -> None:
            # A punishment weighs by the temperature, which may be learned.
            mean = cast(PenaltyActor, sac.networks.mean_actor.module)
            actor.punishment = mean.punishment = budget.punishment(alpha.value)

        buffer = ReplayBuffer(config.capacity, layout.size, config.replay_folder)
        return ReplayLearner(sac, buffer, sample, switcher, follow)

    def _temperature(self) -> Temperature:
        config = self._config
        if config.alpha == "auto":
            entropy = config.target_entropy * log(2)
            return AutoAlpha(entropy, lr=config.learning_rate, initial=0.01)
        return FixedAlpha(config.alpha)

    def _target_bounds(self, returns: Returns) -> tuple[float, float]:
        """Bounds of what can follow on a state.

        Reward: as much as lies between the least and the greatest return, and at worst a call,
        with its punishment, at every step. Twice that reward, so that critics that merely err are
        left alone.
        """
        gamma, most = self._config.gamma, 2 * (returns[1] - returns[0])
        dear = self._config.cost + self.budget.penalty * self.budget.punishes
        return -most - (dear / (1.0 - gamma) if gamma < 1 else inf), most


class UniversalAlgorithm:
    """Every cost and budget of a range, drawn anew for each episode and each transition."""

    budget = Budget()

    def __init__(self, config: TrainConfig, encoder: Encoder) -> None:
        self._config, self._encoder = config, encoder
        self._terms = CostBudgetRange(*config.cost_range, config.most_budget)
        CostBudgetRange.of(config)  # refuses to be operated outside of its range

    def cost_budget(self, episode: int) -> CostBudget:
        return self._terms.of_episode(episode)

    def learner(self, privileged: int, returns: Returns | None) -> ReplayLearner:
        config, encoder, terms = self._config, self._encoder, self._terms
        width = config.width
        most = 2 * (returns[1] - returns[0]) if returns else inf  # as `SACAlgorithm` has it
        layout = ObservationLayout(encoder.size, privileged)

        def critic() -> nn.Module:
            return UniversalValue(encoder, width, terms, privileged)

        learner = UniversalLearner(
            UniversalActor(encoder, width, terms),
            (critic(), critic()),
            UniversalValue(encoder, width, terms),
            _rates(config),
            price=terms.typical,
            sharpness=UniversalActor.SHARPNESS,
            observed=layout.observed,
            target_bounds=(-most, most),
            conservatism=config.conservatism,
        )

        def sample(buffer: ReplayBuffer, rng: np.random.Generator) -> Batch:
            batch = buffer.sample(config.batch_size, 0.0, 0.0, rng)
            return relabel(batch, terms, encoder.size, rng)

        def switcher() -> StateDict:
            return {
                "algorithm": "universal",
                "encoder": config.encoder,
                "width": width,
                "cost_budget": asdict(terms),
                "actor": learner.networks.mean_actor.module.state_dict(),
                "value_head": learner.mean_value_head.module.state_dict(),
            }

        buffer = ReplayBuffer(config.capacity, layout.size, config.replay_folder)
        return ReplayLearner(learner, buffer, sample, switcher)


ALGORITHMS.update(sac=SACAlgorithm, universal=UniversalAlgorithm)
