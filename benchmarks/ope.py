"""Off-policy evaluation on finite problems: how often intervals hold the exact value.

    python benchmarks/ope.py problems     # 100 logs of each of some problems
    python benchmarks/ope.py sizes        # many problems, by effective sample size

Observations are one-hot; the logged policy tosses a coin of its own in each state; the evaluated
one calls with 1/2 plus or minus a distance. Prints tables in Markdown, returns before calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from arguments import make_parser

from londi.evaluation import refusals
from londi.evaluation.ope import Estimate, Estimation, Method, estimate
from londi.oracle.mdp import FiniteSwitching, random_mdp
from londi.types import Array

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from finite_logs import at_logged, exact, simulated

LOGS = 100
OUTCOMES = ("return", "calls")
METHODS: tuple[Method, ...] = ("pdis", "wpdis", "dr", "wdr")
EDGES = (2, 5, 10, 20, 30, 50, 100, 1_000)


@dataclass(frozen=True)
class Problem:
    """A random problem, and how it is logged.

    Attributes:
        seed: of the problem, both policies and the logs.
        states: S.
        acyclic: whether a session passes a state at most once.
        sessions: N of a log.
        distance: of the evaluated policy's probabilities from 1/2.
        coins: the logged policy's least and largest probability of a call.
    """

    seed: int
    states: int
    acyclic: bool
    sessions: int
    distance: float
    coins: tuple[float, float] = (0.5, 0.5)

    def make(self) -> tuple[FiniteSwitching, Array, Array, np.random.Generator]:
        """The problem, the logged and the evaluated policy `[S]`, and a generator of logs."""
        rng = np.random.default_rng(self.seed)
        mdp = random_mdp(self.states, rng, acyclic=self.acyclic)
        logged = rng.uniform(*self.coins, self.states)
        sign = rng.choice([-1, 1], self.states)
        return mdp, logged, 0.5 + self.distance * sign, rng


PROBLEMS = (
    Problem(1, 4, True, 60, 0.2),
    Problem(2, 8, True, 100, 0.3),
    Problem(3, 15, True, 300, 0.4),
    Problem(4, 25, True, 300, 0.4, (0.3, 0.7)),
    Problem(5, 25, True, 1_000, 0.45),
    Problem(6, 40, True, 300, 0.3, (0.2, 0.8)),
    Problem(7, 12, False, 300, 0.1),
    Problem(8, 20, False, 1_000, 0.1, (0.4, 0.6)),
)


def held(made: Estimate, true: Array, method: Method) -> list[bool]:
    """Whether the interval of each outcome holds its exact value."""
    intervals = [made.value(name, method).interval or (np.nan, np.nan) for name in OUTCOMES]
    return [low <= v <= high for (low, high), v in zip(intervals, true, strict=True)]


def problems() -> None:
    """Coverage and error of the estimators on each problem."""
    print("| seed | states | sessions | steps, most | size | refused | method | coverage | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    for problem in PROBLEMS:
        mdp, logged, policy, rng = problem.make()
        true = exact(mdp, policy)
        logs = [simulated(mdp, problem.sessions, logged, rng) for _ in range(LOGS)]
        every = [
            estimate(log, at_logged(log, policy), how=Estimation(resamples=500)) for log in logs
        ]
        made = [one for one in every if one.refused is None]
        longest = max(np.bincount(log.episode).max() for log in logs)
        size = np.median([one.effective_sample_size or 0 for one in made])
        start = f"| {problem.seed} | {problem.states} | {problem.sessions} | {longest} | {size:.0f}"
        for method in (*METHODS, "fqe"):
            values = [[one.value(name, method).estimate for name in OUTCOMES] for one in made]
            error = np.sqrt(((np.array(values) - true) ** 2).mean(0))
            share = np.mean([held(one, true, method) for one in made], axis=0)
            said = "-" if method == "fqe" else " ".join(f"{s:.2f}" for s in share)
            print(
                f"{start} | {LOGS - len(made)} | {method} | {said} |"
                f" {error[0]:.3f} {error[1]:.3f} |",
                flush=True,
            )


def drawn(until: float) -> Iterator[tuple[float, bool, Estimate, Array]]:
    """Effective size, whether the fit sees the state, estimate and exact values, of many logs."""
    rng, began = np.random.default_rng(0), time.monotonic()
    while time.monotonic() < began + until:
        sessions = int(rng.choice([30, 60, 100, 300, 600]))
        seed, states = int(rng.integers(2**32)), int(rng.integers(4, 40))
        problem = Problem(seed, states, True, sessions, rng.uniform(0.05, 0.45), (0.3, 0.7))
        mdp, logged, policy, of_log = problem.make()
        true = exact(mdp, policy)
        log = simulated(mdp, sessions, logged, of_log)
        noise = of_log.standard_normal((len(log.choice), 3))
        for sees, shown in ((True, log), (False, replace(log, observation=noise))):
            made = estimate(shown, at_logged(log, policy), how=Estimation(resamples=500))
            if made.refused is None:
                yield made.effective_sample_size or 0.0, sees, made, true


def sizes(minutes: float = 3) -> None:
    """Coverage by effective sample size, with hardly anything refused for its size."""
    refusals.LEAST_EFFECTIVE = 2.0
    rows = [
        (size, sees, method, held(made, true, method))
        for size, sees, made, true in drawn(60 * minutes)
        for method in METHODS
    ]
    print("| size | logs | " + " | ".join(f"{m}, fit sees | fit is blind" for m in METHODS) + " |")
    print("|---" * (2 + 2 * len(METHODS)) + "|")
    for low, high in pairwise(EDGES):
        inside = [row for row in rows if low <= row[0] < high]
        cells = []
        for method in METHODS:
            for sees in (True, False):
                found = [row[3] for row in inside if row[1:3] == (sees, method)]
                cells.append(" ".join(f"{s:.2f}" for s in np.mean(found, axis=0)))
        print(f"| {low} to {high} | {len(inside) // 8} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    given = make_parser(__doc__)
    given.add_argument("what", choices=("problems", "sizes"))
    {"problems": problems, "sizes": sizes}[given.parse_args().what]()
