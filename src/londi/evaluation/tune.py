"""`londi tune`: choose where a universal Switcher is operated, from what a user can say.

A cost in units of reward is hard to name; a call rate, a return to keep or the price of a token is
not. Validation episodes are played at costs all over the Switcher's range, and the one that does
what was asked is left beside its weights. This file knows curves over costs, and nothing of how a
Switcher decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from londi.config import TrainConfig, TuneConfig
from londi.config.prices import Prices, find_prices
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import validation_seeds
from londi.errors import InvalidConfig, LondiError
from londi.evaluation.operating_point import TunedPoint, save_operating_point
from londi.evaluation.play import play, summary
from londi.evaluation.results import Episode, Result, result
from londi.evaluation.results import call_rate as mean_call_rate
from londi.models.pair import ModelPair, load_pair
from londi.models.provenance import check_provenance
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.switcher import ConstantSwitcher, Switcher
from londi.types import CostBudget

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Means over episodes at K costs, the least first.

    Attributes:
        returns: [K].
        rates: [K], call rates.
        money: [K], of an episode; zeros without prices, NaN where they are not known.
        deepthink: mean return of DEEPTHINK alone.
    """

    returns: Floats
    rates: Floats
    money: Floats
    deepthink: float


Target = Callable[[CostCurve], float]
"""Says where on a curve to operate, 0 .. K - 1, between two costs in proportion.

It raises InvalidConfig if that is nowhere."""


def call_rate(wanted: float) -> Target:
    """Where the call rate falls to `wanted`."""

    def where(curve: CostCurve) -> float:
        falling = np.minimum.accumulate(curve.rates)
        if not falling[-1] <= wanted <= falling[0]:
            raise InvalidConfig(
                f"call_rate: expected one that this Switcher has within its costs, from"
                f" {falling[-1]:.3f} to {falling[0]:.3f}, got {wanted:g}"
            )
        return _crossing(falling, wanted)

    return where


def keep_return(share: float) -> Target:
    """The greatest cost at which the return is not below that `share` of DEEPTHINK's."""

    def where(curve: CostCurve) -> float:
        least = curve.deepthink - (1 - share) * abs(curve.deepthink)
        falling = np.maximum.accumulate(curve.returns[::-1])[::-1]
        if falling[0] < least:
            raise InvalidConfig(
                f"keep_return: expected a return that this Switcher reaches, at most"
                f" {falling[0]:.3f} where DEEPTHINK alone has {curve.deepthink:.3f}, got"
                f" {share:g} of that"
            )
        return _crossing(falling, least)

    return where


def best_value(worth: float) -> Target:
    """Where a return, of which one is `worth` so much money, is worth most beyond its price."""
    return lambda curve: float(np.argmax(worth * curve.returns - curve.money))


def cheapest_call(curve: CostCurve) -> float:
    """The least cost: a budget alone says what may be spent."""
    return 0.0


def _crossing(falling: Floats, level: float) -> float:
    """The last place at which values that do not rise are still at `level`, or above."""
    last = int(np.flatnonzero(falling >= level)[-1])
    if last == len(falling) - 1:
        return float(last)
    return last + float((falling[last] - level) / (falling[last] - falling[last + 1]))


def make_target(config: TuneConfig) -> tuple[Target, str]:
    """The target that `config` asks for, and its description."""
    if config.call_rate is not None:
        return call_rate(config.call_rate), f"call_rate = {config.call_rate:g}"
    if config.worth is not None:
        return best_value(config.worth), f"price = {config.price}, worth = {config.worth:g}"
    if config.keep_return is not None or config.price:
        share = 0.99 if config.keep_return is None else config.keep_return
        return keep_return(share), f"keep_return = {share:g}"
    return cheapest_call, f"budget = {config.budget}"


