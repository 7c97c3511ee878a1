"""When a learned switch pays: gap, agreement, horizon and seconds of several worlds.

    londi frontier RUN ... --out DIR
    python benchmarks/pays.py DIR|SETTINGS.yaml ... [--episodes 300] [--log 100]

A world is a comparison that `londi frontier` has left in DIR, or the settings of a training, whose
pair is then played alone on held-out episodes; what only a comparison knows stays empty. Each pair
also plays validation episodes with even coin tosses, both models asked at every step, to count how
often they choose the same action. Prints a table in Markdown, a row for each world.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf
from pathlib import Path
from statistics import fmean

import numpy as np

from londi.config import FrontierConfig, TrainConfig
from londi.config.settings import read_config
from londi.encoders.registry import make_encoder
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds, validation_seeds
from londi.evaluation.comparison import Comparison
from londi.evaluation.curves import CurvePoint, Frontier, read_frontier
from londi.evaluation.metrics import bootstrap
from londi.evaluation.play import play, summary
from londi.evaluation.results import Episode, Result
from londi.learning.logs import collect
from londi.models.pair import ModelPair, load_pair
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher

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


@dataclass(frozen=True)
class World:
    """A pair of models in an environment.

    Attributes:
        pair: the models.
        training: settings of a training with them.
        num_envs: episodes played side by side.
        quick, deepthink: each alone on held-out episodes.
        found: the comparison, if there is one.
    """

    pair: ModelPair
    training: TrainConfig
    num_envs: int
    quick: list[Episode]
    deepthink: list[Episode]
    found: Frontier | None = None

    @classmethod
    def compared(cls, folder: Path) -> World:
        """That of a comparison."""
        comparison = Comparison(folder, read_run(folder, FrontierConfig), None, lambda *_: None)
        num_envs = comparison.config.num_envs
        ends, found = comparison.ends(), read_frontier(folder)
        return cls(comparison.pair, comparison.trainings[0], num_envs, *ends, found)

    @classmethod
    def of_settings(cls, file: Path, episodes: int) -> World:
        """That of a training, whose models are played alone here."""
        training = read_config(file, TrainConfig)
        pair = load_pair(training, 0)
        quick, deepthink = (
            summary(
                play(
                    pair,
                    ConstantSwitcher(rate),
                    held_out_seeds(episodes),
                    cost=training.cost,
                    budget=Budget(),
                    num_envs=training.num_envs,
                    seed=0,
                )
            )
            for rate in (0.0, 1.0)
        )
        return cls(pair, training, training.num_envs, quick, deepthink)

    def row(self, episodes: int) -> list[str]:
        """Its cells."""
        steps = fmean(e.steps for e in self.deepthink)
        cells = [
            self.training.env.removeprefix("londi/"),
            returns(self.quick),
            returns(self.deepthink),
            f"{seconds_of_a_step(self.quick) / seconds_of_a_step(self.deepthink):.2f}",
            f"{steps:.0f}",
            f"{self.agreement(episodes):.0%}",
        ]
        if self.found is None:
            return cells + [""] * (len(HEADS) - len(cells))
        ours = self.found.curves[0]
        coin = next((curve for curve in self.found.curves if curve.method == "random"), None)
        return [
            *cells,
            f"{ours.cpt[2]:.2f}",
            f"{coin.cpt[2]:.2f}" if coin else "",
            least_calls(self.found),
            saved(ours.points, self.found.deepthink),
        ]

    def agreement(self, episodes: int) -> float:
        """Share of steps at which both models choose the same action, under even coin tosses."""
        pair = self.pair
        log = collect(
            pair,
            make_encoder(self.training.encoder, pair.quick, pair.deepthink),
            validation_seeds(episodes),
            lambda rng: 0.5,
            steps=inf,
            num_envs=self.num_envs,
            seed=0,
            both=True,
        )
        return float(log.agreement.mean())


def returns(alone: Sequence[Episode]) -> str:
    """Mean return with its 95% interval over episodes."""
    totals = np.array([[e.total for e in alone]])
    low, high = bootstrap(totals)
    return f"{totals.mean():.3f} ({low:.3f} .. {high:.3f})"


def seconds_of_a_step(alone: Sequence[Episode]) -> float:
    """Seconds inside the models of a step."""
    return fsum(e.usage.seconds for e in alone) / sum(e.steps for e in alone)


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


def main(sources: Sequence[Path], episodes: int, log: int) -> None:
    """Print the table."""
    print(f"| {' | '.join(HEADS)} |")
    print("|---" * len(HEADS) + "|")
    with warm():
        for source in sources:
            world = (
                World.compared(source) if source.is_dir() else World.of_settings(source, episodes)
            )
            print(f"| {' | '.join(world.row(log))} |", flush=True)
            world.pair.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="+", type=Path, metavar="DIR|SETTINGS.yaml")
    parser.add_argument("--episodes", type=int, default=300, help="held-out, of settings")
    parser.add_argument("--log", type=int, default=100, help="episodes of coin tosses")
    given = parser.parse_args()
    main(given.sources, given.episodes, given.log)
