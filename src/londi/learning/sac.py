"""Soft actor-critic for two actions (discrete SAC, arXiv 1910.07207).

Numbers in, numbers out: this file knows no text, no environment and no cost. The meaning of an
observation, and that action 1 is expensive, is decided where batches are made.

Shapes in the comments: B transitions, D numbers an observation, A = 2 actions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from londi.learning.replay import Batch
from londi.switching.networks import Policy, masked_policy
from londi.types import StateDict

Tensors = tuple[Tensor, ...] | list[Tensor]
Combine = Callable[[Tensor, Tensor], Tensor]
"""One value [B, A] from those of two critics."""


def average(q1: Tensor, q2: Tensor) -> Tensor:
    """[B, A]: the mean of the critics, in place of the lesser (`torch.minimum`).

    The lesser errs low, and a state that leads back to itself adds its error up over the whole
    horizon. Averaging is what arXiv 2209.10081 recommends for discrete actions.
    """
    return (q1 + q2) / 2


def soft_value(
    policy: Policy, q1: Tensor, q2: Tensor, alpha: float, combine: Combine = torch.minimum
) -> Tensor:
    """[B]: expected action value plus `alpha` times the entropy."""
    q = combine(q1, q2) - alpha * policy.log_probability  # [B, A]
    return (policy.probability * q).sum(-1)


def critic_target(batch: Batch, next_value: Tensor, gamma: float) -> Tensor:
    """[B]: what Q(s, a) should be; past a termination nothing follows."""
    return batch.reward + gamma * (1.0 - batch.terminated) * next_value


def critic_loss(q1: Tensor, q2: Tensor, action: Tensor, target: Tensor) -> Tensor:
    """Scalar: mean squared error of both critics [B, 2] at the actions [B] taken."""
    taken = action[:, None]
    return mse_loss(q1.gather(1, taken)[:, 0], target) + mse_loss(q2.gather(1, taken)[:, 0], target)


def actor_loss(
    policy: Policy, q1: Tensor, q2: Tensor, alpha: float, combine: Combine = torch.minimum
) -> Tensor:
    """Scalar: sum over actions, mean over the batch."""
    return -soft_value(policy, q1, q2, alpha, combine).mean()


def alpha_loss(log_alpha: Tensor, entropy: Tensor, target_entropy: float) -> Tensor:
    """Scalar: falls when alpha rises while the `entropy` [B] is short of its target.

    The paper's -alpha (log p + target), whose expectation over actions is taken exactly.
    """
    return log_alpha.exp() * (entropy.detach() - target_entropy).mean()


class Temperature(Protocol):
    """The weight of the entropy against reward, alpha."""

    @property
    def value(self) -> float:
        """Alpha, in units of reward a nat."""

    def update(self, entropy: Tensor) -> float:
        """Adapt to the policy's `entropy` [N] where it had a choice; returns the loss."""

    def state_dict(self) -> StateDict:
        """All that a resumed run needs."""

    def load_state_dict(self, state: StateDict) -> None:
        """Take up what `state_dict` returned."""


class FixedAlpha:
    """A temperature that never changes; `value` is in units of reward a nat."""

    def __init__(self, value: float) -> None:
        if value < 0:
            raise ValueError(f"alpha must not be negative, got {value}")
        self.value = value

    def update(self, entropy: Tensor) -> float:
        """Nothing to learn."""
        return 0.0

    def state_dict(self) -> StateDict:
        """Its value."""
        return {"value": self.value}

    def load_state_dict(self, state: StateDict) -> None:
        """Take up the value."""
        self.value = state["value"]


class AutoAlpha:
    """A temperature learned so that the policy's mean entropy meets a target.

    Args:
        target_entropy: nats, between 0 and log 2. It sets how often the rarer action is
            still taken when the values are clear: h(p) = target. As a fraction of log 2:
            0.89 -> p = 0.31, 0.5 -> 0.11, 0.3 -> 0.05, 0.1 -> 0.013. The usual 0.89 would
            thus have a Switcher call, or not call, against its judgement at 3 steps in 10.
        lr: learning rate of log alpha.
        initial: alpha at the start, in units of reward a nat.

    Raises:
        ValueError: if the target cannot be met by two actions, or `initial` is not positive.
    """

    def __init__(self, target_entropy: float, lr: float = 3e-4, initial: float = 1.0) -> None:
        if not 0 < target_entropy < log(2):
            raise ValueError(f"target_entropy must be in (0, log 2 = 0.693), got {target_entropy}")
        if initial <= 0:
            raise ValueError(f"initial alpha must be positive, got {initial}")
        self.target_entropy = target_entropy
        self.log_alpha = torch.tensor(log(initial), requires_grad=True)
        self.optimizer = torch.optim.Adam([self.log_alpha], lr=lr)

    @property
    def value(self) -> float:
        """Alpha, in units of reward a nat."""
        return self.log_alpha.detach().exp().item()

    def update(self, entropy: Tensor) -> float:
        """One step of gradient; returns the loss. No step where `entropy` is empty."""
        if not len(entropy):
            return 0.0
        loss = alpha_loss(self.log_alpha, entropy, self.target_entropy)
        descend(self.optimizer, loss)
        return loss.item()

    def state_dict(self) -> StateDict:
        """Log alpha and its optimizer."""
        log_alpha = self.log_alpha.detach().clone()
        return {"log_alpha": log_alpha, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: StateDict) -> None:
        """Take up log alpha and its optimizer."""
        with torch.no_grad():
            self.log_alpha.copy_(state["log_alpha"])
        self.optimizer.load_state_dict(state["optimizer"])


