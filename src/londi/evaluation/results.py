"""The figures of episodes and of methods: the records that evaluations write.

The account of what a method spends is in calls, FLOPs, seconds inside the models, seconds end to
end, joules and money. This file knows no player.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from londi.config.prices import EXAMPLE, Prices
from londi.evaluation.metrics import bootstrap, pgr
from londi.types import Step, Usage, renamed


@dataclass(frozen=True, slots=True)
class Episode:
    """One played episode in numbers.

    Attributes:
        seed: which episode.
        total: its return, undiscounted, no cost taken off.
        success: whether it ended well.
        steps: its length.
        calls: steps at which DEEPTHINK acted.
        overspent: calls beyond the budget.
        quick, deepthink: the work of the two models.
        seconds: wall seconds end to end; 0 if they were not measured.
        substituted_actions: actions that the environment did not know and replaced by the closest.
        aborted: whether the environment broke it off.
    """

    seed: int
    total: float
    success: bool
    steps: int
    calls: int
    overspent: int
    quick: Usage = Usage()  # noqa: RUF009
    deepthink: Usage = Usage()  # noqa: RUF009
    seconds: float = 0.0
    substituted_actions: int = 0
    aborted: bool = False

    @classmethod
    def of(cls, steps: Sequence[Step], seconds: float = 0.0) -> Episode:
        """The numbers of an episode's steps, which took so many seconds end to end."""
        return cls(
            seed=steps[0].episode,
            total=sum(step.reward for step in steps),
            success=steps[-1].success,
            steps=len(steps),
            calls=sum(step.choice for step in steps),
            overspent=sum(step.overspent for step in steps),
            quick=reduce(add, (step.quick for step in steps)),
            deepthink=reduce(add, (step.deepthink for step in steps)),
            seconds=seconds,
            substituted_actions=sum(step.substituted_action is not None for step in steps),
            aborted=steps[-1].aborted is not None,
        )

    @property
    def usage(self) -> Usage:
        """The work of both models."""
        return self.quick + self.deepthink


