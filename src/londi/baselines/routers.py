"""Routers that learn from logged episodes whether DEEPTHINK is worth its call.

`learn_episode_router` decides once, by the first state, as RouteLLM (arXiv 2406.18665) routes a
query. LangChain's `ModelRouterMiddleware` (`langchain.agents.middleware.model_router`) has the same
form: a classifier reads the message that begins a run, and its choice holds for all of the run.
`learn_step_router` predicts what return follows on either choice and takes the better after lambda
a call, as MTRouter routes a turn. `learn_cql` is conservative Q-learning (arXiv 2006.04779) with
the budget in the state, as SeqRoute has it, and `learn_iql` implicit Q-learning. This file knows
arrays, and nobody who plays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from londi.baselines.rules import Memory
from londi.encoders.base import Encoder
from londi.learning.dataset import OfflineDataset
from londi.learning.early_stopping import fit
from londi.learning.sac import descend
from londi.learning.universal import RelabelledBatch, conservative_penalty, relabel
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import Network, UncappedInputs, UniversalInputs
from londi.switching.observation import ObservationLayout, steps_made
from londi.switching.switcher import LearnedSwitcher, Switcher
from londi.types import Array

HELD_BACK = 0.15
"""Share of the logged episodes that say when to stop."""
GAP = 0.01
"""By how much more of return DEEPTHINK has to have to do better."""
EPOCHS, PATIENCE = 60, 6
BATCH = 256
RATE = 1e-3
MOST_WEIGHT = 100.0
"""Of a choice that is imitated in implicit Q-learning, as in its paper."""


def score_network(encoder: Encoder, width: int) -> Network:
    """A network of the worth of either choice, `[B, 2]`, whatever the cost and the budget.

    The logs that it learns from hold neither.
    """
    return Network.reading(encoder, UncappedInputs(ObservationLayout(encoder.size)), width)


def universal_score_network(encoder: Encoder, width: int, terms: CostBudgetRange) -> Network:
    """A network of the worth of either choice at any cost and budget of a range, `[B, 2]`."""
    inputs = UniversalInputs(ObservationLayout(encoder.size), terms)
    return Network.reading(encoder, inputs, width)


class Margin(nn.Module):
    """Scores of which a call's are less by `margin`."""

    def __init__(self, scorer: nn.Module, margin: float) -> None:
        super().__init__()
        self.scorer = scorer
        self.register_buffer("margin", torch.tensor([0.0, margin]))

    def forward(self, observation: Tensor) -> Tensor:
        out: Tensor = self.scorer(observation) - self.margin
        return out


class EpisodeSwitcher(Switcher):
    """One model for a whole episode: DEEPTHINK where the first state says that it will do better.

    LangChain's once-per-run router decides likewise. Its classifier is a decision model that is
    asked in words; this one is learned from what came of both models.

    It remembers which, slot by slot: one player at a time.

    Args:
        scorer: whose second number is the log-odds that DEEPTHINK does better.
        encoder: the spec of the encoder that it reads.
        size: the features of that.
        threshold: of the probability, above which DEEPTHINK plays.
    """

    def __init__(self, scorer: nn.Module, encoder: str, size: int, threshold: float) -> None:
        self.encoder = encoder
        self.threshold = threshold
        self._scorer, self._layout = scorer, ObservationLayout(size)
        self._routed = Memory()

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        begins = steps_made(self._layout.view(observation)) == 0
        now = win_probability(self._scorer, observation) > self.threshold
        routed = np.where(begins, now, self._routed.at(begins))
        self._routed.keep(routed)
        return np.where(allowed[:, 1], routed, 0.0)


def win_probability(scorer: nn.Module, observation: Array) -> Array:
    """That DEEPTHINK does better in an episode which begins so, `[B]`."""
    with torch.inference_mode():
        out: Array = scorer(torch.from_numpy(observation))[:, 1].sigmoid().numpy()
    return out


