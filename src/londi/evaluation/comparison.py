"""A comparison under way: what has been played lies in files of its own.

An interrupted comparison goes on where it was. This file knows who plays what; not how that is
summed up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from londi.baselines.context import BaselineContext
from londi.baselines.registry import Baseline, OperatingPoint
from londi.baselines.switchyard_process import find_switchyard
from londi.config import FrontierConfig, TrainConfig
from londi.config.prices import find_prices
from londi.config.ray import RayConfig
from londi.envs.memoized import memoized
from londi.envs.seeds import held_out_seeds, validation_seeds
from londi.errors import InvalidConfig, LondiError
from londi.evaluation.curves import (
    CurvePoint,
)
from londi.evaluation.evaluate import read_played, write_played
from londi.evaluation.metrics import iqm
from londi.evaluation.play import Players, summary
from londi.evaluation.results import Episode, result
from londi.evaluation.trainings import check_trained, read_trainings
from londi.models.pair import ModelPair, load_pair
from londi.models.provenance import check_provenance
from londi.scale.opening import check_loadable, on_ray
from londi.storage.runs import make_folder
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher, Switcher

ALONE = {
    "quick": OperatingPoint("alone", ConstantSwitcher(0.0), 0.0),
    "deepthink": OperatingPoint("alone", ConstantSwitcher(1.0), 0.0),
}


Spot = tuple[int, int | None]
"""Where a method is played: at which of its candidates, and with what budget."""


class Comparison:
    """A comparison under way: plays what has not been played yet, and remembers it in files.

    Args:
        folder: of the comparison.
        config: its settings.
        pair: models and environment in place of those that the runs name.
        on_played: told of each play: how many methods are done, and what was played.
        ray: where episodes are played; None for this process.

    Attributes:
        players: what plays held-out and validation episodes.
    """

    def __init__(
        self,
        folder: Path,
        config: FrontierConfig,
        pair: ModelPair | None,
        on_played: Callable[[int, str], None],
        ray: RayConfig | None = None,
    ) -> None:
        check_loadable(pair is not None, config.workers, ray)
        if on_ray(ray) and "stage-router" in config.methods:
            raise InvalidConfig("methods: stage-router plays beside this process alone, not on Ray")
        runs = [Path(run) for run in config.runs]
        trainings = read_trainings(runs)
        _check(runs, trainings, config)
        self.folder, self.config, self.trainings = folder, config, trainings
        self._on_played, self.done = on_played, 0
        names = trainings[0].quick, trainings[0].deepthink
        self._prices = find_prices(config.price, *names, config.failure_price)
        self.pair = pair or load_pair(trainings[0], config.seed)
        for run in runs:
            check_provenance(run, self.pair)
        _remember(self.pair)
        self.benches = [
            BaselineContext(
                folder / "learned" / f"seed={training.seed}",
                training,
                Switcher.load(run, self.pair.quick, self.pair.deepthink),
                self.pair,
                config.log_steps,
                config.switchyard,
            )
            for run, training in zip(runs, trainings, strict=True)
        ]
        self.players = Players.open(
            trainings[0], config.seed, config.workers, ray, self.pair, _remember
        )

    def close(self) -> None:
        """End the players, and close the cache's file."""
        try:
            self.players.close()
        finally:
            self.pair.close()

    def ends(self, held_out: bool = True) -> tuple[list[Episode], list[Episode]]:
        """QUICK and DEEPTHINK alone, without a budget."""
        quick, deepthink = (
            self._played(name, alone, None, held_out, 0) for name, alone in ALONE.items()
        )
        return quick, deepthink

    def played(
        self,
        method: Baseline,
        candidates: Sequence[Sequence[OperatingPoint]],
        spots: Sequence[Spot],
        held_out: bool,
    ) -> list[list[list[Episode]]]:
        """`[P][S][E]`: the episodes as they are played at P spots.

        Args:
            method: whose the candidates are.
            candidates: of each seed.
            spots: which of them, with what budgets.
            held_out: of these episodes, not of those for validation.
        """
        return [
            [
                self._played(method.name, of_seed[k], budget, held_out, s)
                for s, of_seed in enumerate(candidates)
            ]
            for k, budget in spots
        ]

    def candidates(self, method: Baseline) -> list[list[OperatingPoint]]:
        """Operating points of each seed; of one seed alone where seeds make no difference."""
        make_folder(self.folder / "learned")
        benches = self.benches if method.seeded else self.benches[:1]
        for bench in benches:
            make_folder(bench.folder)
        return [method.candidates(bench) for bench in benches]

    def _played(
        self, name: str, candidate: OperatingPoint, budget: int | None, held_out: bool, seed: int
    ) -> list[Episode]:
        config = self.config
        file = played_file(
            self.folder, held_out, name, candidate.setting, budget, self.trainings[seed].seed
        )
        if not file.is_file():
            make_folder(file.parent)
            episodes = (
                held_out_seeds(config.episodes)
                if held_out
                else validation_seeds(config.validation_episodes)
            )
            played = summary(
                self.players.play(
                    candidate.switcher,
                    episodes,
                    cost=candidate.cost,
                    budget=Budget(budget),
                    num_envs=config.num_envs,
                    seed=config.seed + seed,
                )
            )
            self.pair.commit()
            # Steps of an environment that were played before cost nothing here, so that the time
            # end to end would depend on the order of the methods.
            write_played(file, [replace(episode, seconds=0.0) for episode in played])
        terms = "" if budget is None else f", at most {budget} calls"
        self.tell(f"{name} {candidate.setting}{terms}")
        return read_played(file)

    def tell(self, text: str) -> None:
        """Say how it goes on."""
        self._on_played(self.done, text)

    def points(
        self,
        method: str,
        candidates: Sequence[OperatingPoint],
        spots: Sequence[Spot],
        played: Sequence[Sequence[Sequence[Episode]]],
        ends: tuple[list[Episode], list[Episode]],
    ) -> list[CurvePoint]:
        """The figures of what was played at P spots."""
        points = []
        for (k, budget), runs in zip(spots, played, strict=True):
            found = result(
                method,
                runs,
                [ends[0]] * len(runs),
                [ends[1]] * len(runs),
                env=self.trainings[0].env,
                cost=candidates[k].cost,
                budget=budget,
                seed=tuple(training.seed for training in self.trainings[: len(runs)]),
                prices=self._prices,
            )
            returns = np.array([[e.total for e in run] for run in runs])
            points.append(CurvePoint(candidates[k].setting, found, iqm(returns)))
        return points


