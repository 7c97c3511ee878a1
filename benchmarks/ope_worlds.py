"""Off-policy evaluation on both worlds: how often intervals hold what is then played.

    python benchmarks/ope_worlds.py OUT [--env babyai|scienceworld] [--logs N] [--sessions N]
                                        [--played N]

A Switcher is learned from a log of coin tosses (`benchmarks/offline.py`, whose log in OUT is
taken). Then it plays at one c, with a share of random choices, and every log of its sessions
estimates a ladder of policies: the Switcher at other costs, without random choices. Each of these
is played on held-out episodes. What is there is not made again: an interrupted benchmark goes on.
Prints a table in Markdown and leaves OUT/predicted.png, what is estimated against what is played.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from londi.baselines.logs import cached_dataset, collect, record
from londi.config import TrainConfig
from londi.config.settings import read_config
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.seeds import held_out_seeds, switching_seeds
from londi.evaluation.evaluate import play, summary
from londi.evaluation.ope import Estimate, Estimation, estimate
from londi.learning.dataset import OfflineDataset
from londi.models.pair import ModelPair, load_pair
from londi.storage.atomic import append
from londi.switching.budget import Budget
from londi.switching.decision import Decision, draw
from londi.switching.observation import uncapped_at
from londi.switching.switcher import Switcher
from londi.types import Array

sys.path.insert(0, str(Path(__file__).parent))
from offline import RANGES, SETTINGS, first, r_learner

LOGGED = {"babyai": 0.01, "scienceworld": 0.005}
"""c of the Switcher that is logged."""
STEPS = {"babyai": 40_000, "scienceworld": 10_000}
"""Of coin tosses that it is learned from."""
LADDER = (0.25, 0.5, 0.71, 1.0, 1.41, 2.0, 3.0)
"""Costs of the policies that are estimated, in the logged one."""
EXPLORATION = 0.3
SEED = 100
"""Of the logged episodes, which nothing else has."""
OUTCOMES = ("return", "calls")
RESAMPLES = 500


@dataclass(frozen=True)
class World:
    """What the stages share.

    Attributes:
        env: its name.
        out: folder of what is made.
        config: the settings.
        pair: models and environment.
        encoder: of observations.
        switcher: who is logged and estimated.
    """

    env: str
    out: Path
    config: TrainConfig
    pair: ModelPair
    encoder: Encoder
    switcher: Switcher

    @property
    def costs(self) -> list[float]:
        """The ladder."""
        return [LOGGED[self.env] * step for step in LADDER]

    def log(self, number: int, sessions: int) -> OfflineDataset:
        """A log of the Switcher with random choices; each number has episodes of its own."""
        rng = np.random.default_rng([SEED, number])
        start = number * sessions

        def decide(observation: Array, allowed: Array) -> Decision:
            call = self.switcher.call_probability(observation, allowed)
            return draw(call, allowed, rng, EXPLORATION)

        return cached_dataset(
            self.out / "logs" / str(number),
            lambda: record(
                self.pair,
                self.encoder,
                list(islice(switching_seeds(SEED), start, start + sessions)),
                decide,
                num_envs=self.config.num_envs,
                cost=LOGGED[self.env],
            ),
        )

    def played(self, cost: float, episodes: int) -> list[list[float]]:
        """Return and calls of held-out episodes at a cost."""
        steps = play(
            self.pair,
            self.switcher,
            held_out_seeds(episodes),
            cost=cost,
            budget=Budget(),
            num_envs=self.config.num_envs,
            seed=0,
        )
        self.pair.commit()
        return [[episode.total, float(episode.calls)] for episode in summary(steps)]

    def estimated(self, log: OfflineDataset, cost: float) -> Estimate:
        """The policy at a cost, from a log."""
        seen = replace(log, observation=uncapped_at(log.observation, cost))
        call = self.switcher.call_probability(seen.observation, seen.allowed)
        return estimate(seen, call, how=Estimation(resamples=RESAMPLES))


def lines(file: Path) -> list[dict[str, Any]]:
    """Rows that were made so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def measure(world: World, given: argparse.Namespace) -> None:
    """Play the ladder, and estimate it from each log."""
    truths, estimates = world.out / "played.jsonl", world.out / "estimates.jsonl"
    done = {row["cost"] for row in lines(truths)}
    for cost in world.costs:
        if cost not in done:
            row = {"cost": cost, "episodes": world.played(cost, given.played)}
            append(truths, json.dumps(row) + "\n")
    known = {row["log"] for row in lines(estimates)}
    for number in range(given.logs):
        if number in known:
            continue
        log = world.log(number, given.sessions)
        made = {cost: world.estimated(log, cost) for cost in world.costs}
        row = {
            "log": number,
            "sessions": given.sessions,
            "steps": len(log.choice),
            "ladder": [
                {
                    "cost": cost,
                    "refused": one.refused and one.refused.reason,
                    "size": one.effective_sample_size,
                    "values": [[v.outcome, v.estimate, v.interval] for v in one.values],
                }
                for cost, one in made.items()
            ],
        }
        append(estimates, json.dumps(row) + "\n")