def learn_episode_router(
    scorer: nn.Module, quick: OfflineDataset, deepthink: OfflineDataset, seed: int
) -> None:
    """Teach `scorer` whether DEEPTHINK's return is more than QUICK's.

    Args:
        scorer: as `EpisodeSwitcher` reads it.
        quick: episodes that QUICK played alone.
        deepthink: the same episodes, played by DEEPTHINK.
        seed: seed of the batches.
    """
    others = dict(_outcomes(deepthink))
    pairs = [(e, r) for e, r in _outcomes(quick) if e in others]
    rows = {int(e): row for e, row in zip(quick.episode[quick.begins], _first(quick), strict=True)}
    seen = torch.from_numpy(np.stack([rows[e] for e, _ in pairs]))
    wins = torch.tensor([float(others[e] - r > GAP) for e, r in pairs])

    def loss(rows: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(scorer(seen[rows])[:, 1], wins[rows])

    fit_scorer(scorer, loss, np.array([e for e, _ in pairs]), seed, decay=1e-2)


def learn_step_router(scorer: nn.Module, log: OfflineDataset, seed: int) -> None:
    """Teach `scorer` the return that followed on either choice.

    Args:
        scorer: of either choice.
        log: in which choices say nothing of one another.
        seed: seed of the batches.
    """
    seen = torch.from_numpy(log.observation)
    choice = torch.from_numpy(log.choice)[:, None]
    target = torch.from_numpy(log.to_come().astype(np.float32))

    def loss(rows: Tensor) -> Tensor:
        return mse_loss(scorer(seen[rows]).gather(1, choice[rows])[:, 0], target[rows])

    fit_scorer(scorer, loss, log.episode, seed, decay=1e-4)


def margins(scorer: nn.Module, log: OfflineDataset, points: int) -> list[float]:
    """Lambdas at which calls would be made at all shares of the logged states, the least first."""
    with torch.inference_mode():
        scores = scorer(torch.from_numpy(log.observation))
    gains = (scores[:, 1] - scores[:, 0]).numpy()
    return [float(q) for q in np.quantile(gains, np.linspace(0, 1, points + 2)[1:-1])]


def learn_cql(
    scorer: nn.Module,
    log: OfflineDataset,
    terms: CostBudgetRange,
    size: int,
    *,
    weight: float,
    steps: int,
    gamma: float,
    seed: int,
) -> None:
    """Teach `scorer` Q-values of `log` at all costs and budgets, none better than was seen.

    Double Q-learning with a slow copy, and the penalty log sum exp Q - Q(s, g) of CQL(H).

    Args:
        scorer: as `universal_score_network` makes it.
        log: what to learn from.
        terms: the costs and budgets that transitions are told again with.
        size: features of the encoder, behind which the terms stand.
        weight: of the penalty.
        steps: of gradient.
        gamma: discount of a step.
        seed: seed of the batches.
    """
    rng = np.random.default_rng(seed)
    buffer = log.replay()
    slow = deepcopy(scorer)
    optimizer = torch.optim.Adam(scorer.parameters(), RATE, fused=True)
    for _ in range(steps):
        batch = relabel(buffer.sample(BATCH, 0.0, 0.0, rng), terms, size, rng)
        with torch.no_grad():
            ahead = scorer(batch.next_observation).masked_fill(~batch.next_allowed, -torch.inf)
            best = ahead.argmax(1, keepdim=True)
            target = _target(batch, gamma, slow(batch.next_observation).gather(1, best)[:, 0])
        q = scorer(batch.observation)  # [B, 2]
        loss = mse_loss(_taken(q, batch), target) + weight * conservative_penalty(q, batch)
        descend(optimizer, loss)
        _follow(slow, scorer)


def learn_iql(
    actor: nn.Module,
    scorer: nn.Module,
    log: OfflineDataset,
    terms: CostBudgetRange,
    size: int,
    *,
    expectile: float,
    sharpness: float,
    steps: int,
    gamma: float,
    seed: int,
) -> None:
    """Teach `actor` by implicit Q-learning (arXiv 2110.06169), which values no choice unseen.

    The value of a state is an expectile of Q(s, g) over the choices g of the log, and Q(s, g) is
    the reward and the value of what follows. The actor imitates the log, each choice weighted by
    exp(sharpness (Q(s, g) - V(s)) / c).

    Args:
        actor: logits of either choice.
        scorer: its first number is taught V, from a network of the same form that is taught Q.
        log: what to learn from.
        terms: the costs and budgets that transitions are told again with.
        size: features of the encoder, behind which the terms stand.
        expectile: tau in (0.5, 1); the nearer to 1, the more V is that of the best choice.
        sharpness: of the weights; the paper's beta, for advantages in units of c.
        steps: of gradient.
        gamma: discount of a step.
        seed: seed of the batches.
    """
    rng = np.random.default_rng(seed)
    buffer = log.replay()
    values = deepcopy(scorer)
    slow = deepcopy(values)
    everything = [*actor.parameters(), *scorer.parameters(), *values.parameters()]
    optimizer = torch.optim.Adam(everything, RATE, fused=True)
    for _ in range(steps):
        batch = relabel(buffer.sample(BATCH, 0.0, 0.0, rng), terms, size, rng)
        with torch.no_grad():
            target = _target(batch, gamma, scorer(batch.next_observation)[:, 0])
            learned = _taken(slow(batch.observation), batch)
        state = scorer(batch.observation)[:, 0]
        ahead = learned - state
        skewed = torch.where(ahead > 0, expectile, 1 - expectile) * ahead.square()
        weight = (sharpness * ahead.detach() / batch.cost).exp().clamp(max=MOST_WEIGHT)
        logits = actor(batch.observation).masked_fill(~batch.allowed, -torch.inf)
        imitated = _taken(logits.log_softmax(1), batch)
        error = mse_loss(_taken(values(batch.observation), batch), target)
        descend(optimizer, error + skewed.mean() - (weight * imitated).mean())
        _follow(slow, values)


def _target(batch: RelabelledBatch, gamma: float, follows: Tensor) -> Tensor:
    """[B], what a choice was worth with the worth `follows` [B] of the state that came of it."""
    return batch.reward - batch.cost * batch.action + gamma * (1.0 - batch.terminated) * follows


def _taken(values: Tensor, batch: RelabelledBatch) -> Tensor:
    """[B], of `values` [B, 2], those of the choices that were taken."""
    return values.gather(1, batch.action[:, None])[:, 0]


@torch.no_grad()
def _follow(slow: nn.Module, network: nn.Module) -> None:
    """Move a slow copy towards its network."""
    for kept, new in zip(slow.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 0.005)


def greedy(scorer: nn.Module, encoder: str, terms: CostBudgetRange | None = None) -> Switcher:
    """A Switcher that takes the choice with the greater score."""
    return LearnedSwitcher(scorer, encoder, greedy=True, supported=terms)


def _outcomes(log: OfflineDataset) -> Iterator[tuple[int, float]]:
    begins = log.begins
    yield from zip(log.episode[begins].tolist(), log.to_come()[begins].tolist(), strict=True)


def _first(log: OfflineDataset) -> Array:
    out: Array = log.observation[log.begins]
    return out


def fit_scorer(
    network: nn.Module,
    loss: Callable[[Tensor], Tensor],
    groups: Array,
    seed: int,
    decay: float,
) -> None:
    """Train `network` until the loss on episodes that are held back falls no more.

    Args:
        network: what is trained; it is left as it was best.
        loss: of these rows.
        groups: [T], the episode of each row.
        seed: of the batches and of which episodes are held back.
        decay: of the weights.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(groups)
    back = np.isin(groups, rng.permutation(names)[: max(1, int(HELD_BACK * len(names)))])
    fit(
        network,
        loss,
        np.flatnonzero(~back),
        np.flatnonzero(back),
        rng,
        rate=RATE,
        decay=decay,
        batch_size=BATCH,
        rounds=EPOCHS,
        patience=PATIENCE,
    )