def _remember(pair: ModelPair) -> ModelPair:
    """The pair, with steps of its environment kept.

    The settings of a method mostly take the same ways through an episode.
    """
    pair.make = memoized(pair.make)
    return pair


def played_file(
    folder: Path, held_out: bool, method: str, setting: str, budget: int | None, seed: int
) -> Path:
    """Where the episodes that a method has played at a setting are."""
    split = "held-out" if held_out else "validation"
    terms = "" if budget is None else f" n = {budget}"
    return folder / "played" / split / method / f"{_slug(setting + terms)}-{seed}.json"


def _check(runs: Sequence[Path], trainings: Sequence[TrainConfig], config: FrontierConfig) -> None:
    """Refuse runs and methods that cannot be compared, before anything is spent."""
    if "stage-router" in config.methods:
        find_switchyard(config.switchyard)
    for run, training in zip(runs, trainings, strict=True):
        if not training.universal:
            raise LondiError(
                f"the Switcher in {str(run)!r} was trained for c = {training.cost:g} alone; a"
                " frontier needs those of `londi train --universal`"
            )
        check_trained(run)
    most = trainings[0].most_budget
    for budget in config.budgets:
        if budget > most:
            raise InvalidConfig(
                f"budgets: expected at most the {most} that the Switchers were trained for, got"
                f" {budget}"
            )


def _slug(text: str) -> str:
    """A name for a file; other texts have another."""
    return re.sub(r"[^\w.=]+", "-", text) + "-" + hashlib.sha256(text.encode()).hexdigest()[:6]
