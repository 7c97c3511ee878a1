"""Coverage of the saving that a control group shows, in simulated months that are looked at daily.

    python benchmarks/control.py [--months 100] [--spread 1.0]

A session's cost is lognormal (`--spread` is the standard deviation of its logarithm), as many come
a day as a week and chance have it, a treated session calls DEEPTHINK at 40% of its steps, more or
less of them the longer it is, QUICK costs a tenth, long sessions fail more often, 60% of sessions
get feedback, some days late. A month is covered if the true value lies in the interval at each of
its 30 looks. Prints a table in Markdown: coverage of the saving and of the difference in reward,
the median widths after 7 and 30 days, and the coverage of the usual interval for one look.
"""

from __future__ import annotations

import argparse
from math import inf, sqrt
from statistics import median

import numpy as np
import numpy.typing as npt

from londi.evaluation.confidence import Interval, Sample, mean_difference, saving

DAYS = 30
QUICK = 0.1
"""Cost of a step of QUICK, where DEEPTHINK's is 1."""
DROP = 0.02
"""Reward that the Switcher loses."""
RATED = 0.6
NORMAL = 1.96
Floats = npt.NDArray[np.float64]


def calls(z: Floats, slope: float) -> Floats:
    """Expected share of DEEPTHINK's steps in a session of log-cost z."""
    out: Floats = 0.4 + slope * np.tanh(z)
    return out


def truth(spread: float, slope: float) -> float:
    """The true saving, by Gauss-Hermite quadrature."""
    z, weights = np.polynomial.hermite_e.hermegauss(201)
    costs = weights * np.exp(spread * z)
    return float(1 - (costs * (QUICK + (1 - QUICK) * calls(z, slope))).sum() / costs.sum())


class Arm:
    """Costs and rewards of one arm, day by day."""

    def __init__(self) -> None:
        self.costs, self.rewards = Sample(), Sample()
        self._late: list[tuple[Floats, npt.NDArray[np.int64]]] = []

    def live(self, day: int, z: Floats, costs: Floats, treated: bool, draws: Floats) -> None:
        """One more day: its sessions, and the feedback that comes on it."""
        self.costs.extend(costs)
        succeeds = 0.8 - 0.08 * np.tanh(z) - DROP * treated
        rewards = (draws[0] < succeeds).astype(float)
        comes = day + np.floor(-np.log(draws[1])).astype(int)  # a day late on average
        rated = draws[2] < RATED
        self._late.append((rewards[rated], comes[rated]))
        for values, when in self._late:
            self.rewards.extend(values[when == day])


def usual(treated: Sample, control: Sample, ratio: bool) -> Interval:
    """The interval for one look, by the central limit theorem."""
    if min(treated.count, control.count) < 2:
        return Interval(0.0)
    if not ratio:
        estimate = treated.mean - control.mean
        half = NORMAL * sqrt(sum(arm.variance / arm.size for arm in (treated, control)))
        return Interval(estimate, estimate - half, estimate + half)
    estimate = 1 - treated.mean / control.mean
    terms = (arm.variance / arm.mean**2 / arm.size for arm in (treated, control))
    half = NORMAL * (1 - estimate) * sqrt(sum(terms))
    return Interval(estimate, estimate - half, estimate + half)


def month(seed: int, a_day: int, share: float, spread: float, slope: float) -> list[list[Interval]]:
    """At each look: saving, difference in reward, and both by the usual interval."""
    rng = np.random.default_rng([seed, a_day])
    control, treated = Arm(), Arm()
    looks = []
    for day in range(DAYS):
        busy = (0.4 if day % 7 > 4 else 1.24) * rng.lognormal(-0.045, 0.3)
        n = int(rng.poisson(a_day * busy))
        z, draws = rng.normal(size=n), rng.random((5, n))
        full = np.exp(spread * z)
        called = np.clip(calls(z, slope) + 0.4 * (draws[3] - 0.5), 0, 1)
        kept = draws[4] < share
        for arm, who, costs in (
            (control, kept, full),
            (treated, ~kept, full * (QUICK + (1 - QUICK) * called)),
        ):
            arm.live(day, z[who], costs[who], arm is treated, draws[:, who])
        pairs = (treated.costs, control.costs), (treated.rewards, control.rewards)
        looks.append(
            [
                saving(*pairs[0]),
                mean_difference(*pairs[1]),
                usual(*pairs[0], True),
                usual(*pairs[1], False),
            ]
        )
    return looks


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=100)
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--traffic", type=int, nargs="+", default=[20, 100, 1000, 10_000])
    parser.add_argument("--slope", type=float, default=0.15, help="More calls in long sessions.")
    given = parser.parse_args()
    true = truth(given.spread, given.slope)
    print(f"true saving {true:.3f}, difference in reward {-DROP}; {given.months} months\n")
    print(
        "| sessions a day | control | saving covered | width, day 7 | day 30 | reward covered"
        " | width, day 7 | day 30 | usual interval: saving | reward |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for a_day in given.traffic:
        for share in (0.01, 0.05, 0.1, 0.2):
            months = [
                month(seed, a_day, share, given.spread, given.slope) for seed in range(given.months)
            ]
            covered = [
                sum(all(value in look[k] for look in looks) for looks in months)
                for k, value in enumerate((true, -DROP, true, -DROP))
            ]
            widths = [
                median(looks[day - 1][k].high - looks[day - 1][k].low for looks in months)
                for k in (0, 1)
                for day in (7, 30)
            ]
            told = ["-" if width == inf else f"{width:.2f}" for width in widths]
            shares = [f"{count / given.months:.1%}" for count in covered]
            cells = [f"{a_day:,}", f"{share:.0%}", shares[0], *told[:2], shares[1], *told[2:]]
            print("| " + " | ".join([*cells, *shares[2:]]) + " |", flush=True)


if __name__ == "__main__":
    main()
