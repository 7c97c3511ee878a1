"""An actor-critic for every cost and budget at once (after UVFA, Schaul et al. 2015).

A call's cost and the calls that are left follow from the choices alone, so a step that was played
at one cost and budget can be learned from at any (`relabel`). The critics tell two numbers apart,
the task return to come and the DEEPTHINK calls to come: a choice is worth the one less c times the
other. This file knows no environment and no text.

Shapes in the comments as in `londi.learning.sac`; the last axis of critics' values [B, A, 2] is
(return, calls).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus
from torch.optim.swa_utils import AveragedModel

from londi.learning.replay import Batch
from londi.learning.sac import (
    ActorCritic,
    FixedAlpha,
    Losses,
    Rates,
    average,
    descend,
    load_parts,
    losses,
    running_mean,
    state_of,
)
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import masked_policy
from londi.switching.observation import BUDGET_LEFT, CAPPED, COST
from londi.types import StateDict


@dataclass(frozen=True, slots=True)
class RelabelledBatch(Batch):
    """Transitions at costs and budgets of their own; rewards are the task's, no call charged.

    Attributes:
        cost: [B] float32, c.
        remaining: [B] float32, x, the calls that are left; inf without a cap.
    """

    cost: Tensor
    remaining: Tensor


def relabel(
    batch: Batch, terms: CostBudgetRange, features: int, rng: np.random.Generator
) -> RelabelledBatch:
    """`batch` as if it had been played at other costs and budgets, drawn for each transition.

    Args:
        batch: with rewards of the task alone.
        terms: the range to draw from.
        features: numbers of the encoder in an observation, F.
        rng: where the draws come from.
    """
    choice = batch.action.numpy()
    costs = torch.from_numpy(terms.costs(len(choice), rng)).float()
    remaining = terms.budgets(choice, rng)
    seen, allowed = [], []
    for observation, left in (
        (batch.observation, remaining),
        (batch.next_observation, remaining - choice),
    ):
        observation = observation.clone()
        capped = np.isfinite(left)
        observation[:, features + BUDGET_LEFT] = torch.from_numpy(np.where(capped, left, 0.0))
        observation[:, features + CAPPED] = torch.from_numpy(capped)
        observation[:, features + COST] = costs
        seen.append(observation)
        allowed.append(torch.from_numpy(Budget().allowed(left)))
    return RelabelledBatch(
        observation=seen[0],
        action=batch.action,
        reward=batch.reward,
        next_observation=seen[1],
        terminated=batch.terminated,
        allowed=allowed[0],
        next_allowed=allowed[1],
        cost=costs,
        remaining=torch.from_numpy(remaining).float(),
    )


def net_value(value: Tensor, cost: Tensor) -> Tensor:
    """[B, A]: return less c times calls, of critics' `value` [B, A, 2] at c `cost` [B]."""
    return value[..., 0] - cost[:, None] * value[..., 1]


def conservative_penalty(value: Tensor, batch: Batch) -> Tensor:
    """Scalar: by how much the choices that were not taken are valued (CQL(H), arXiv 2006.04779).

    Args:
        value: [B, A], what each choice is worth.
        batch: the transitions.
    """
    taken = value.gather(1, batch.action[:, None])[:, 0]
    return (value.masked_fill(~batch.allowed, -inf).logsumexp(1) - taken).mean()


def preference_loss(logits: Tensor, gain: Tensor) -> Tensor:
    """Scalar: cost-sensitive logistic loss of an actor's `logits` [B, A].

    It is least where the log-odds of a call are log(E[gain+] / E[gain-]), over all that the actor
    does not see: above zero exactly where a call gains on average. SAC's own loss is least there as
    well, but its gradient vanishes with the probability of the rarer action, and a state whose
    right choice turns with the cost never leaves the one that it has learned first.

    Args:
        logits: of QUICK and DEEPTHINK.
        gain: [B], by how much a call is worth more; 0 where there is no choice.
    """
    odds = logits[:, 1] - logits[:, 0]
    return (gain.clamp(min=0) * softplus(-odds) + (-gain).clamp(min=0) * softplus(odds)).mean()


