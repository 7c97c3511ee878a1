"""`londi evaluate`: the same held-out episodes for the learned Switcher and the baselines.

This file knows how episodes are played and compared, not how anything was trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import count
from math import exp
from pathlib import Path

from londi.config import EvaluateConfig, TrainConfig
from londi.config.prices import Prices, find_prices
from londi.config.ray import RayConfig
from londi.envs.scienceworld.simulator import warm
from londi.envs.seeds import held_out_seeds, validation_seeds
from londi.errors import InvalidConfig
from londi.evaluation.operating_point import load_operating_point
from londi.evaluation.play import Players, Record, summary
from londi.evaluation.results import Episode, Played, Result, call_rate, former_episode, result
from londi.models.pair import ModelPair, load_pair
from londi.models.provenance import check_provenance
from londi.scale.opening import check_loadable
from londi.storage.atomic import write_whole
from londi.storage.records import read_record
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.switcher import ConstantSwitcher, Switcher, ThresholdSwitcher
from londi.types import renamed

METHODS = ("quick", "deepthink", "random", "threshold", "londi")
ENDS = ("quick", "deepthink")
"""Methods that play without a budget: the ends of the scale."""
RESULTS = "results.json"
STEPS = "episodes.jsonl"

CLOSE = 0.01
"""A threshold is good if its call rate on the validation episodes is this near its aim."""
TRIES = 8


def played_there(training: TrainConfig, config: EvaluateConfig) -> TrainConfig:
    """The configuration of a training with the environment and the terms of an evaluation.

    Raises:
        InvalidConfig: if a Switcher is asked for terms that it was not trained for.
    """
    # Another environment need not know the options of the one trained on.
    options = {} if config.env else training.env_options
    cost = training.cost if config.cost is None else config.cost
    budget = training.budget if config.budget is None else config.budget
    for name, wanted in {"cost": cost, "budget": budget}.items():
        trained = getattr(training, name)
        if wanted != trained and not training.universal:
            raise InvalidConfig(
                f"{name}: the Switcher was trained for {trained} alone, got {wanted}; one of"
                " `londi train --universal` serves a range"
            )
    there = replace(
        training,
        env=config.env or training.env,
        env_options=options | config.env_options,
        cost=cost,
        budget=budget,
        cache="none" if config.cache == "none" else training.cache,
    )
    CostBudgetRange.of(there)  # refuses terms out of a range before anybody plays
    return there


def calibrate(rate: Callable[[float], float], aim: float) -> float:
    """The threshold on QUICK's confidence at which the call rate is nearest to `aim`.

    Args:
        rate: the call rate that a threshold leads to; it does not fall as the threshold grows.
        aim: the call rate to meet.
    """
    low, high = -3.0, 13.0  # log-odds: a good model's confidences crowd together near 1
    best, miss = 0.0, aim
    for _ in range(TRIES):
        middle = (low + high) / 2
        threshold = 1 / (1 + exp(-middle))
        reached = rate(threshold)
        if abs(reached - aim) < miss:
            best, miss = threshold, abs(reached - aim)
        if miss < CLOSE:
            break
        low, high = (middle, high) if reached < aim else (low, middle)
    return best


@dataclass(frozen=True)
class Evaluation:
    """The steps that each method played, behind the figures.

    Attributes:
        training: the configuration that the Switcher was trained with.
        played: episodes by method, in the order of `METHODS`.
        prices: of the models' work; None if there are none.
    """

    training: TrainConfig
    played: dict[str, list[list[Record]]]
    prices: Prices | None = None


def evaluate(
    folder: Path | str,
    config: EvaluateConfig | None = None,
    *,
    pair: ModelPair | None = None,
    on_episode: Callable[[int, str], None] = lambda done, method: None,
    ray: RayConfig | None = None,
) -> Evaluation:
    """Play held-out episodes with the Switcher of a run, its two models and the baselines.

    A tuned Switcher plays at its operating point, unless `config` says otherwise.

    Args:
        folder: the folder of the run.
        config: the settings of the evaluation.
        pair: models and environment in place of those that the run names.
        on_episode: told of each held-out episode: how many are done, and the method.
        ray: where episodes are played; None for this process.

    Raises:
        LondiError: if there is no trained Switcher in `folder`, or its models cannot be found or
            are not those that it was trained with.
    """
    folder, config = Path(folder), config or EvaluateConfig()
    check_loadable(pair is not None, config.workers, ray)
    training = load_operating_point(read_run(folder, TrainConfig), folder)
    there = played_there(training, config)
    with closing(pair or load_pair(there, config.seed)) as pair:
        check_provenance(folder, pair)
        learned = Switcher.load(folder, pair.quick, pair.deepthink, config.greedy)
        return play_methods(there, learned, config, pair, on_episode=on_episode, ray=ray)


def play_methods(
    training: TrainConfig,
    learned: Switcher,
    config: EvaluateConfig,
    pair: ModelPair,
    *,
    on_episode: Callable[[int, str], None] = lambda done, method: None,
    ray: RayConfig | None = None,
) -> Evaluation:
    """Play held-out episodes with every method.

    QUICK and DEEPTHINK alone play without a budget: they are the ends of the scale. Random
    switching calls with the Switcher's own call rate as its probability, less often where a budget
    is spent; the threshold on QUICK's confidence is set to that rate on validation episodes.

    Args:
        training: the configuration of its training, with the environment, cost and budget to play.
        learned: the trained Switcher.
        config: the settings of the evaluation.
        pair: the models and their environment.
        on_episode: told of each held-out episode: how many are done, and the method.
        ray: where episodes are played; None for this process.
    """
    budget = Budget.of(training)
    prices = find_prices(config.price, training.quick, training.deepthink, config.failure_price)
    held_out = held_out_seeds(config.episodes)
    done = count(1)

    def run(method: str, who: Switcher, cap: Budget, episodes: range) -> list[list[Record]]:
        return players.play(
            who,
            episodes,
            cost=training.cost,
            budget=cap,
            num_envs=config.num_envs,
            seed=config.seed,
            on_episode=lambda: on_episode(next(done), method) if episodes == held_out else None,
        )

    def threshold_rate(value: float) -> float:
        episodes = validation_seeds(config.validation_episodes)
        played = run("threshold", ThresholdSwitcher(value), budget, episodes)
        return call_rate([summary(played)])

    opened = Players.open(training, config.seed, config.workers, ray, pair)
    with warm(), closing(opened) as players:
        played = {
            "quick": run("quick", ConstantSwitcher(0.0), Budget(), held_out),
            "deepthink": run("deepthink", ConstantSwitcher(1.0), Budget(), held_out),
            "londi": run("londi", learned, budget, held_out),
        }
        aim = call_rate([summary(played["londi"])])
        played["random"] = run("random", ConstantSwitcher(aim), budget, held_out)
        threshold = ThresholdSwitcher(calibrate(threshold_rate, aim))
        played["threshold"] = run("threshold", threshold, budget, held_out)
    return Evaluation(training, {method: played[method] for method in METHODS}, prices)


def write_played(file: Path, played: Sequence[Episode]) -> None:
    """Write episodes in numbers, whole or not at all."""
    write_whole(file, [json.dumps([asdict(episode) for episode in played]) + "\n"])


def read_played(file: Path) -> list[Episode]:
    """Read what `write_played` wrote."""
    return read_record(file, list[Episode], former_episode)


def results(evaluations: Sequence[Evaluation]) -> list[Result]:
    """The figures of every method, over runs that differ in their training seed only."""
    training = evaluations[0].training
    played: dict[str, Played] = {
        method: [summary(evaluation.played[method]) for evaluation in evaluations]
        for method in METHODS
    }
    return [
        result(
            method,
            played[method],
            played["quick"],
            played["deepthink"],
            env=training.env,
            cost=training.cost,
            budget=None if method in ENDS else Budget.of(training).calls,
            seed=tuple(evaluation.training.seed for evaluation in evaluations),
            prices=evaluations[0].prices,
        )
        for method in METHODS
    ]


def write_results(folder: Path, found: Sequence[Result]) -> None:
    """Write `results.json`, whole or not at all."""
    write_whole(folder / RESULTS, [json.dumps([asdict(r) for r in found], indent=1) + "\n"])


def write_steps(folder: Path, evaluation: Evaluation) -> None:
    """Write `episodes.jsonl`, one line a step, whole or not at all."""

    def lines() -> Iterator[str]:
        for method, episodes in evaluation.played.items():
            for episode in episodes:
                for record in episode:
                    yield json.dumps(record.row(method)) + "\n"

    write_whole(folder / STEPS, lines())


def read_results(folder: Path) -> list[Result]:
    """Read what `write_results` wrote."""
    return read_record(folder / RESULTS, list[Result], renamed)
