"""Observations: the numbers of a state that the Switcher sees, made in one place.

An observation is a row of float32 numbers: the encoder's features of the prompt, then the calls
left and the cost as they are, then how the episode has gone. Networks normalise these numbers
(`networks.py`). In training there is privileged information beside it, for critics alone. The
vector environment uses this file, and so can anything that has no environment. It knows no
environment, no network and no learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log1p
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from londi.encoders.base import Encoder
from londi.envs.prompt import Prompt
from londi.models.base import LanguageModel
from londi.types import Array, CostBudget, Reply

if TYPE_CHECKING:
    from torch import Tensor

Rows = TypeVar("Rows", Array, "Tensor")

BUDGET_LEFT, CAPPED, COST, STEPS, REPEATS = range(5)
"""Columns behind the features."""
CONTEXT_NAMES = ("budget_left", "capped", "cost", "steps", "repeats")
"""Their names, in order; see `ObservationView`."""
CONTEXT = len(CONTEXT_NAMES)


@dataclass(frozen=True, slots=True)
class ObservationLayout:
    """The columns of an observation.

    Attributes:
        features: numbers of the encoder, which stand first.
        privileged: numbers for critics alone, which stand last; 0 in all that a Switcher sees.
    """

    features: int
    privileged: int = 0

    @property
    def observed(self) -> int:
        """Numbers that the Switcher sees."""
        return self.features + CONTEXT

    @property
    def size(self) -> int:
        """Numbers in all, D."""
        return self.observed + self.privileged

    def view(self, rows: Rows) -> ObservationView[Rows]:
        """Observations `[B, D]` by the names of their columns."""
        return ObservationView(rows, self.features)

    def write(self, row: Array, features: Array, state: State) -> None:
        """Fill one observation `[observed]` in place."""
        x = state.cost_budget.remaining
        row[: self.features] = features
        context = row[self.features : self.observed]
        context[BUDGET_LEFT], context[CAPPED] = (x, 1.0) if x < inf else (0.0, 0.0)
        context[COST] = state.cost_budget.cost
        context[STEPS], context[REPEATS] = log1p(state.steps), log1p(state.repeats)


@dataclass(frozen=True, slots=True)
class ObservationView(Generic[Rows]):
    """Observations `[B, D]` by name: NumPy arrays or tensors, without a copy.

    Attributes:
        rows: the observations.
        size: F, numbers of the encoder.
    """

    rows: Rows
    size: int

    @property
    def features(self) -> Rows:
        """[B, F], the encoder's features of the prompt."""
        return self.rows[:, : self.size]

    @property
    def budget_left(self) -> Rows:
        """[B], x: calls left; 0 where there is no cap, below 0 where it is overspent."""
        return self.rows[:, self.size + BUDGET_LEFT]

    @property
    def capped(self) -> Rows:
        """[B], 1 where there is a cap on calls, else 0."""
        return self.rows[:, self.size + CAPPED]

    @property
    def cost(self) -> Rows:
        """[B], c: the price of a call, in units of reward."""
        return self.rows[:, self.size + COST]

    @property
    def steps(self) -> Rows:
        """[B], log(1 + steps made before this state in its episode)."""
        return self.rows[:, self.size + STEPS]

    @property
    def repeats(self) -> Rows:
        """[B], log(1 + how often the same text was observed before in its episode)."""
        return self.rows[:, self.size + REPEATS]

    @property
    def progress(self) -> Rows:
        """[B, 2], `steps` and `repeats`."""
        return self.rows[:, self.size + STEPS : self.size + CONTEXT]

    @property
    def privileged(self) -> Rows:
        """[B, P], what critics alone see; P may be 0."""
        return self.rows[:, self.size + CONTEXT :]


def uncapped_at(observation: Array, cost: float) -> Array:
    """A copy of observations `[B, D]` of a Switcher, as they are seen at c and without a budget."""
    seen = observation.copy()
    width = seen.shape[1] - CONTEXT
    seen[:, width + COST] = cost
    seen[:, [width + BUDGET_LEFT, width + CAPPED]] = 0.0
    return seen


def steps_made(view: ObservationView[Array]) -> Array:
    """[B], the steps made before each state, as whole numbers."""
    made: Array = np.rint(np.expm1(view.steps))
    return made