@dataclass(frozen=True, slots=True)
class Losses:
    """Figures of one update, from the weights before it.

    Attributes:
        critic: sum of the two critics' mean squared errors.
        actor: the actor's loss.
        alpha: the temperature's loss; 0.0 if it is fixed.
        entropy: mean policy entropy in nats where both actions were allowed, else 0.0.
        q_mean: mean of the first critic over the batch and both actions.
        temperature: alpha after the update, in units of reward a nat; 0.0 without one.
    """

    critic: float
    actor: float
    alpha: float
    entropy: float
    q_mean: float
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast an actor-critic learns.

    Attributes:
        gamma: discount of a step, in [0, 1].
        tau: share of the critics that moves into their slow copies at each update, in (0, 1].
        actor_tau: share of the newest actor in the running mean of actors, in (0, 1].
        actor_lr: Adam's learning rate for the actor.
        critic_lr: Adam's learning rate for the critics.
    """

    gamma: float = 0.99
    tau: float = 0.005
    actor_tau: float = 0.002
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4


class ActorCritic:
    """Two critics with their slow copies, an actor with the running mean of its weights.

    The running mean is the actor to keep: within 100 updates one actor's call count drifts by
    several calls an episode.

    Args:
        actor: logits [B, 2] from the first `observed` numbers of an observation.
        critics: two networks from [B, D] that share no weights.
        rates: how fast they learn.
        observed: how many numbers of an observation, from the first, the actor sees; None for all.
            The rest is for the critics alone (asymmetric actor-critic, arXiv 1710.06542).
    """

    def __init__(
        self,
        actor: nn.Module,
        critics: tuple[nn.Module, nn.Module],
        rates: Rates,
        observed: int | None = None,
    ) -> None:
        self.actor = actor
        self.critics = nn.ModuleList(critics)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.mean_actor = AveragedModel(actor, multi_avg_fn=running_mean(rates.actor_tau))
        # Fused: one kernel for all weights, the quickest of torch's three loops on a CPU.
        self.actor_optimizer = torch.optim.Adam(actor.parameters(), rates.actor_lr, fused=True)
        self.critic_optimizer = torch.optim.Adam(
            self.critics.parameters(), rates.critic_lr, fused=True
        )
        self._observed = observed
        self._average = get_ema_multi_avg_fn(1.0 - rates.tau)  # type: ignore[no-untyped-call]

    def seen(self, observation: Tensor) -> Tensor:
        """The part of observations [B, D] that the actor sees."""
        return observation[:, : self._observed]

    def policy(self, observation: Tensor, allowed: Tensor) -> Policy:
        """The actor's policy at observations [B, D], over the `allowed` [B, 2] actions."""
        return masked_policy(self.actor(self.seen(observation)), allowed)

    @torch.no_grad()
    def probabilities(self, observation: Tensor, allowed: Tensor) -> Tensor:
        """Action probabilities [B, 2] at what the actor sees; 0 where not `allowed` [B, 2]."""
        return masked_policy(self.actor(observation), allowed).probability

    def follow(self) -> None:
        """Move the slow critics and the mean actor towards the newest ones."""
        self._average(list(self.targets.parameters()), list(self.critics.parameters()), None)
        self.mean_actor.update_parameters(self.actor)

    def parts(self) -> StateDict:
        """All that a resumed run needs, by name."""
        return {
            "actor": self.actor,
            "mean_actor": self.mean_actor,
            "critics": self.critics,
            "targets": self.targets,
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }


