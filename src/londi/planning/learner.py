"""Approximate policy iteration on graphs of episodes (after Lagoudakis & Parr, ICML 2003).

In turns: what each choice is worth under the running mean of the policies is computed exactly, and
the policy takes a step towards the better choices, in the states that it visits. This file knows
graphs and networks; not where the graphs come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim.swa_utils import AveragedModel

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.learning.sac import load_parts, running_mean, state_of
from londi.learning.universal import preference_loss
from londi.planning.exact import GraphBatch
from londi.planning.graphs import EpisodeGraph
from londi.switching.caution import Caution
from londi.switching.cost_budget import UNCAPPED, CostBudgetRange
from londi.switching.networks import UniversalActor, UniversalValue
from londi.switching.observation import (
    BUDGET_LEFT,
    CAPPED,
    CONTEXT,
    COST,
    REPEATS,
    STEPS,
)
from londi.types import Array, StateDict

AVERAGED = 0.01
"""Share of the newest weights in the running mean that is evaluated, and kept."""
DECAY = 0.1
"""Of the weights, per step and learning rate."""
LEAST_VISITED = 1e-3
"""Probability of a visit below which a state is not learned from."""
LEAST_FAMILIAR = 0.01
"""The same, for a state to be familiar."""
LARGEST_NORM = 5.0
"""Of the gradient."""
PROBE = 4
"""Costs at which episodes that are held back are judged."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures of a policy on episodes that are not learned from, means over some costs.

    Attributes:
        worth: the return less c times calls.
        returns: the return.
        call_rates: calls over steps, at each of the costs.
    """

    worth: float
    returns: float
    call_rates: tuple[float, ...]

    @property
    def call_rate(self) -> float:
        """Calls over steps."""
        return float(np.mean(self.call_rates))


class GraphLearner:
    """Learns a Switcher for a range of costs and budgets.

    Args:
        config: the settings.
        encoder: of what the Switcher sees.
    """

    def __init__(self, config: TrainConfig, encoder: Encoder) -> None:
        self._config, self._encoder = config, encoder
        self._terms = CostBudgetRange(*config.cost_range, config.most_budget)
        self._actor = UniversalActor(encoder, config.width, self._terms)
        self._value_head = UniversalValue(encoder, config.width, self._terms)
        follow = running_mean(AVERAGED)
        self._mean_actor = AveragedModel(self._actor, multi_avg_fn=follow)
        self._mean_value_head = AveragedModel(self._value_head, multi_avg_fn=follow)
        weights = [*self._actor.parameters(), *self._value_head.parameters()]
        self._optimizer = torch.optim.AdamW(
            weights, config.learning_rate, weight_decay=DECAY, fused=True
        )

    def update(
        self, graphs: Sequence[EpisodeGraph], rng: np.random.Generator
    ) -> tuple[float, float]:
        """One step of gradient on these episodes, all at one budget and each at its own cost.

        Returns:
            The losses of actor and value head.
        """
        batch = GraphBatch(graphs)
        cost = self._terms.costs(len(graphs), rng)
        most = None if rng.random() < UNCAPPED else int(rng.integers(self._terms.most)) + 1
        call = self._calls(batch, cost, most)
        values = batch.values(call)
        # Some choices are random, at a rate drawn anew, so that states beside its path count too.
        share, rate = self._config.exploration, rng.random()
        possible = call > 0 if most is None else np.arange(len(call))[:, None] > 0
        visits = batch.visits((1 - share) * call + np.float32(share * rate) * possible)
        weight = visits.sum(0)
        learned = (weight > LEAST_VISITED) & batch.known
        if most is not None:
            learned[0] = False  # nothing is chosen there
        left, states = np.nonzero(learned)
        if not len(states):
            return 0.0, 0.0
        visited = visits[:, left, states]  # [H, rows]
        weight = visited.sum(0)

        def mean(of: Array) -> Tensor:
            """[rows, 2], over the steps at which a state is visited."""
            found = (visited[..., None] * of[:, left, states]).sum(0) / weight[:, None]
            return torch.from_numpy(found.astype(np.float32))

        returns, calls = mean(values.returns), mean(values.calls)
        share_of = torch.from_numpy((weight / len(graphs)).astype(np.float32))
        c = torch.from_numpy(cost[batch.episode[states]]).float()
        gain = (returns[:, 1] - returns[:, 0]) / c - (calls[:, 1] - calls[:, 0])
        observation = self._observe(batch, cost, states, None if most is None else left)
        logits = self._actor(observation) / UniversalActor.SHARPNESS
        actor_loss = preference_loss(logits, gain * share_of) * len(states)
        target = torch.stack([returns, calls], 2)  # [rows, A, 2]
        scale = torch.tensor([1.0, self._terms.typical])
        part = share_of[:, None, None].sqrt() * scale
        value_loss = mse_loss(self._value_head(observation) * part, target * part, reduction="sum")
        self._optimizer.zero_grad()
        (actor_loss + value_loss).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._actor.parameters(), LARGEST_NORM)
        nn.utils.clip_grad_norm_(self._value_head.parameters(), LARGEST_NORM)
        self._optimizer.step()
        self._mean_actor.update_parameters(self._actor)
        self._mean_value_head.update_parameters(self._value_head)
        return float(actor_loss.detach()), float(value_loss.detach())

    def judge(self, graphs: Sequence[EpisodeGraph]) -> Judged:
        """Figures on these episodes, of the mean actor without a budget."""
        batch, worth, returns, rates = GraphBatch(graphs), [], [], []
        for c in self._terms.spread(PROBE):
            values = batch.values(self._calls(batch, np.full(len(graphs), c), None))
            worth.append(float((values.total - c * values.spent).mean()))
            returns.append(float(values.total.mean()))
            rates.append(float(values.spent.sum() / values.steps.sum()))
        return Judged(float(np.mean(worth)), float(np.mean(returns)), tuple(rates))

    def switcher(
        self, learned: Sequence[EpisodeGraph], held_back: Sequence[EpisodeGraph], judged: Judged
    ) -> StateDict:
        """A checkpoint of the Switcher, for `Switcher.load`.

        Args:
            learned: episodes that it has learned from, whose states are familiar.
            held_back: others, which say how far from those a familiar state may lie.
            judged: figures on the latter.
        """
        width = self._encoder.embedding
        caution = None
        if width:
            seen, other = (self._visited(part)[:, :width] for part in (learned, held_back))
            caution = Caution.fit(seen, other, self._terms.spread(PROBE), judged.call_rates)
        cautious = {"caution": caution.state_dict()} if caution else {}
        return cautious | {
            "algorithm": "universal",
            "encoder": self._config.encoder,
            "width": self._config.width,
            "cost_budget": asdict(self._terms),
            "actor": deepcopy(self._mean_actor.module.state_dict()),
            "value_head": deepcopy(self._mean_value_head.module.state_dict()),
        }

    def _visited(self, graphs: Sequence[EpisodeGraph]) -> Array:
        """float32 `[N, F]`, features of the states that it comes to at a middling cost."""
        batch = GraphBatch(graphs)
        call = self._calls(batch, np.full(len(graphs), self._terms.typical), None)
        found: Array = batch.features[batch.visits(call)[:, 0].sum(0) > LEAST_FAMILIAR]
        return found

    def state_dict(self) -> StateDict:
        """All that a resumed run needs."""
        return state_of(self._parts())

    def load_state_dict(self, state: StateDict) -> None:
        """Take up what `state_dict` returned."""
        load_parts(self._parts(), state)

    def _parts(self) -> StateDict:
        return {
            "actor": self._actor,
            "value_head": self._value_head,
            "mean_actor": self._mean_actor,
            "mean_value_head": self._mean_value_head,
            "optimizer": self._optimizer,
        }

    @torch.no_grad()
    def _calls(self, batch: GraphBatch, cost: Array, most: int | None) -> Array:
        """float32 `[X, n]`, the mean actor's probability of a call with 0 .. `most` calls left."""
        every = np.arange(len(batch.steps))
        rows = []
        for left in [None] if most is None else range(1, most + 1):
            at = None if left is None else np.full(len(every), left)
            logits = self._mean_actor(self._observe(batch, cost, every, at))
            rows.append(logits.softmax(1)[:, 1].numpy())
        return np.stack(rows if most is None else [np.zeros_like(rows[0]), *rows])

    def _observe(self, batch: GraphBatch, cost: Array, states: Array, left: Array | None) -> Tensor:
        """Observations `[rows, D]` of these states, with so many calls left; None for no cap."""
        features = batch.features[states]
        context = np.zeros((len(states), CONTEXT), np.float32)
        if left is not None:
            context[:, BUDGET_LEFT], context[:, CAPPED] = left, 1.0
        context[:, COST] = cost[batch.episode[states]]
        context[:, STEPS] = np.log1p(batch.steps[states])
        context[:, REPEATS] = np.log1p(batch.repeats[states])
        return torch.from_numpy(np.concatenate([features, context], 1, dtype=np.float32))
