"""Fitted Q of switching between two models that have only played whole episodes by themselves.

It rests on the Markov assumption: that what is seen tells all that matters for what follows. No
logged episode has a switch, so nothing in the log can contradict it. Where a policy of one model is
fitted, its own return is known, and the distance between the two shows how far the fit is off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from londi.encoders.text import TextEncoder
from londi.envs.prompt import Prompt
from londi.evaluation.fitted_q import fitted_q, policy_value
from londi.evaluation.importance import Sessions
from londi.switching.observation import ObservationLayout, State
from londi.types import Array, CostBudget

from .records import LoggedEpisode

FOLDS = 2
ROUNDS = 3
"""Times that the better choice is looked up and evaluated anew."""


@dataclass(frozen=True)
class FittedSwitching:
    """Fitted returns of policies; no interval, since a fit's own error has none.

    Attributes:
        cheap, strong: of one model alone, to be held against its return.
        coin: of one that tosses a coin at each step.
        better: of one that takes at each step the model that fitted Q finds better. It may be too
            high, since the larger of two numbers with errors is taken.
        calls: share of steps at which the last one takes the strong model.
    """

    cheap: float
    strong: float
    coin: float
    better: float
    calls: float


def fit_switching(
    cheap: Sequence[LoggedEpisode], strong: Sequence[LoggedEpisode], seed: int = 0
) -> FittedSwitching:
    """Fitted Q of both models' episodes together, each task that both played with equal weight."""
    shared = {one.task for one in cheap} & {one.task for one in strong}
    played = [(g, one) for g, side in enumerate((cheap, strong)) for one in side]
    played = [(g, one) for g, one in played if one.task in shared and len(one.rewards)]
    lengths = [len(one.rewards) for _, one in played]
    observation = np.concatenate([_observed(one) for _, one in played])
    choice = np.repeat([g for g, _ in played], lengths)
    reward = np.concatenate([one.rewards for _, one in played])[:, None]
    begins = np.zeros(len(choice), bool)
    begins[np.cumsum([0, *lengths[:-1]])] = True
    tasks = np.array([one.task for _, one in played])

    def q_of(call: Array) -> Array:
        rng = np.random.default_rng(seed)
        sessions = Sessions.of(begins)
        return fitted_q(sessions, observation, choice, call, reward, 1.0, FOLDS, rng)

    def value(call: Array) -> float:
        starts = policy_value(q_of(call), call)[begins, 0]
        return float(np.mean([starts[tasks == task].mean() for task in sorted(shared)]))

    steps = len(choice)
    coin = np.full(steps, 0.5)
    call = coin
    for _ in range(ROUNDS):
        q = q_of(call)[:, :, 0]
        call = (q[:, 1] > q[:, 0]).astype(float)
    return FittedSwitching(
        value(np.zeros(steps)), value(np.ones(steps)), value(coin), value(call), float(call.mean())
    )


def _observed(one: LoggedEpisode) -> Array:
    """Observations `[T, D]`: words of the goal and of what was last seen, steps and repeats."""
    encoder = TextEncoder()
    layout = ObservationLayout(encoder.size)
    out = np.zeros((len(one.seen), layout.size), np.float32)
    prompts = [Prompt(one.goal, (), (text,)) for text in one.seen]
    met: Counter[str] = Counter()
    for k, (row, features) in enumerate(zip(out, encoder.encode(prompts, []), strict=True)):
        text = one.seen[k]
        layout.write(row, features, State(prompts[k], CostBudget(0.0, inf), k, met[text]))
        met[text] += 1
    return out
