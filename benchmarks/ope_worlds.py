"""Off-policy evaluation on both worlds: how often intervals hold what is then played.

    python benchmarks/ope_worlds.py OUT [--env babyai|scienceworld] [--logged coin|switcher]
                                        [--logs N] [--sessions N] [--played N]

A Switcher is learned from a log of coin tosses (`benchmarks/offline.py`, whose log in OUT is
taken). Then sessions are logged, and each log estimates a ladder of policies, each of which is also
played on held-out episodes. The logs are of coin tosses, and the policies near a coin; or they are
of the Switcher at one c with a share of random choices, and the policies are the Switcher without
them at several c. What is there is not made again: an interrupted benchmark goes on. Prints a table
in Markdown and leaves OUT/predicted-LOGGED.png, what is estimated against what is played.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from arguments import make_parser
from matplotlib.axes import Axes

from londi.config import TrainConfig
from londi.config.settings import read_config
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.memoized import memoized
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import HELD_OUT, SWITCHING, held_out_seeds
from londi.evaluation.ope import Estimate, Estimation, estimate
from londi.evaluation.play import play, summary
from londi.learning.dataset import OfflineDataset
from londi.learning.logs import cached_dataset, record
from londi.models.pair import ModelPair, load_pair
from londi.storage.atomic import append
from londi.switching.budget import Budget
from londi.switching.decision import Decision, draw
from londi.switching.observation import uncapped_at
from londi.switching.switcher import Switcher
from londi.types import Array

sys.path.insert(0, str(Path(__file__).parent))
from offline import RANGES, SETTINGS, first, r_learner, tosses

LOGGED = {"babyai": 0.01, "scienceworld": 0.005}
"""c of the Switcher that is logged."""
STEPS = {"babyai": 40_000, "scienceworld": 10_000}
"""Of coin tosses that it is learned from."""
EXPLORATION = 0.1
"""Share of random choices in the logs of a Switcher."""
SEED = 100
"""Of the choices in the logs."""
FIRST = {"babyai": SWITCHING + 1_000_000 * SEED, "scienceworld": HELD_OUT + 1_000_000}
"""First seed of the logged episodes, which nothing else has. Where an environment has splits they
are of the one that is played: QUICK and DEEPTHINK do better on the variations they were trained on.
"""
OUTCOMES = ("return", "calls")
RESAMPLES = 500


@dataclass(frozen=True)
class Policy:
    """A policy part of the way from a coin to the Switcher.

    Attributes:
        cost: c of the Switcher.
        share: how far, from 0 to 1.
        rate: of the coin.
    """

    cost: float
    share: float = 1.0
    rate: float = 0.5

    def __str__(self) -> str:
        if not self.share:
            return f"coin of {self.rate:g}"
        return f"c = {self.cost:g}" + f", {self.share:g} of the way" * (self.share < 1)

    def calls(self, switcher: Switcher, observation: Array, allowed: Array) -> Array:
        """P(g = 1) `[B]`, at observations that show its cost."""
        call = switcher.call_probability(observation, allowed)
        return np.where(allowed[:, 1], (1 - self.share) * self.rate + self.share * call, 0.0)


class PolicySwitcher(Switcher):
    """A policy that plays."""

    def __init__(self, policy: Policy, switcher: Switcher) -> None:
        self.encoder, self._policy, self._switcher = switcher.encoder, policy, switcher

    def call_probability(self, observation: Array, allowed: Array) -> Array:
        return self._policy.calls(self._switcher, observation, allowed)


@dataclass(frozen=True)
class Logged:
    """What is logged, and what is estimated from it.

    Attributes:
        policy: who chooses.
        exploration: share of random choices.
        ladder: the policies that are estimated.
    """

    policy: Policy
    exploration: float
    ladder: tuple[Policy, ...]


def logged(kind: str, cost: float) -> Logged:
    """The logs of a kind around a cost."""
    if kind == "switcher":
        steps = (0.25, 0.5, 0.71, 1.0, 1.41, 2.0, 3.0)
        return Logged(Policy(cost), EXPLORATION, tuple(Policy(cost * step) for step in steps))
    coins = tuple(Policy(cost, 0.0, rate) for rate in (0.44, 0.47, 0.53, 0.56))
    nearer = tuple(Policy(cost * step, 0.12) for step in (0.25, 1.0, 3.0))
    return Logged(Policy(cost, 0.0, 0.5), 0.0, (*coins, *nearer))


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

    def log(self, folder: Path, number: int, sessions: int, of: Logged) -> OfflineDataset:
        """A log in `folder`; each number has episodes of its own."""
        rng = np.random.default_rng([SEED, number])
        start = FIRST[self.env] + number * sessions

        def decide(observation: Array, allowed: Array) -> Decision:
            call = of.policy.calls(self.switcher, observation, allowed)
            return draw(call, allowed, rng, of.exploration)

        return cached_dataset(
            folder,
            lambda: record(
                self.pair,
                self.encoder,
                range(start, start + sessions),
                decide,
                num_envs=self.config.num_envs,
                cost=of.policy.cost,
            ),
        )

    def played(self, policy: Policy, episodes: int) -> list[list[float]]:
        """Return and calls of held-out episodes."""
        steps = play(
            self.pair,
            PolicySwitcher(policy, self.switcher),
            held_out_seeds(episodes),
            cost=policy.cost,
            budget=Budget(),
            num_envs=self.config.num_envs,
            seed=0,
        )
        self.pair.commit()
        return [[episode.total, float(episode.calls)] for episode in summary(steps)]

    def estimated(self, log: OfflineDataset, policy: Policy) -> Estimate:
        """A policy, from a log."""
        seen = replace(log, observation=uncapped_at(log.observation, policy.cost))
        call = policy.calls(self.switcher, seen.observation, seen.allowed)
        return estimate(seen, call, how=Estimation(resamples=RESAMPLES))


@contextmanager
def world_of(env: str, out: Path) -> Iterator[World]:
    """A world whose Switcher is learned from the coin tosses in `out`, which are made if needed."""
    out.mkdir(parents=True, exist_ok=True)
    config = replace(
        read_config(SETTINGS[env], TrainConfig),
        universal=True,
        cost=LOGGED[env],
        cost_range=RANGES[env],
    )
    with warm(), closing(load_pair(config, 0)) as pair:
        pair.make = memoized(pair.make)  # the policies of a ladder play the same episodes
        encoder = make_encoder(config.encoder, pair.quick, pair.deepthink)
        log = tosses(out, STEPS[env], pair, encoder, config)
        at = r_learner(config, first(log, STEPS[env]), encoder)
        yield World(env, out, config, pair, encoder, at(config.cost))


def lines(file: Path) -> list[dict[str, Any]]:
    """Rows that were made so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def measure(world: World, given: argparse.Namespace) -> None:
    """Play the ladder, and estimate it from each log."""
    of, folder = logged(given.logged, LOGGED[world.env]), world.out / given.logged
    folder.mkdir(parents=True, exist_ok=True)
    truths, estimates = folder / "played.jsonl", folder / "estimates.jsonl"
    done = {row["policy"] for row in lines(truths)}
    for policy in of.ladder:
        if str(policy) not in done:
            row: dict[str, Any] = {
                "policy": str(policy),
                "episodes": world.played(policy, given.played),
            }
            append(truths, json.dumps(row) + "\n")
    known = {row["log"] for row in lines(estimates)}
    for number in range(given.logs):
        if number in known:
            continue
        log = world.log(folder / str(number), number, given.sessions, of)
        row = {
            "log": number,
            "sessions": given.sessions,
            "steps": len(log.choice),
            "ladder": {
                str(policy): {
                    "refused": one.refused and one.refused.reason,
                    "size": one.effective_sample_size,
                    "values": [[v.outcome, v.estimate, v.interval] for v in one.values],
                }
                for policy in of.ladder
                for one in (world.estimated(log, policy),)
            },
        }
        append(estimates, json.dumps(row) + "\n")