@dataclass(slots=True)
class State:
    """A state of an episode, and what has been asked about it.

    Attributes:
        prompt: the text.
        cost_budget: what a call costs, and how many are left.
        steps: steps made before it in its episode.
        repeats: how often the same was observed before in its episode.
        differed: how often QUICK and how often DEEPTHINK acted before it in its episode where the
            other would have done something else; as far as both were asked.
        features: the encoder's numbers `[F]`; None before they are made.
        quick: what QUICK would do, where it has been asked.
        deepthink: what DEEPTHINK would do, where it has been asked.
    """

    prompt: Prompt
    cost_budget: CostBudget
    steps: int
    repeats: int
    differed: tuple[int, int] = (0, 0)
    features: Array | None = None
    quick: Reply | None = None
    deepthink: Reply | None = None

    def differed_after(self, choice: int) -> tuple[int, int]:
        """`differed` of the state that follows once `choice`, 0 or 1, has acted here."""
        quick, deepthink = self.differed
        if not self.quick or not self.deepthink or self.quick.action == self.deepthink.action:
            return quick, deepthink
        return (quick, deepthink + 1) if choice else (quick + 1, deepthink)


class PrivilegedInfo:
    """Information about a state for critics in training, which no Switcher has when it decides.

    Whether both models would do the same; log(1 + how often QUICK, and DEEPTHINK, has acted where
    they would not); then DEEPTHINK's own embedding, standardised, where it gives one (asymmetric
    actor-critic, arXiv 1710.06542). A prompt does not show which of its steps were QUICK's slips.
    Critics that do not know it value the states behind a slip like those behind a call, and so
    never learn that the call was worth more.

    Attributes:
        size: numbers of a state, P.
    """

    def __init__(self, deepthink: LanguageModel) -> None:
        self._width = deepthink.embedding_size
        self.size = 3 + self._width

    def encode(self, quick: Reply, deepthink: Reply, differed: tuple[int, int]) -> Array:
        """float32 `[P]`, from what both models reply in one state, and from its `differed`."""
        row = np.zeros(self.size, np.float32)
        row[0] = quick.action == deepthink.action
        row[1:3] = np.log1p(differed)
        if deepthink.embedding is not None:
            states = deepthink.embedding
            row[3:] = (states - states.mean()) / (states.std() + 1e-6)
        return row


class Observer:
    """Makes observations of states, and asks the models whose replies are part of them.

    Args:
        encoder: of the prompt.
        quick: asked in every state where the encoder reads its replies.
        deepthink: asked in every state for privileged information.
        privileged: whether there is such information, for the critics of a training.
    """

    def __init__(
        self,
        encoder: Encoder,
        quick: LanguageModel,
        deepthink: LanguageModel,
        privileged: bool = False,
    ) -> None:
        self.encoder = encoder
        self.layout = ObservationLayout(encoder.size)
        self.privileged = PrivilegedInfo(deepthink) if privileged else None
        self._quick, self._deepthink = quick, deepthink

    def look(self, states: Sequence[State | None]) -> None:
        """Make the features of these states, each model asked once for all of them."""
        seen = [state for state in states if state is not None]
        if not seen:
            return
        prompts = [state.prompt for state in seen]
        if self.encoder.reads_quick or self.privileged:
            for state, reply in zip(seen, self._quick.act(prompts), strict=True):
                state.quick = reply
        if self.privileged:
            for state, reply in zip(seen, self._deepthink.act(prompts), strict=True):
                state.deepthink = reply
        read = [state.quick for state in seen if state.quick] if self.encoder.reads_quick else []
        for state, row in zip(seen, self.encoder.checked_encode(prompts, read), strict=True):
            state.features = row

    def observe(self, states: Sequence[State | None]) -> Array:
        """Observations `[n, D]` of states that were looked at; zeros where there is none."""
        rows = np.zeros((len(states), self.layout.size), np.float32)
        for row, state in zip(rows, states, strict=True):
            if state is not None:
                assert state.features is not None
                self.layout.write(row, state.features, state)
        return rows

    def foresee(self, states: Sequence[State | None]) -> Array:
        """Privileged information `[n, P]` of states that were looked at; P is 0 without any."""
        rows = np.zeros((len(states), self.privileged.size if self.privileged else 0), np.float32)
        for row, state in zip(rows, states, strict=True):
            if self.privileged and state and state.quick and state.deepthink:
                row[:] = self.privileged.encode(state.quick, state.deepthink, state.differed)
        return rows