def tune(
    training: TrainConfig,
    folder: Path,
    config: TuneConfig,
    *,
    pair: ModelPair | None = None,
    on_point: Callable[[int, str], None] = lambda done, text: None,
) -> TunedPoint:
    """Find where the Switcher in `folder` does what `config` asks for, and leave that beside it.

    Args:
        training: the configuration that it was trained with.
        folder: the folder of its run.
        config: what is asked for.
        pair: models and environment in place of those that `training` names.
        on_point: told of each cost that has been played: how many are done, and what came of it.

    Raises:
        InvalidConfig: if what is asked for is nowhere in the Switcher's range.
        LondiError: if the Switcher is not a universal one.
    """
    terms = CostBudgetRange.of(training)
    if terms is None:
        raise LondiError(
            f"the Switcher in {str(folder)!r} was trained for c = {training.cost:g} alone; only"
            " one of `londi train --universal` can be tuned"
        )
    calls = None if config.budget == "none" else config.budget
    terms.check(CostBudget(terms.low, Budget(calls).start))  # before anybody plays
    target, wanted = make_target(config)
    prices = find_prices(config.price, training.quick, training.deepthink, config.failure_price)
    pair = pair or load_pair(training, config.seed)
    check_provenance(folder, pair)
    who = Switcher.load(folder, pair.quick, pair.deepthink)
    costs = np.geomspace(terms.low, terms.high, config.points).clip(terms.low, terms.high)
    done = 0

    def played(player: Switcher, cost: float, budget: Budget) -> list[Episode]:
        nonlocal done
        episodes = summary(
            play(
                pair,
                player,
                validation_seeds(config.episodes),
                cost=cost,
                budget=budget,
                num_envs=config.num_envs,
                seed=config.seed,
            )
        )
        done += 1
        mean = np.mean([e.total for e in episodes])
        rate = mean_call_rate([episodes])
        on_point(done, f"c = {cost:.4g}: return {mean:.3f}, call rate {rate:.3f}")
        return episodes

    with closing(pair), warm():
        quick = played(ConstantSwitcher(0.0), terms.low, Budget())
        deepthink = played(ConstantSwitcher(1.0), terms.low, Budget())
        if config.worth is not None and np.isnan(_money([*quick, *deepthink], prices)).any():
            raise InvalidConfig(
                "price: expected models that count their tokens, to be set against"
                " the worth of a return"
            )
        points = [played(who, float(cost), Budget(calls)) for cost in costs]
        curves = _Curves(points, deepthink, prices)
        place = target(curves.mean())
        found = _cost(costs, place)
        there = played(who, found, Budget(calls))

    def figures(method: str, episodes: list[Episode]) -> Result:
        return result(
            method,
            [episodes],
            [quick],
            [deepthink],
            env=training.env,
            cost=found,
            budget=calls if method == "londi" else None,
            seed=(training.seed,),
            prices=prices,
        )

    londi = figures("londi", there)
    operating = TunedPoint(
        cost=found,
        cost_interval=_interval(curves, target, costs, found),
        budget=config.budget,
        wanted=wanted,
        episodes=len(there),
        return_mean=londi.return_mean,
        call_rate=londi.call_rate,
        calls=float(np.mean([e.calls for e in there])),
        money=londi.money,
        quick=figures("quick", quick),
        deepthink=figures("deepthink", deepthink),
        londi=londi,
    )
    save_operating_point(folder, operating)
    return operating


class _Curves:
    """The same M episodes at K costs, of which any may be drawn again for a bootstrap."""

    def __init__(
        self,
        points: Sequence[Sequence[Episode]],
        deepthink: Sequence[Episode],
        prices: Prices | None,
    ) -> None:
        self._returns = _numbers(points, "total")
        self._calls = _numbers(points, "calls")
        self._steps = _numbers(points, "steps")
        self._money = np.array([_money(episodes, prices) for episodes in points])
        self._deepthink = np.array([e.total for e in deepthink])

    def mean(self) -> CostCurve:
        return self.of(np.arange(len(self._deepthink)))

    def of(self, episodes: npt.NDArray[np.int64]) -> CostCurve:
        """The means over `episodes`, indices with repetition."""
        return CostCurve(
            returns=self._returns[:, episodes].mean(1),
            rates=self._calls[:, episodes].sum(1) / self._steps[:, episodes].sum(1),
            money=self._money[:, episodes].mean(1),
            deepthink=float(self._deepthink[episodes].mean()),
        )

    @property
    def episodes(self) -> int:
        return len(self._deepthink)


def _numbers(points: Sequence[Sequence[Episode]], field: str) -> Floats:
    return np.array([[getattr(e, field) for e in episodes] for episodes in points], float)


def _money(episodes: Sequence[Episode], prices: Prices | None) -> Floats:
    """[M], the price of each episode; zeros without prices, NaN where it is not known."""
    if prices is None:
        return np.zeros(len(episodes))
    return np.array([prices.of(e.quick, e.deepthink) for e in episodes], float)


def _cost(costs: Floats, place: float) -> float:
    """The cost at a place between two of them, in proportion of their logarithms."""
    between = np.exp(np.interp(place, np.arange(len(costs)), np.log(costs)))
    return float(between.clip(costs[0], costs[-1]))


def _interval(curves: _Curves, target: Target, costs: Floats, found: float) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    drawn = [found]
    for _ in range(RESAMPLES):
        try:
            place = target(curves.of(rng.integers(curves.episodes, size=curves.episodes)))
        except InvalidConfig:  # this sample has no such place
            continue
        drawn.append(_cost(costs, place))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