class SAC:
    """The learner: soft actor-critic on batches of transitions.

    Args:
        actor: logits [B, 2] from what the actor sees.
        critics: two networks [B, D] -> [B, 2].
        alpha: `FixedAlpha` or `AutoAlpha`; it belongs to this learner alone.
        rates: how fast it learns.
        combine: `torch.minimum`, as published, or `average`.
        observed: how many numbers of an observation the actor sees; None for all.
        target_bounds: least and greatest discounted sum of rewards that can follow on a state.
            Targets are kept between the two (the entropy to come added to the latter), so that
            critics that learn from each other's errors cannot run away together.
    """

    def __init__(
        self,
        actor: nn.Module,
        critics: tuple[nn.Module, nn.Module],
        alpha: Temperature,
        rates: Rates | None = None,
        *,
        combine: Combine = torch.minimum,
        observed: int | None = None,
        target_bounds: tuple[float, float] = (-inf, inf),
    ) -> None:
        rates = rates or Rates()
        self.networks = ActorCritic(actor, critics, rates, observed)
        self.alpha = alpha
        self.gamma = rates.gamma
        self._combine = combine
        self._target_bounds = target_bounds

    def update(self, batch: Batch) -> Losses:
        """One step of gradient for each network, all from the weights as they are before it."""
        alpha, nets = self.alpha.value, self.networks

        # Critics, towards the reward and the soft value of what follows.
        with torch.no_grad():
            next_policy = nets.policy(batch.next_observation, batch.next_allowed)
            next_q1, next_q2 = (q(batch.next_observation) for q in nets.targets)  # [B, A] each
            next_value = soft_value(next_policy, next_q1, next_q2, alpha, self._combine)  # [B]
            target = critic_target(batch, next_value, self.gamma)  # [B]
            least, most = self._target_bounds
            target = target.clamp(least, most + self._entropy_to_come(alpha))
        q1, q2 = (q(batch.observation) for q in nets.critics)  # [B, A] each
        loss_q = critic_loss(q1, q2, batch.action, target)
        descend(nets.critic_optimizer, loss_q)

        # Actor, towards the actions that the critics value most.
        policy = nets.policy(batch.observation, batch.allowed)
        loss_pi = actor_loss(policy, q1.detach(), q2.detach(), alpha, self._combine)
        descend(nets.actor_optimizer, loss_pi)

        # The temperature. A state with one action left has no entropy whatever the policy, so
        # counting it would drive alpha up for nothing.
        entropy = policy.entropy().detach()[batch.allowed.all(-1)]  # [N <= B]
        loss_alpha = self.alpha.update(entropy)
        nets.follow()
        return losses(loss_q, loss_pi, loss_alpha, entropy, q1, self.alpha.value)

    def policy(self, observation: Tensor, allowed: Tensor) -> Tensor:
        """Probabilities [B, 2] at what the actor sees; exactly 0 where not `allowed` [B, 2]."""
        return self.networks.probabilities(observation, allowed)

    def state_dict(self) -> StateDict:
        """All that a resumed run needs; nested dicts of tensors and plain values."""
        return state_of(self._parts())

    def load_state_dict(self, state: StateDict) -> None:
        """Take up what `state_dict` returned; training goes on bit for bit as it would have.

        Raises:
            KeyError: if a part is missing.
            RuntimeError: if the weights do not fit these networks.
        """
        load_parts(self._parts(), state)

    def _entropy_to_come(self, alpha: float) -> float:
        """At most, in units of reward."""
        return alpha * log(2) / (1.0 - self.gamma) if self.gamma < 1 else inf

    def _parts(self) -> StateDict:
        return self.networks.parts() | {"alpha": self.alpha}


def losses(
    critic: Tensor,
    actor: Tensor,
    alpha: float,
    entropy: Tensor,
    q: Tensor,
    temperature: float = 0.0,
) -> Losses:
    """The report of one update; `entropy` [N] where both actions were allowed, `q` any shape."""
    mean_entropy = entropy.mean().item() if len(entropy) else 0.0
    q_mean = q.detach().mean().item()
    return Losses(critic.item(), actor.item(), alpha, mean_entropy, q_mean, temperature)


def state_of(parts: StateDict) -> StateDict:
    """The states of these parts, by name."""
    return {name: part.state_dict() for name, part in parts.items()}


def load_parts(parts: StateDict, state: StateDict) -> None:
    """Take up what `state_of` returned."""
    for name, part in parts.items():
        part.load_state_dict(state[name])


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of `loss`."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def running_mean(share: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """The plain mean of what came so far, until its newest part would weigh less than `share`."""

    @torch.no_grad()
    def update(mean: Tensors, new: Tensors, count: Tensor | int) -> None:
        weight = max(share, 1.0 / (int(count) + 1))
        for old, value in zip(mean, new, strict=True):
            old.lerp_(value, weight)

    return update
