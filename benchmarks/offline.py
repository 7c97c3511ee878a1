"""Switchers learned from logs of coin tosses, beside a coin at the same call rate.

    python benchmarks/offline.py OUT [--env babyai|scienceworld] [--sizes N ...] [--seeds N ...]
                                     [--methods NAME ...] [--costs C ...] [--episodes N]
                                     [--shadows SHARE]

A log is whole episodes in which every step's choice was an even toss; smaller sizes are its first
episodes. Nothing is asked of DEEPTHINK but what the log holds, but for the method `shadows`: the
R-learner where DEEPTHINK was asked at a share of QUICK's steps as well. Each method learns from
the same logs and plays the same held-out episodes at each c; the coin tosses at that method's own
call rate on them. A row of OUT/rows.jsonl is a method, a size, a seed and a c; rows that are there
are kept, so that an interrupted benchmark goes on. The table has the mean over seeds and the
difference from the coin with its 95% interval, paired by episode and bootstrapped over seeds and
episodes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arguments import make_parser

from londi.baselines.routers import (
    Margin,
    greedy,
    learn_cql,
    learn_iql,
    learn_step_router,
    score_network,
    universal_score_network,
)
from londi.config import TrainConfig
from londi.config.settings import read_config
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.seeds import held_out_seeds, switching_seeds
from londi.evaluation.metrics import bootstrap_difference
from londi.evaluation.play import play, summary
from londi.evaluation.results import Episode, call_rate
from londi.learning.dataset import OfflineDataset
from londi.learning.logs import cached_dataset, collect
from londi.learning.offline import OfflineTraining
from londi.learning.rlearner import RLearner
from londi.models.pair import ModelPair, load_pair
from londi.storage.atomic import append
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import UniversalActor
from londi.switching.switcher import ConstantSwitcher, LearnedSwitcher, Switcher

HERE = Path(__file__).resolve().parents[1]
SETTINGS = {
    "babyai": HERE / "configs/builtin/babyai.yaml",
    "scienceworld": HERE / "configs/builtin/scienceworld.yaml",
}
COSTS = {"babyai": [0.004, 0.01, 0.02], "scienceworld": [0.002, 0.005, 0.01]}
RANGES = {"babyai": (0.001, 0.04), "scienceworld": (0.0005, 0.02)}


At = Callable[[float], Switcher]
"""A Switcher for each c."""


def always(who: Switcher) -> At:
    """One that serves every c."""
    return lambda cost: who


def first(log: OfflineDataset, steps: int) -> OfflineDataset:
    """The whole episodes among the first `steps` of a log."""
    return log.rows(slice(np.flatnonzero(log.ends[:steps])[-1] + 1))


def universal(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> At:
    """The universal learner."""
    updates = round(config.passes * len(log.choice) / config.batch_size)
    training = OfflineTraining(replace(config, steps=max(updates, 1), warmup=0), log, encoder)
    for _ in range(updates):
        training.advance()
    terms = CostBudgetRange(*config.cost_range, config.most_budget)
    actor = UniversalActor(encoder, config.width, terms)
    actor.load_state_dict(training.switcher()["actor"])
    return always(LearnedSwitcher(actor, config.encoder, supported=terms))


def r_learner(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> At:
    """What a call adds, regressed on drawn choices; the default of `londi train --traces`."""
    learner = RLearner(config, log, encoder)
    while learner.fitted < learner.fits:
        learner.fit_next()
    terms = CostBudgetRange(*config.cost_range, config.most_budget)
    return always(LearnedSwitcher(learner.actor, config.encoder, supported=terms))


def supervised(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> At:
    """The router by step: calls where the return that followed a call was higher by c."""
    torch.manual_seed(config.seed)
    scorer = score_network(encoder, config.width)
    learn_step_router(scorer, log, config.seed)
    return lambda cost: greedy(Margin(scorer, cost), config.encoder)


def cql(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> At:
    """Conservative Q-learning, with a penalty of weight 0.01."""
    torch.manual_seed(config.seed)
    terms = CostBudgetRange(*config.cost_range, config.most_budget)
    scorer = universal_score_network(encoder, config.width, terms)
    learn_cql(
        scorer,
        log,
        terms,
        encoder.size,
        weight=0.01,
        steps=round(config.passes * len(log.choice) / config.batch_size),
        gamma=config.gamma,
        seed=config.seed,
    )
    return always(greedy(scorer, config.encoder, terms))


def iql(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> At:
    """Implicit Q-learning."""
    torch.manual_seed(config.seed)
    terms = CostBudgetRange(*config.cost_range, config.most_budget)
    actor, scorer = (universal_score_network(encoder, config.width, terms) for _ in range(2))
    learn_iql(
        actor,
        scorer,
        log,
        terms,
        encoder.size,
        expectile=0.7,
        sharpness=3.0,
        steps=round(config.passes * len(log.choice) / config.batch_size),
        gamma=config.gamma,
        seed=config.seed,
    )
    return always(LearnedSwitcher(actor, config.encoder, supported=terms))


def conservative(config: TrainConfig, log: OfflineDataset, encoder: Encoder) -> At:
    """The universal learner with a penalty of weight 0.01 on choices that were not taken."""
    return universal(replace(config, conservatism=0.01), log, encoder)


METHODS: dict[str, Callable[[TrainConfig, OfflineDataset, Encoder], At]] = {
    "r-learner": r_learner,
    "shadows": r_learner,  # on logs that tell of more steps whether both models agree
    "universal": universal,
    "conservative": conservative,
    "supervised": supervised,
    "cql": cql,
    "iql": iql,
}


def played(
    pair: ModelPair, who: Switcher, cost: float, config: TrainConfig, episodes: int
) -> list[Episode]:
    """Held-out episodes with a Switcher at c."""
    steps = play(
        pair,
        who,
        held_out_seeds(episodes),
        cost=cost,
        budget=Budget(),
        num_envs=config.num_envs,
        seed=config.seed,
    )
    pair.commit()
    return summary(steps)


def needed(wanted: Iterable[tuple[str, int]]) -> set[bool]:
    """Whether logs are needed in which both models were asked, and others."""
    return {method == "shadows" for method, _ in wanted}


def tosses(
    out: Path,
    steps: int,
    pair: ModelPair,
    encoder: Encoder,
    config: TrainConfig,
    both: bool = False,
) -> OfflineDataset:
    """The log of a seed; if `both` models were asked, it is known where they agree."""
    return cached_dataset(
        out / f"log-{config.seed}-{steps}{'-both' * both}",
        lambda: collect(
            pair,
            encoder,
            switching_seeds(config.seed),
            lambda rng: 0.5,
            steps=steps * 1.02,
            num_envs=config.num_envs,
            seed=config.seed,
            both=both,
        ),
    )


def asked(log: OfflineDataset, share: float, seed: int) -> OfflineDataset:
    """The log where DEEPTHINK was asked at a share of QUICK's steps as well."""
    known = (log.choice == 1) | (np.random.default_rng(seed).random(len(log.choice)) < share)
    return replace(log, agreement=np.where(known, log.agreement, np.nan))