class UniversalLearner:
    """The learner: critics of return and calls, an actor, and a value head for decisions.

    The actor learns by `preference_loss`. There is no temperature, so that the critics say return
    and calls and nothing else. The value head learns what the critics say on average of what the
    actor sees: the expectation behind a decision, once the training is over. Running means of
    actor and value head are what to keep.

    Args:
        actor: logits [B, 2] from what the actor sees.
        critics: two networks [B, D] -> [B, A, 2].
        value_head: a network from what the actor sees to [B, A, 2].
        rates: how fast they learn.
        price: a typical c, by which an error of one call is weighed against one of return.
        sharpness: what the log-odds of the actor's loss are multiplied with in its logits.
        observed: how many numbers of an observation the actor sees; None for all.
        target_bounds: least and greatest task return that can follow on a state.
        conservatism: weight of `conservative_penalty` in the critics' loss.
    """

    def __init__(
        self,
        actor: nn.Module,
        critics: tuple[nn.Module, nn.Module],
        value_head: nn.Module,
        rates: Rates,
        *,
        price: float,
        sharpness: float,
        observed: int | None = None,
        target_bounds: tuple[float, float] = (-inf, inf),
        conservatism: float = 0.0,
    ) -> None:
        self.networks = ActorCritic(actor, critics, rates, observed)
        self.alpha = FixedAlpha(0.0)
        self.gamma = rates.gamma
        self._sharpness = sharpness
        self._units = torch.tensor([1.0, price])  # of (return, calls), in reward
        self._target_bounds = target_bounds
        self._conservatism = conservatism
        self.value_head = value_head
        self.mean_value_head = AveragedModel(value_head, multi_avg_fn=running_mean(rates.actor_tau))
        self.value_head_optimizer = torch.optim.Adam(
            value_head.parameters(), rates.critic_lr, fused=True
        )

    def update(self, batch: RelabelledBatch) -> Losses:
        """One step of gradient for each network, all from the weights as they are before it."""
        nets = self.networks
        seen = nets.seen(batch.observation)

        # Critics, towards what was earned and spent, and the value of what follows.
        with torch.no_grad():
            next_policy = nets.policy(batch.next_observation, batch.next_allowed)
            next_q = average(*(q(batch.next_observation) for q in nets.targets))  # [B, A, 2]
            next_value = (next_policy.probability[..., None] * next_q).sum(1)  # [B, 2]
            now = torch.stack([batch.reward, batch.action.float()], 1)  # [B, 2]
            target = now + self.gamma * (1.0 - batch.terminated)[:, None] * next_value
            returns = target[:, 0].clamp(*self._target_bounds)
            calls = torch.minimum(target[:, 1].clamp(min=0.0), batch.remaining)
            target = torch.stack([returns, calls], 1) * self._units
        q1, q2 = (q(batch.observation) for q in nets.critics)  # [B, A, 2] each
        taken = batch.action[:, None, None].expand(-1, 1, 2)
        t1, t2 = (q.gather(1, taken)[:, 0] * self._units for q in (q1, q2))  # [B, 2] each
        loss_q = 2 * (mse_loss(t1, target) + mse_loss(t2, target))  # the sum of both errors
        if self._conservatism:
            p1, p2 = (conservative_penalty(net_value(q, batch.cost), batch) for q in (q1, q2))
            loss_q = loss_q + self._conservatism * (p1 + p2)
        descend(nets.critic_optimizer, loss_q)

        # Actor, towards the choice that is worth more at the batch's costs, which gains are
        # counted in: a step at a low cost weighs as much as one at a high cost.
        said = average(q1, q2).detach()  # [B, A, 2]
        value = net_value(said, batch.cost)  # [B, A]
        gain = (value[:, 1] - value[:, 0]) / batch.cost * batch.allowed.all(-1)  # [B]
        logits = nets.actor(seen)
        loss_pi = preference_loss(logits / self._sharpness, gain)
        descend(nets.actor_optimizer, loss_pi)

        # Value head, towards what the critics say of what is possible.
        weight = batch.allowed[..., None] * self._units  # [B, A, 2]
        said = said * weight
        descend(self.value_head_optimizer, mse_loss(self.value_head(seen) * weight, said))
        self.mean_value_head.update_parameters(self.value_head)

        entropy = masked_policy(logits, batch.allowed).entropy().detach()[batch.allowed.all(-1)]
        nets.follow()
        return losses(loss_q, loss_pi, 0.0, entropy, value)

    def policy(self, observation: Tensor, allowed: Tensor) -> Tensor:
        """Probabilities [B, 2] at what the actor sees; exactly 0 where not `allowed` [B, 2]."""
        return self.networks.probabilities(observation, allowed)

    def state_dict(self) -> StateDict:
        """All that a resumed run needs; nested dicts of tensors and plain values."""
        return state_of(self._parts())

    def load_state_dict(self, state: StateDict) -> None:
        """Take up what `state_dict` returned."""
        load_parts(self._parts(), state)

    def _parts(self) -> StateDict:
        return self.networks.parts() | {
            "alpha": self.alpha,
            "value_head": self.value_head,
            "mean_value_head": self.mean_value_head,
            "value_head_optimizer": self.value_head_optimizer,
        }
