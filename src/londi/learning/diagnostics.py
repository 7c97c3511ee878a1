"""How switching fails, seen in the reports of a training and said in words, with what to change.

Only what the Switcher itself would do counts, not the random choices of its exploration. This file
knows reports and settings, and nothing of how a training runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from londi.config import TrainConfig
from londi.learning.statistics import Progress
from londi.switching.budget import Budget

WINDOW = 10
"""Reports that a signature has to last."""
ALWAYS, NEVER = 0.97, 0.03
"""Mean call probabilities beyond which a Switcher has stopped choosing."""
SWING = 0.15
"""Mean change of the call probability between two reports that is no learning any more."""
EARLY = 1 / 3
"""Share of an episode in which a budget ought not to be gone."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One way in which a training is failing.

    Attributes:
        name: always-deepthink, never-deepthink, unstable or budget-spent-early.
        text: what was seen, and what to change.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def diagnose(config: TrainConfig, reports: Iterable[Progress]) -> list[Diagnosis]:
    """Failures that the last `WINDOW` reports after the warm-up show."""
    last = [report for report in reports if report.step > config.warmup][-WINDOW:]
    if len(last) < WINDOW:
        return []
    found = ((name, look(config, last)) for name, look in _LOOKS.items())
    return [Diagnosis(name, text) for name, text in found if text]


def one_choice(call_probability: float) -> str | None:
    """What to say of a Switcher that learned from traces and makes one choice in all of them.

    Args:
        call_probability: the mean over logged steps.
    """
    if NEVER < call_probability < ALWAYS:
        return None
    return (
        f"the Switcher would call DEEPTHINK at {call_probability:.0%} of the logged steps: with few"
        " traces raise --passes, or log more; else another --cost may be right"
    )


def _always(config: TrainConfig, last: Sequence[Progress]) -> str | None:
    if not min(report.call_probability for report in last) >= ALWAYS:  # nor where it is no number
        return None
    return (
        f"the Switcher would call DEEPTHINK at {_share(last)} of the steps. Either QUICK is of no"
        f" use here (its own return is in `londi evaluate`), or a call is too cheap at"
        f" cost = {config.cost:g}: raise --cost, and see that --exploration is above 0"
    )


def _never(config: TrainConfig, last: Sequence[Progress]) -> str | None:
    # Where no call is left to make, none is wanted.
    if config.budget == 0 or not max(report.call_probability for report in last) <= NEVER:
        return None
    return (
        f"the Switcher would call DEEPTHINK at {_share(last)} of the steps. A call costs"
        f" {config.cost:g} of a return that is {last[-1].return_mean:.2f} now. Where QUICK is as"
        " good as DEEPTHINK that is right; else lower --cost until calling at every step of an"
        " episode costs less than DEEPTHINK wins; if it does already, train with --foresight true,"
        " longer, or with a lower --learning_rate"
    )


def _unstable(config: TrainConfig, last: Sequence[Progress]) -> str | None:
    cure = "lower --learning_rate or --tau, raise --batch_size, or take --critics min"
    if not all(isfinite(r.critic_loss + r.actor_loss + r.q_mean) for r in last):
        return f"the losses are no numbers any more: {cure}, and start again"
    # To be wrong by as much as there is to win or to pay is to know nothing.
    budget = Budget.of(config)
    punished = budget.penalty if budget.punishes else 0.0
    scale = max(1.0, *(abs(r.return_mean) for r in last)) + config.cost + punished
    if min(r.critic_loss for r in last) > scale**2:
        return (
            f"the critics are wrong by {last[-1].critic_loss ** 0.5:.3g}, more than there is to win"
            f" or to pay: {cure}"
        )
    wishes = [report.call_probability for report in last]
    swing = sum(abs(b - a) for a, b in pairwise(wishes)) / (WINDOW - 1)
    if swing > SWING:
        return (
            f"from one report to the next the Switcher's call rate changes by {swing:.2f}: {cure};"
            " a lower --actor_tau keeps a longer mean of actors"
        )
    return None


def _spent_early(config: TrainConfig, last: Sequence[Progress]) -> str | None:
    mean = sum(report.funded for report in last) / len(last)
    if config.budget in ("none", 0) or mean >= EARLY:
        return None
    return (
        f"the budget of {config.budget} calls is gone after {mean:.0%} of an episode. If the later"
        " calls are worth more: raise --cost, so that a call must earn its place, or --gamma, so"
        " that the end of an episode is seen at its start; or raise --budget"
    )


def _share(last: Sequence[Progress]) -> str:
    return f"{sum(report.call_probability for report in last) / len(last):.0%}"


_LOOKS: dict[str, Callable[[TrainConfig, Sequence[Progress]], str | None]] = {
    "always-deepthink": _always,
    "never-deepthink": _never,
    "unstable": _unstable,
    "budget-spent-early": _spent_early,
}