def show(out: Path) -> None:
    """Print coverage, and draw what was estimated against what was played."""
    played = {row["cost"]: np.array(row["episodes"]) for row in lines(out / "played.jsonl")}
    logs = lines(out / "estimates.jsonl")
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    print("| c | played | calls | refused | size | coverage: return | calls | error | calls |")
    print("|---|---|---|---|---|---|---|---|---|")
    for column, (cost, episodes) in enumerate(sorted(played.items())):
        true, noise = episodes.mean(0), episodes.std(0) / len(episodes) ** 0.5
        rungs = [next(r for r in row["ladder"] if r["cost"] == cost) for row in logs]
        made = [rung for rung in rungs if not rung["refused"]]
        cells = [f"{t:.3f} (± {1.96 * n:.3f})" for t, n in zip(true, noise, strict=True)]
        line = f"| {cost:g} | {cells[0]} | {cells[1]} | {len(rungs) - len(made)} of {len(rungs)} |"
        if made:
            values = np.array([[v[1] for v in rung["values"]] for rung in made])
            ends = np.array([[v[2] for v in rung["values"]] for rung in made])  # [logs, outcome, 2]
            low, high = ends[..., 0], ends[..., 1]
            share = ((low <= true) & (true <= high)).mean(0)
            error = np.sqrt(((values - true) ** 2).mean(0))
            size = np.median([rung["size"] for rung in made])
            covered = f"{share[0]:.2f} | {share[1]:.2f}"
            print(f"{line} {size:.0f} | {covered} | {error[0]:.3f} | {error[1]:.2f} |")
            for k, axis in enumerate(axes):
                _draw(axis, true[k], values[:, k], low[:, k], high[:, k], column)
        else:
            print(f"{line} - | - | - | - | - |")
    for axis, name in zip(axes, OUTCOMES, strict=True):
        ends = [*axis.get_xlim(), *axis.get_ylim()]
        axis.axline((min(ends),) * 2, slope=1, color="0.6", linewidth=1, zorder=0)
        axis.set(xlabel=f"{name} a session, played", ylabel="estimated from a log")
    figure.suptitle(f"Each point and interval is one log of {logs[0]['sessions']} sessions")
    figure.savefig(out / "predicted.png", dpi=150)


def _draw(axis: Axes, true: float, values: Array, low: Array, high: Array, column: int) -> None:
    """A column of intervals, those that miss in another colour."""
    width = 0.006 if axis.get_subplotspec().colspan.start == 0 else 0.06
    place = true + width * np.linspace(-1, 1, len(values))
    misses = (true < low) | (true > high)
    for some, colour in ((~misses, "C0"), (misses, "C3")):
        axis.vlines(place[some], low[some], high[some], color=colour, linewidth=0.5, alpha=0.6)
        axis.plot(place[some], values[some], ".", color=colour, markersize=2)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--env", choices=SETTINGS, default="babyai")
    parser.add_argument("--logs", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--played", type=int, default=2_000)
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    config = replace(
        read_config(SETTINGS[given.env], TrainConfig),
        universal=True,
        cost=LOGGED[given.env],
        cost_range=RANGES[given.env],
    )
    with closing(load_pair(config, 0)) as pair:
        encoder = make_encoder(config.encoder, pair.quick, pair.deepthink)
        tosses = cached_dataset(
            given.out / "log-0",
            lambda: collect(
                pair,
                encoder,
                switching_seeds(0),
                lambda rng: 0.5,
                steps=STEPS[given.env] * 1.02,
                num_envs=config.num_envs,
                seed=0,
            ),
        )
        at = r_learner(config, first(tosses, STEPS[given.env]), encoder)
        world = World(given.env, given.out, config, pair, encoder, at(config.cost))
        measure(world, given)
    show(given.out)


if __name__ == "__main__":
    main()
