"""An actor-critic for every price of a call at once.

Its critics tell two numbers apart: the task return to come, and the DEEPTHINK calls to come. A
choice is worth the one less c times the other, at whatever c a transition is drawn with. This file
knows no environment, no text, and not where prices come from.

Shapes in the comments as in `londi.learning.sac`; the last axis of critics' values [B, A, 2] is
(return, calls).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus
from torch.optim.swa_utils import AveragedModel

from londi.learning.sac import (
    SAC,
    FixedAlpha,
    Losses,
    average,
    descend,
    masked_policy,
    running_mean,
)
from londi.switching.cost_budget import RelabelledBatch


def worth(value: Tensor, cost: Tensor) -> Tensor:
    """[B, A]: what choices of return and calls `value` [B, A, 2] are worth at c `cost` [B]."""
    return value[..., 0] - cost[:, None] * value[..., 1]


def preference_loss(logits: Tensor, gain: Tensor) -> Tensor:
    """Scalar: cost-sensitive logistic loss of an actor's `logits` [B, A].

    It is least where the log-odds of a call are log(E[gain+] / E[gain-]), over what the actor does
    not see: above zero exactly where a call gains on average. SAC's own loss is least there as
    well, but its gradient vanishes with the probability of the rarer action, and a state whose
    right choice turns with the terms never leaves the one that it has learned first.

    Args:
        logits: of QUICK and DEEPTHINK.
        gain: [B], what a call is worth more than none; 0 where there is no choice.
    """
    odds = logits[:, 1] - logits[:, 0]
    return (gain.clamp(min=0) * softplus(-odds) + (-gain).clamp(min=0) * softplus(odds)).mean()


class UniversalLearner(SAC):
    """The learner of `londi.learning.sac` with critics [B, D] -> [B, A, 2], on batches with prices.

    Its actor learns by `preference_loss`, and is `sharpness` times as sure as that has it. There is
    no temperature, so that the critics say return and calls and nothing else. `forecast` learns
    what they say on average of what the actor sees: what a decision expects, once the training is
    over. As of the actor, the mean of its last states is what to keep.

    Args:
        price: a typical c, by which an error of one call is weighed against one of return.
        sharpness: what the log-odds of the actor are multiplied with.
        make_forecast: makes a network [B, observed] -> [B, A, 2].
        settings: those of `SAC`; `worth` bounds the return to come.
    """

    def __init__(
        self,
        *,
        price: float,
        sharpness: float,
        make_forecast: Callable[[], nn.Module],
        **settings: Any,
    ) -> None:
        super().__init__(alpha=FixedAlpha(0.0), **settings)
        self._sharpness = sharpness
        self._units = torch.tensor([1.0, price])  # of (return, calls), in reward
        self.forecast = make_forecast()
        self.mean_forecast = AveragedModel(
            self.forecast, multi_avg_fn=running_mean(settings["actor_tau"])
        )
        self.forecast_optimizer = torch.optim.Adam(
            self.forecast.parameters(), settings["critic_lr"], fused=True
        )

    def update(self, batch: RelabelledBatch) -> Losses:  # type: ignore[override]
        """One step of gradient for each network, all from the weights as they are before it."""
        seen = batch.observation[:, : self._observed]

        # Critics, towards what was earned and spent, and the value of what follows.
        with torch.no_grad():
            next_seen = batch.next_observation[:, : self._observed]
            next_policy = masked_policy(self.actor(next_seen), batch.next_allowed)
            next_q = average(*(q(batch.next_observation) for q in self.targets))  # [B, A, 2]
            next_value = (next_policy.probability[..., None] * next_q).sum(1)  # [B, 2]
            now = torch.stack([batch.reward, batch.action.float()], 1)  # [B, 2]
            target = now + self.gamma * (1.0 - batch.terminated)[:, None] * next_value
            returns = target[:, 0].clamp(*self._worth)
            calls = torch.minimum(target[:, 1].clamp(min=0.0), batch.remaining)
            target = torch.stack([returns, calls], 1) * self._units
        q1, q2 = (q(batch.observation) for q in self.critics)  # [B, A, 2] each
        taken = batch.action[:, None, None].expand(-1, 1, 2)
        t1, t2 = (q.gather(1, taken)[:, 0] * self._units for q in (q1, q2))  # [B, 2] each
        loss_q = 2 * (mse_loss(t1, target) + mse_loss(t2, target))  # the sum of both errors
        descend(self.critic_optimizer, loss_q)

        # Actor, towards the choice that is worth more at the batch's prices, which gains are
        # counted in: a step at a low price weighs as much as one at a high price.
        said = average(q1, q2).detach()  # [B, A, 2]
        value = worth(said, batch.cost)  # [B, A]
        gain = (value[:, 1] - value[:, 0]) / batch.cost * batch.allowed.all(-1)  # [B]
        logits = self.actor(seen)
        loss_pi = preference_loss(logits / self._sharpness, gain)
        descend(self.actor_optimizer, loss_pi)

        # Forecast, towards what the critics say of what is possible.
        weight = batch.allowed[..., None] * self._units  # [B, A, 2]
        said = said * weight
        descend(self.forecast_optimizer, mse_loss(self.forecast(seen) * weight, said))
        self.mean_forecast.update_parameters(self.forecast)

        policy = masked_policy(logits, batch.allowed)
        return self.settle(batch, policy, loss_q, loss_pi, value)

    def _parts(self) -> dict[str, Any]:
        return super()._parts() | {
            "forecast": self.forecast,
            "mean_forecast": self.mean_forecast,
            "forecast_optimizer": self.forecast_optimizer,
        }