def measure(out: Path, given: argparse.Namespace, seed: int) -> None:
    """Write the rows of one seed that are not there."""
    config = replace(
        read_config(SETTINGS[given.env], TrainConfig),
        seed=seed,
        universal=True,
        cost=given.costs[0],
        cost_range=RANGES[given.env],
    )
    done = {(r["method"], r["size"], r["cost"]) for r in rows(out) if r["seed"] == seed}
    wanted = {
        (method, size): left
        for size in given.sizes
        for method in given.methods
        if (left := [c for c in given.costs if (method, size, c) not in done])
    }
    if not wanted:
        return
    with closing(load_pair(config, seed)) as pair:
        encoder = make_encoder(config.encoder, pair.quick, pair.deepthink)
        made = max(given.sizes)
        logs = {
            both: asked(tosses(out, made, pair, encoder, config, both), given.shadows, seed)
            for both in needed(wanted)
        }
        for (method, size), costs in wanted.items():
            log = first(logs[method == "shadows"], size)
            at = METHODS[method](config, log, encoder)
            for cost in costs:
                mine = played(pair, at(cost), cost, config, given.episodes)
                tossed = ConstantSwitcher(call_rate([mine]))
                coin = played(pair, tossed, cost, config, given.episodes)
                row = {
                    "method": method,
                    "size": size,
                    "seed": seed,
                    "cost": cost,
                    "call_rate": call_rate([mine]),
                    "coin_call_rate": call_rate([coin]),
                    "returns": [episode.total for episode in mine],
                    "coin_returns": [episode.total for episode in coin],
                }
                append(out / "rows.jsonl", json.dumps(row) + "\n")


def rows(out: Path) -> list[dict[str, Any]]:
    """What was measured so far."""
    file = out / "rows.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def show(out: Path, given: argparse.Namespace) -> None:
    """Print the table."""
    head = f"{'method':<12}{'steps':>8}{'c':>8}{'seeds':>6}{'calls':>7}{'return':>8}{'coin':>7}"
    print(f"{head}  difference, 95% interval")
    found = rows(out)
    for method, size, cost in product(given.methods, given.sizes, given.costs):
        key = (method, size, cost)
        some = [r for r in found if (r["method"], r["size"], r["cost"]) == key]
        if not some:
            continue
        mine, coin = (np.array([r[k] for r in some]) for k in ("returns", "coin_returns"))
        low, high = bootstrap_difference(mine, coin)
        rate = np.mean([r["call_rate"] for r in some])
        print(
            f"{method:<12}{size:>8,}{cost:>8g}{len(some):>6}{rate:>7.3f}{mine.mean():>8.3f}"
            f"{coin.mean():>7.3f}  {mine.mean() - coin.mean():+.3f} ({low:+.3f} .. {high:+.3f})"
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--env", choices=SETTINGS, default="babyai")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 40_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--costs", type=float, nargs="+")
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--shadows", type=float, default=1.0, metavar="SHARE")
    given = parser.parse_args(argv)
    given.costs = given.costs or COSTS[given.env]
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds:
        measure(given.out, given, seed)
    show(given.out, given)


if __name__ == "__main__":
    main()
