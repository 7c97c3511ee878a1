"""The small records that pass between the parts of londi: numbers and text, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from operator import add, attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""NumPy numbers of any type; shapes stand in docstrings."""
Values = dict[str, Any]
"""Settings and records by name, as YAML and JSON hold them."""
StateDict = dict[str, Any]
"""State by name, as a checkpoint holds it: nested dicts of tensors, arrays and plain values."""
Info = dict[str, Any]
"""Gymnasium's `info`: entries of an environment by name."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Language-model work that was spent.

    An answer from londi's cache is charged what it took when it was made, so that methods stay
    comparable.

    Attributes:
        calls: prompts answered.
        tokens: prompt tokens, those that a provider had in its cache included.
        seconds: wall seconds inside the model.
        flops: floating-point operations, two for each multiply-add.
        joules: energy of the GPU, by its own counter; 0 on a CPU.
        cpu_seconds: processor seconds inside the model: those of the CPU, which a busy machine does
            not lengthen, or the GPU's where the model runs on one.
        output_tokens: tokens of the answer, its end token included.
        cached_tokens: prompt tokens that a provider had in its cache.
        cache_write_tokens: prompt tokens that a provider put into its cache.
    """

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    flops: float = 0.0
    joules: float = 0.0
    cpu_seconds: float = 0.0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(add, amounts(self), amounts(other)))


amounts: Callable[[Usage], tuple[float, ...]] = attrgetter(*(field.name for field in fields(Usage)))
"""The numbers of a `Usage`, in order."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A language model's answer to one prompt.

    Attributes:
        action: the action text.
        logprob: its log-probability under the model, summed over its tokens.
        confidence: its probability among the candidates (1.0 where there are none).
        usage: what the answer took.
        embedding: what the model makes of the prompt, float32 `[d]`, where it tells: the mean of an
            encoder's states, or a causal model's last state.
    """

    action: str
    logprob: float
    confidence: float
    usage: Usage
    embedding: np.ndarray | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one episode, as the switching environment reports it.

    Attributes:
        episode: the seed of the episode.
        t: steps before this one.
        choice: g, 1 where DEEPTHINK acted.
        action: the action text.
        quick_action: what QUICK would have done; None where it was not asked.
        deepthink_action: what DEEPTHINK would have done; likewise.
        reward: the task's own reward, no cost taken off.
        terminated: the task ended here.
        truncated: the episode was cut off here.
        success: it ended well.
        remaining: x, DEEPTHINK calls left before this step; inf without a cap.
        cost: c, at which the step was played.
        overspent: this call was beyond the budget.
        quick: QUICK's work for this step; also where it was only asked for what the Switcher
            sees and DEEPTHINK acted.
        deepthink: DEEPTHINK's work for this step; likewise.
        substituted_action: done in place of `action`, where the environment does not know that.
        aborted: why the environment broke the episode off, if it did.
    """

    episode: int
    t: int
    choice: int
    action: str
    quick_action: str | None
    deepthink_action: str | None
    reward: float
    terminated: bool
    truncated: bool
    success: bool
    remaining: float
    overspent: bool
    quick: Usage
    deepthink: Usage
    cost: float = 0.0
    substituted_action: str | None = None
    aborted: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the episode is over after this step."""
        return self.terminated or self.truncated


@dataclass(frozen=True, slots=True)
class CostBudget:
    """The cost of a call, and the calls that are left.

    Attributes:
        cost: c, the price of a call in units of reward, >= 0.
        remaining: x, the calls that are left; inf without a cap.
    """

    cost: float
    remaining: float

    def after(self, choice: int) -> CostBudget:
        """Cost and budget after a choice g: x_{t+1} = x_t - g_t."""
        return CostBudget(self.cost, self.remaining - choice)


_FORMER = {"mapped": "substituted_actions", "lost": "aborted"}


def renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a file as it is named now; files of release 0.1 have other names."""
    return {_FORMER.get(name, name): value for name, value in row.items()}
