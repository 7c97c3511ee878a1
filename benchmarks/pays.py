"""When a learned switch pays: gap, agreement, horizon and seconds of several comparisons.

    londi frontier RUN ... --out DIR
    python benchmarks/pays.py DIR ... [--log 100]

Each DIR is a comparison that `londi frontier` has made. Its pair plays validation episodes with
even coin tosses, both models asked at every step, to count how often they say the same. Prints a
table in Markdown, a row for each DIR.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from math import fsum, inf
from pathlib import Path
from statistics import fmean

from londi.config import FrontierConfig
from londi.encoders.registry import make_encoder
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import validation_seeds
from londi.evaluation.comparison import Comparison
from londi.evaluation.curves import CurvePoint, Frontier, read_frontier
from londi.evaluation.results import Episode, Result
from londi.learning.logs import collect
from londi.storage.runs import read_run

WITHIN = 0.02
"""Of DEEPTHINK's return: what counts as its level."""
HEADS = (
    "world",
    "QUICK",
    "DEEPTHINK",
    "seconds a decision, QUICK / DEEPTHINK",
    "steps",
    "models agree",
    "call rate for 95% of the gap: londi",
    "coin",
    "budget with which the clairvoyant has DEEPTHINK's return",
    "seconds saved",
)


def main(folders: Sequence[Path], episodes: int) -> None:
    """Print the table."""
    print(f"| {' | '.join(HEADS)} |")
    print("|---" * len(HEADS) + "|")
    for folder in folders:
        print(f"| {' | '.join(row(folder, episodes))} |", flush=True)


def row(folder: Path, episodes: int) -> list[str]:
    """The cells of a comparison."""
    found = read_frontier(folder)
    comparison = Comparison(folder, read_run(folder, FrontierConfig), None, lambda *_: None)
    with warm():
        quick, deepthink = comparison.ends()
        agree = agreement(comparison, episodes)
    comparison.pair.close()
    curves = {curve.method: curve for curve in found.curves}
    coin = curves.get("random")
    return [
        found.env.removeprefix("londi/"),
        interval(found.quick),
        interval(found.deepthink),
        f"{seconds_of_a_step(quick) / seconds_of_a_step(deepthink):.2f}",
        f"{fmean(e.steps for e in deepthink):.0f}",
        f"{agree:.0%}",
        f"{found.curves[0].cpt[2]:.2f}",
        f"{coin.cpt[2]:.2f}" if coin else "",
        least_calls(found),
        saved(found.curves[0].points, found.deepthink),
    ]


def interval(result: Result) -> str:
    """Mean return with its interval."""
    return f"{result.return_mean:.3f} ({result.return_ci[0]:.3f} .. {result.return_ci[1]:.3f})"


def seconds_of_a_step(alone: Sequence[Episode]) -> float:
    """Seconds inside the models of a step."""
    return fsum(e.usage.seconds for e in alone) / sum(e.steps for e in alone)


def agreement(comparison: Comparison, episodes: int) -> float:
    """Share of steps at which both models choose the same action, under even coin tosses."""
    pair = comparison.pair
    log = collect(
        pair,
        make_encoder(comparison.trainings[0].encoder, pair.quick, pair.deepthink),
        validation_seeds(episodes),
        lambda rng: 0.5,
        steps=inf,
        num_envs=comparison.config.num_envs,
        seed=0,
        both=True,
    )
    return float(log.agreed.mean())


def least_calls(found: Frontier) -> str:
    """Least budget with which the clairvoyant returns what DEEPTHINK does."""
    for calls, point in enumerate(found.limit_budgets):
        if point.return_at_least >= found.deepthink.return_mean:
            return str(calls)
    return ""


def saved(points: Sequence[CurvePoint], deepthink: Result) -> str:
    """The most seconds inside the models saved at a return within `WITHIN` of DEEPTHINK's."""
    level = deepthink.return_mean - WITHIN
    shares = [
        1 - point.result.lm_seconds / deepthink.lm_seconds
        for point in points
        if point.result.return_mean >= level
    ]
    return f"{max(shares):.0%}" if shares and max(shares) > 0 else "none"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--log", type=int, default=100, help="episodes of coin tosses")
    given = parser.parse_args()
    main(given.folders, given.log)