def former_episode(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a file as an `Episode` is written now.

    Files of release 0.1 hold the work of both models as sums, apart from the tokens; here it stands
    as DEEPTHINK's.
    """
    now = renamed(row)
    if "total" not in now or "lm_seconds" not in now:
        return now
    spent = {"seconds": now.pop("lm_seconds"), "flops": now.pop("lm_flops")}
    spent["joules"] = now.pop("joules", 0.0)
    quick, deepthink = (now.pop(f"{name}_tokens", 0) for name in ("quick", "deepthink"))
    return now | {"quick": {"tokens": quick}, "deepthink": {"tokens": deepthink} | spent}


@dataclass(frozen=True, slots=True)
class Result:
    """How one method does on a set of episodes: one object of `results.json`.

    Files of release 0.1 lack the fields from `lm_cpu_seconds` on; an amount that was not measured
    is None.

    Attributes:
        method: quick, deepthink, random, threshold or londi.
        env: the environment.
        cost: c, at which the Switcher was trained.
        budget: n; None for no cap.
        seed: the training seeds.
        episodes: episodes of each training seed.
        return_mean: mean return, no cost taken off.
        return_ci: its 95% interval, bootstrapped over training seeds and episodes.
        success_rate: share of the episodes that ended well.
        call_rate: DEEPTHINK steps over steps.
        overspent: DEEPTHINK calls beyond the budget, per episode.
        exceeded: share of the episodes with such a call.
        lm_seconds: wall seconds inside the language models, per episode.
        lm_flops: their floating-point operations, per episode.
        joules: energy of the GPU in them, per episode; 0 on a CPU.
        cost_saved: 1 - DEEPTHINK calls / those of always-DEEPTHINK, on the same episodes.
        pgr: share of the gap between QUICK and DEEPTHINK recovered; None without a gap.
        substituted_actions: share of the actions that the environment did not know and replaced.
        aborted: episodes that the environment broke off.
        lm_cpu_seconds: processor seconds inside the language models (`Usage.cpu_seconds`), per
            episode.
        seconds: wall seconds end to end, per episode: the models as they are charged, the
            environment, the encoder and the Switcher, a share of the batch in which it was played.
        calls: DEEPTHINK calls, per episode.
        money: price of the models' work, per episode; None without prices.
        money_saved: 1 - money / that of always-DEEPTHINK.
        bill: money + gamma for each failed episode, per episode, as in TwinRouterBench (arXiv
            2605.18859): an episode that failed because it was cheap is a loss, not a saving.
        currency: of money and bill.
        prices: where they come from: "example", or what was given.
    """

    method: str
    env: str
    cost: float
    budget: int | None
    seed: tuple[int, ...]
    episodes: int
    return_mean: float
    return_ci: tuple[float, float]
    success_rate: float
    call_rate: float
    overspent: float
    exceeded: float
    lm_seconds: float
    lm_flops: float
    joules: float
    cost_saved: float
    pgr: float | None
    substituted_actions: float
    aborted: int
    lm_cpu_seconds: float | None = None
    seconds: float | None = None
    calls: float | None = None
    money: float | None = None
    money_saved: float | None = None
    bill: float | None = None
    currency: str | None = None
    prices: str | None = None

    @property
    def example_prices(self) -> bool:
        """Whether the money is that of models which nobody sells."""
        return self.prices == EXAMPLE


Played = Sequence[Sequence[Episode]]
"""The same episodes, played once for each training seed: `[seeds][episodes]`."""


def result(
    method: str,
    played: Played,
    quick: Played,
    deepthink: Played,
    *,
    env: str,
    cost: float,
    budget: int | None,
    seed: tuple[int, ...],
    prices: Prices | None = None,
) -> Result:
    """The figures of `method`, which `played` these episodes, between its two models.

    Args:
        method: its name.
        played: its episodes.
        quick: the same episodes as QUICK plays them alone.
        deepthink: the same episodes as DEEPTHINK plays them alone.
        env: see `Result`.
        cost: likewise.
        budget: likewise.
        seed: likewise.
        prices: of the models' work.

    Raises:
        ValueError: if the episodes are not the same for all three.
    """
    if not all(_seeds(p) == _seeds(played) for p in (quick, deepthink)):
        raise ValueError("every method must play the same episodes")
    returns = np.array([[e.total for e in episodes] for episodes in played])
    value, success = float(returns.mean()), _mean(played, "success")
    calls = _mean(played, "calls")
    spent = _usage(played)
    timed = all(e.seconds for episodes in played for e in episodes)
    money, always = _money(played, prices), _money(deepthink, prices)
    saved = bill = None
    gamma = always if prices is None or prices.failure is None else prices.failure
    if money is not None and gamma is not None:
        bill = money + gamma * (1.0 - success)
        saved = 1.0 - money / always if always else None
    return Result(
        method=method,
        env=env,
        cost=cost,
        budget=budget,
        seed=seed,
        episodes=returns.shape[1],
        return_mean=value,
        return_ci=bootstrap(returns),
        success_rate=success,
        call_rate=call_rate(played),
        overspent=_mean(played, "overspent"),
        exceeded=float(np.mean([[e.overspent > 0 for e in episodes] for episodes in played])),
        lm_seconds=spent.seconds / returns.size,
        lm_flops=spent.flops / returns.size,
        joules=spent.joules / returns.size,
        cost_saved=1.0 - calls / _mean(deepthink, "calls"),
        pgr=pgr(value, _mean(quick, "total"), _mean(deepthink, "total")),
        substituted_actions=_mean(played, "substituted_actions") / _mean(played, "steps"),
        aborted=sum(e.aborted for episodes in played for e in episodes),
        lm_cpu_seconds=spent.cpu_seconds / returns.size if spent.cpu_seconds else None,
        seconds=_mean(played, "seconds") if timed else None,
        calls=calls,
        money=money,
        money_saved=saved,
        bill=bill,
        currency=prices.currency if prices else None,
        prices=prices.source if prices else None,
    )


def call_rate(played: Played) -> float:
    """DEEPTHINK steps over steps."""
    return _mean(played, "calls") / _mean(played, "steps")


def _usage(played: Played) -> Usage:
    """The work of both models in all episodes."""
    return reduce(add, (e.usage for episodes in played for e in episodes))


def _money(played: Played, prices: Prices | None) -> float | None:
    """The mean price of an episode; None if it is not known."""
    if prices is None:
        return None
    found = [prices.of(e.quick, e.deepthink) for episodes in played for e in episodes]
    known = [money for money in found if money is not None]
    return float(np.mean(known)) if len(known) == len(found) else None


def _mean(played: Played, field: str) -> float:
    return float(np.mean([[getattr(e, field) for e in episodes] for episodes in played]))


def _seeds(played: Played) -> list[int]:
    (first, *others) = [[e.seed for e in episodes] for episodes in played]
    if any(other != first for other in others):
        raise ValueError("every training seed must play the same episodes")
    return first
