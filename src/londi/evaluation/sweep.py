"""`londi sweep`: train and evaluate a Switcher at every point of a grid.

Runs share the cache of language-model answers, and QUICK and DEEPTHINK alone are played once for
all points that have them. Parts that have ended are kept: an interrupted sweep goes on where it
was, and its table holds what there is. This file knows how runs are arranged, not how one is made.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path

from londi.config import EvaluateConfig, PairConfig, SweepConfig, TrainConfig
from londi.config.prices import Prices, find_prices
from londi.config.ray import RayConfig
from londi.config.settings import make_config
from londi.encoders.registry import make_encoder
from londi.envs.registry import make_env
from londi.envs.seeds import held_out_seeds
from londi.evaluation.evaluate import played_there, read_played, write_played
from londi.evaluation.jobs import LeftOff, Part, Watch, run_parts
from londi.evaluation.play import Players, summary
from londi.evaluation.results import Episode, Result, call_rate, former_episode, result
from londi.learning.diagnostics import diagnose
from londi.learning.statistics import read_progress
from londi.models.devices import free_gpus
from londi.models.pair import load_pair
from londi.planning.training import find_training
from londi.storage.atomic import write_whole
from londi.storage.records import read_record
from londi.storage.runs import CONFIG, create_run, is_free, locked
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher, Switcher
from londi.types import StateDict, renamed

RESULTS = "results.json"
RUNS, ALONE = "runs", "alone"
PLAYED = "played.json"

_PAIR = {field.name for field in fields(PairConfig)}


@dataclass(frozen=True, kw_only=True)
class _Line(Result):
    """A row as `results.json` holds it: the settings beside the figures."""

    settings: StateDict

    def result(self) -> Result:
        return Result(**{field.name: getattr(self, field.name) for field in fields(Result)})


@dataclass(frozen=True)
class Row:
    """One line of a sweep's table.

    Attributes:
        settings: those of the grid, without the seed.
        result: the figures over all seeds that have ended.
    """

    settings: StateDict
    result: Result

    @property
    def name(self) -> str:
        """The method and what it was played with, such as ``"londi cost=0.1 budget=4"``."""
        shown = {  # of a path, the end
            key: "/".join(Path(value).parts[-2:]) if isinstance(value, str) else value
            for key, value in self.settings.items()
        }
        return " ".join([self.result.method, *(f"{key}={value}" for key, value in shown.items())])


@dataclass(frozen=True)
class Ended:
    """A part of the sweep that has ended.

    Attributes:
        name: which, by its settings.
        done, total: how many parts have ended, of how many.
        figures: what came of it, in short.
        warnings: the failures that its training ended with.
    """

    name: str
    done: int
    total: int
    figures: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Point:
    """The runs that differ in their seed only, and what of the grid they have in common."""

    settings: StateDict
    runs: list[TrainConfig]

    @property
    def pair(self) -> StateDict:
        """The settings that name models and environment."""
        return {key: value for key, value in self.settings.items() if key in _PAIR}

    def alone(self, folder: Path) -> Path:
        """Where the play of its two models alone is kept; points with the same pair share it."""
        return folder / ALONE / f"{_name(self.pair)}.json"

    def run(self, folder: Path, config: TrainConfig) -> Path:
        """The folder of one of its runs."""
        return folder / RUNS / _name(self.settings | {"seed": config.seed})


@dataclass(frozen=True)
class _Alone:
    """QUICK and DEEPTHINK alone, without a budget: the ends of the scale."""

    file: Path
    config: TrainConfig
    evaluation: EvaluateConfig

    @property
    def name(self) -> str:
        return f"models alone, {self.file.stem}"

    @property
    def ended(self) -> bool:
        return self.file.is_file()

    def do(self, should_stop: Callable[[], bool]) -> str:
        ends = {"quick": ConstantSwitcher(0.0), "deepthink": ConstantSwitcher(1.0)}
        played = {
            method: play_held_out(self.config, end, self.evaluation, should_stop)
            for method, end in ends.items()
        }
        self.file.parent.mkdir(exist_ok=True)
        rows = {method: [asdict(e) for e in episodes] for method, episodes in played.items()}
        write_whole(self.file, [json.dumps(rows) + "\n"])
        return ", ".join(f"{method} {_short(episodes)}" for method, episodes in played.items())

    def warnings(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class _Trained:
    """One training, and the play of its Switcher."""

    folder: Path
    config: TrainConfig
    evaluation: EvaluateConfig

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def ended(self) -> bool:
        return (self.folder / PLAYED).is_file()

    def do(self, should_stop: Callable[[], bool]) -> str:
        begun = (self.folder / CONFIG).is_file()
        learn = find_training(self.config)
        if not learn(self.config, self.folder, resume=begun, should_stop=should_stop):
            raise LeftOff
        played = play_held_out(self.config, self.folder, self.evaluation, should_stop)
        write_played(self.folder / PLAYED, played)
        return _short(played)

    def warnings(self) -> tuple[str, ...]:
        return tuple(map(str, diagnose(self.config, read_progress(self.folder))))


def sweep(
    config: SweepConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_ended: Callable[[Ended], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    ray: RayConfig | None = None,
) -> bool:
    """Run the grid of `config`, and leave its runs and figures in `folder`.

    Args:
        config: what to run.
        folder: the folder of the sweep.
        resume: go on with an interrupted sweep; what has ended is left as it is.
        overwrite: replace an earlier sweep.
        on_ended: told of every part that ends.
        should_stop: asked now and then; if true, checkpoints are left and the sweep ends.
        ray: where runs are made, `jobs` at once; None for this machine. All nodes have the folder.

    Returns:
        Whether all is done.

    Raises:
        LondiError: if a setting is wrong, or a model or the environment cannot be had; nothing is
            written then.
    """
    evaluation = make_config(EvaluateConfig, config.evaluation, "evaluation: ")
    grid = _points(config, folder)
    for point in grid:
        _prices(played_there(point.runs[0], evaluation), evaluation)  # refused before any run
    if not resume:
        is_free(folder, SweepConfig, overwrite)
        _check(grid, evaluation, folder)
        create_run(folder, config, overwrite)
    with locked(folder):
        return _run(config, folder, grid, evaluation, on_ended, should_stop, ray)


def _run(
    config: SweepConfig,
    folder: Path,
    grid: Sequence[_Point],
    evaluation: EvaluateConfig,
    on_ended: Callable[[Ended], None],
    should_stop: Callable[[], bool],
    ray: RayConfig | None,
) -> bool:
    """Do what is left of the sweep in `folder`; whether all is done."""
    alone = {point.alone(folder): point.runs[0] for point in grid}
    # The models alone come first: every line of the table is held against them.
    parts: list[Part] = [_Alone(file, run, evaluation) for file, run in alone.items()]
    parts += [_Trained(p.run(folder, run), run, evaluation) for p in grid for run in p.runs]
    (folder / RUNS).mkdir(exist_ok=True)
    todo = [part for part in parts if not part.ended]
    done = len(parts) - len(todo)
    told = run_parts(
        todo,
        config.jobs,
        should_stop,
        ray,
        devices={run.device for point in grid for run in point.runs},
        watch=Watch(60 * config.job_timeout, folder),
    )
    for part, figures in told:
        done += 1
        on_ended(Ended(part.name, done, len(parts), figures, part.warnings()))
    write_rows(folder, _rows(folder, grid, evaluation))
    return done == len(parts)


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    """Write the table as `results.json`, whole or not at all."""
    found = [{"settings": row.settings} | asdict(row.result) for row in rows]
    write_whole(folder / RESULTS, [json.dumps(found, indent=1) + "\n"])


def read_rows(folder: Path) -> list[Row]:
    """Read what `write_rows` wrote; no rows where nothing has ended yet.

    Raises:
        DamagedFile: if a value in the file has the wrong type.
    """
    file = folder / RESULTS
    lines = read_record(file, list[_Line], renamed) if file.is_file() else []
    return [Row(line.settings, line.result()) for line in lines]


def _check(grid: Sequence[_Point], evaluation: EvaluateConfig, folder: Path) -> None:
    """Refuse what cannot be played, trained or evaluated, before anything is spent."""
    alike: dict[Path, list[TrainConfig]] = {}
    for point in grid:
        for run in point.runs:
            played_there(run, evaluation)
        alike.setdefault(point.alone(folder), []).append(point.runs[0])
    for run, *others in alike.values():
        there = played_there(run, evaluation)
        make_env(there.env, **there.env_options).close()
        pair = load_pair(replace(run, cache="none"), run.seed)
        for encoder in dict.fromkeys(other.encoder for other in (run, *others)):
            make_encoder(encoder, pair.quick, pair.deepthink)
        pair.close()
        del pair
        free_gpus()  # the runs' own processes need them


def _points(config: SweepConfig, folder: Path) -> list[_Point]:
    """The points of the grid, every setting checked."""
    found: dict[str, _Point] = {}
    for part in config.grid:
        for values in product(*part.values()):
            settings = dict(zip(part, values, strict=True))
            # All runs share the sweep's own cache, where the sweep names no other; by a path that
            # is right wherever a run of it is evaluated from.
            shared = {"cache": str(folder.absolute() / "answers.sqlite")}
            made = make_config(TrainConfig, shared | config.base | settings)
            settings.pop("seed", None)
            point = found.setdefault(_name(settings), _Point(settings, []))
            if made not in point.runs:
                point.runs.append(made)
    return list(found.values())


def _name(settings: Mapping[str, object]) -> str:
    """A name for a file, such as ``"cost=0.1,seed=0"``; other settings have another."""
    plain = ",".join(f"{key}={value}" for key, value in settings.items()) or "base"
    name = re.sub(r"[^\w.=,-]+", "_", plain)[-100:]
    digest = hashlib.sha256(plain.encode()).hexdigest()[:6]
    return name if name == plain else f"{name}-{digest}"


def play_held_out(
    config: TrainConfig,
    who: Switcher | Path,
    evaluation: EvaluateConfig,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Episode]:
    """The held-out episodes as `who`, a Switcher or the folder of one, plays them."""

    def look() -> None:
        if should_stop():
            raise LeftOff

    there = played_there(config, evaluation)
    with (
        closing(load_pair(there, evaluation.seed)) as pair,
        closing(Players.open(there, evaluation.seed, evaluation.workers, None, pair)) as players,
    ):
        if isinstance(who, Path):
            who = Switcher.load(who, pair.quick, pair.deepthink, evaluation.greedy)
            budget = Budget.of(there)
        else:
            budget = Budget()  # the models alone are the ends of the scale
        played = players.play(
            who,
            held_out_seeds(evaluation.episodes),
            cost=there.cost,
            budget=budget,
            num_envs=evaluation.num_envs,
            seed=evaluation.seed,
            on_episode=look,
        )
    return summary(played)


def _rows(folder: Path, grid: Sequence[_Point], evaluation: EvaluateConfig) -> list[Row]:
    """The table, as far as it goes: a pair's models alone, then the points that have that pair."""
    rows: list[Row] = []
    alone: set[Path] = set()
    for point in grid:
        file = point.alone(folder)
        if not file.is_file():
            continue
        config = played_there(point.runs[0], evaluation)
        ends = read_record(file, dict[str, list[Episode]], former_episode)
        if file not in alone:
            alone.add(file)
            rows += [
                _row(config, point.pair, end, {0: ends[end]}, ends, evaluation) for end in ends
            ]
        files = {run.seed: point.run(folder, run) / PLAYED for run in point.runs}
        played = {seed: read_played(f) for seed, f in files.items() if f.is_file()}
        if played:
            rows.append(_row(config, point.settings, "londi", played, ends, evaluation))
    return rows


def _row(
    config: TrainConfig,
    settings: StateDict,
    method: str,
    played: Mapping[int, list[Episode]],
    ends: Mapping[str, list[Episode]],
    evaluation: EvaluateConfig,
) -> Row:
    quick, deepthink = ([ends[end]] * len(played) for end in ("quick", "deepthink"))
    found = result(
        method,
        list(played.values()),
        quick,
        deepthink,
        env=config.env,
        cost=config.cost,
        budget=Budget.of(config).calls if method == "londi" else None,
        seed=tuple(played),
        prices=_prices(config, evaluation),
    )
    return Row(settings, found)


def _prices(config: TrainConfig, evaluation: EvaluateConfig) -> Prices | None:
    return find_prices(evaluation.price, config.quick, config.deepthink, evaluation.failure_price)


def _short(played: Sequence[Episode]) -> str:
    mean = sum(episode.total for episode in played) / len(played)
    return f"return {mean:.3f}, call rate {call_rate([played]):.2f}"