def show(out: Path, kind: str) -> None:
    """Print coverage, and draw what was estimated against what was played."""
    played = {
        row["policy"]: np.array(row["episodes"]) for row in lines(out / kind / "played.jsonl")
    }
    logs = lines(out / kind / "estimates.jsonl")
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    print("| policy | played | calls | refused | size | coverage: return | calls | error | calls |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, episodes in played.items():
        true, noise = episodes.mean(0), episodes.std(0) / len(episodes) ** 0.5
        rungs = [row["ladder"][name] for row in logs]
        made = [rung for rung in rungs if not rung["refused"]]
        cells = [f"{t:.3f} ± {1.96 * n:.3f}" for t, n in zip(true, noise, strict=True)]
        line = f"| {name} | {cells[0]} | {cells[1]} | {len(rungs) - len(made)} of {len(rungs)} |"
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
                _draw(axis, true[k], values[:, k], low[:, k], high[:, k])
        else:
            print(f"{line} - | - | - | - | - |")
    for axis, name in zip(axes, OUTCOMES, strict=True):
        axis.axline((axis.get_xlim()[0],) * 2, slope=1, color="0.6", linewidth=1, zorder=0)
        axis.set(xlabel=f"{name} a session, played", ylabel="estimated from a log")
    figure.suptitle(f"Each line is the interval of one log of {logs[0]['sessions']} sessions")
    figure.savefig(out / f"predicted-{kind}.png", dpi=150)


def _draw(axis: Axes, true: float, values: Array, low: Array, high: Array) -> None:
    """A column of intervals, those that miss in another colour."""
    place = true * (1 + 0.004 * np.linspace(-1, 1, len(values)))
    misses = (true < low) | (true > high)
    for some, colour in ((~misses, "C0"), (misses, "C3")):
        axis.vlines(place[some], low[some], high[some], color=colour, linewidth=0.5, alpha=0.6)
        axis.plot(place[some], values[some], ".", color=colour, markersize=2)


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--env", choices=SETTINGS, default="babyai")
    parser.add_argument("--logged", choices=("coin", "switcher"), default="coin")
    parser.add_argument("--logs", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--played", type=int, default=2_000)
    given = parser.parse_args(argv)
    with world_of(given.env, given.out) as world:
        measure(world, given)
    show(given.out, given.logged)


if __name__ == "__main__":
    main()
