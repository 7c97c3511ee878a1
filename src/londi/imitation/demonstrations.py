"""Demonstrations: episodes labelled at every step with an expert's action, and their files.

The expert labels while something else acts: a noisy copy of itself, or the model in training
(DAgger, arXiv 1011.0686). This file knows environments, and models as callables; it knows nothing
of training.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import gymnasium as gym
import numpy as np

from londi.envs.episode import TextEpisode
from londi.envs.histories import HISTORIES
from londi.envs.info import Options
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.errors import InvalidConfig, LondiError
from londi.storage.atomic import replacing
from londi.types import Info

Act = Callable[[Sequence[Prompt]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One labelled episode of T steps.

    Attributes:
        goal: the task, at the first state.
        actions: the possible actions, at the first state.
        observations: T observations.
        taken: the T actions that were done.
        labels: the T actions of the expert.
        success: whether the episode ended in success.
        history: the name of the history that gathers the states into prompts.
        states: T records of further contents of `info`: the keys that the history reads besides,
            and `goal` and `actions` where they differ from those of the first state. Empty where
            there are none.
    """

    goal: str
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    taken: tuple[str, ...]
    labels: tuple[str, ...]
    success: bool
    history: str = "plain"
    states: tuple[Info, ...] = ()

    def examples(self, history: int) -> Iterator[tuple[Prompt, str]]:
        """Each step as (prompt with at most `history` observations, the expert's action)."""
        infos = [
            {"goal": self.goal, "actions": self.actions} | state
            for state in self.states or ({},) * len(self.labels)
        ]
        gathered = HISTORIES[self.history](self.observations[0], infos[0])
        for t, label in enumerate(self.labels):
            if t > 0:
                gathered.add(self.taken[t - 1], self.observations[t], infos[t])
            yield gathered.prompt().recent(history), label


def check_expert(env: str, seed: int, noise: Sequence[float], options: Options) -> None:
    """Check that the environment has an expert to imitate, by the start of one episode.

    Raises:
        LondiError: if it cannot be made, has no expert, or lists no actions to draw noise from.
    """
    with closing(_Slot(_with_expert(env, options), noise, 0.0)) as slot:
        slot.start(seed)


PART = 50
"""Episodes of the expert that are recorded and stored together."""


def collect_expert(
    env: str,
    seeds: range,
    noise: Sequence[float],
    workers: int = 1,
    options: Options | None = None,
) -> list[Demonstration]:
    """Record episodes of the expert, some of its actions replaced by random ones.

    Args:
        env: name of an environment with an expert (`info["expert"]`).
        seeds: one episode a seed.
        noise: chances of a random action; each episode draws one of them.
        workers: processes to share the work.
        options: options of the environment.

    Raises:
        LondiError: if the environment cannot be made or has no expert.
    """
    parts = record_expert(env, seeds, noise, workers, options)
    return [episode for part in parts for episode in part]


def record_expert(
    env: str,
    seeds: range,
    noise: Sequence[float],
    workers: int = 1,
    options: Options | None = None,
) -> Generator[list[Demonstration], None, None]:
    """As `collect_expert`, `PART` episodes at a time, in the order of their seeds."""
    record = partial(_expert_episodes, env, noise=tuple(noise), options=options)
    parts = [seeds[begin : begin + PART] for begin in range(0, len(seeds), PART)]
    if workers <= 1:
        yield from map(record, parts)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        yield from pool.map(record, parts)
    finally:
        pool.shutdown(cancel_futures=True)


def _expert_episodes(
    env: str, seeds: range, noise: tuple[float, ...], options: Options | None
) -> list[Demonstration]:
    return list(collect(env, seeds, act=None, noise=noise, parallel=1, options=options))


def collect(
    env: str,
    seeds: Sequence[int],
    act: Act | None,
    noise: Sequence[float] = (0.0,),
    expert_share: float = 0.0,
    parallel: int = 64,
    options: Options | None = None,
) -> Iterator[Demonstration]:
    """Record episodes labelled by the expert while `act` (or the expert itself) plays.

    Args:
        env: name of an environment with an expert.
        seeds: one episode a seed.
        act: chooses the actions of a batch of prompts; None lets the expert play.
        noise: chances of a random action; each episode draws one of them.
        expert_share: chance that the expert's action is done in place of that of `act`, so that an
            episode in which `act` is stuck goes on.
        parallel: episodes played side by side, each `act` answering all of them at once.
        options: options of the environment.

    Raises:
        LondiError: if the environment cannot be made or has no expert.
    """
    waiting = iter(seeds)
    with ExitStack() as opened:  # closes each environment, whatever is raised
        slots = []
        for _ in range(min(parallel, len(seeds))):
            slot = _Slot(_with_expert(env, options or {}), noise, expert_share)
            slots.append(opened.enter_context(closing(slot)))
        live = [slot for slot in slots if slot.start(next(waiting, None))]
        while live:
            if act is None:
                chosen: Sequence[str | None] = [None] * len(live)
            else:
                chosen = act([slot.prompt() for slot in live])
            for slot, action in zip(live, chosen, strict=True):
                if slot.step(action):
                    yield slot.demonstration()
                    slot.start(next(waiting, None))
            live = [slot for slot in live if slot.live]


def _with_expert(env: str, options: Options) -> gym.Env[str, str]:
    return make_env(env, **{**options, "expert": True})


class _Slot:
    """One environment that plays one labelled episode after the other."""

    def __init__(self, env: gym.Env[str, str], noise: Sequence[float], expert_share: float) -> None:
        self._episode = TextEpisode(env)
        self._reads = HISTORIES[self._episode.history].reads
        self._noise = noise
        self._expert_share = expert_share

    def start(self, seed: int | None) -> bool:
        self.live = seed is not None
        if seed is None:
            return False
        self._rng = np.random.default_rng(seed)
        self._chance = float(self._rng.choice(np.asarray(self._noise)))
        self._episode.start(seed)
        if "expert" not in self._episode.info:
            raise InvalidConfig(f"env: {self._episode.name} has no expert to imitate")
        if any(self._noise) and not self._episode.state.actions:
            raise InvalidConfig(
                f"noise: {self._episode.name} lists no actions to draw from; expected 0"
            )
        self._first = self._episode.state
        self._labels = list[str]()
        self._states = list[Info]()
        self._success = False
        return True

    def prompt(self) -> Prompt:
        return self._episode.prompt()

    def step(self, action: str | None) -> bool:
        """Do `action` (None: that of the expert); True once the episode is over."""
        label = self._episode.state.expert
        if label is None:  # the expert has given up: later steps would have no label
            return True
        actions = self._episode.state.actions
        if self._rng.random() < self._chance and actions:
            action = actions[self._rng.integers(len(actions))]
        elif self._rng.random() < self._expert_share:
            action = label
        self._states.append(self._state())
        self._labels.append(label)
        outcome = self._episode.step(label if action is None else action)
        self._success = outcome.success
        return outcome.ended

    def demonstration(self) -> Demonstration:
        return Demonstration(
            self._first.goal,
            self._first.actions,
            tuple(self._episode.observations[: len(self._labels)]),
            tuple(self._episode.taken),
            tuple(self._labels),
            self._success,
            self._episode.history,
            tuple(self._states) if any(self._states) else (),
        )

    def _state(self) -> Info:
        """The contents of `info` in the current state that differ from those of the first."""
        now, kept = self._episode.state, {k: self._episode.info[k] for k in self._reads}
        if now.goal != self._first.goal:
            kept["goal"] = now.goal
        if now.actions != self._first.actions:
            kept["actions"] = now.actions
        return kept

    def close(self) -> None:
        self._episode.close()


def demonstrations_file(folder: Path, number: int) -> Path:
    """The file of round `number` in the folder of a run; round 0 is the expert's."""
    return folder / f"demonstrations-{number}.jsonl.gz"


def save_demonstrations(file: Path, episodes: Iterable[Demonstration]) -> None:
    """Write episodes as gzipped JSON lines, whole or not at all.

    Raises:
        LondiError: if the file cannot be written, such as on a full disk.
    """
    with (
        replacing(file) as part,
        gzip.open(part, "wt", compresslevel=1, encoding="utf-8") as out,
    ):
        for episode in episodes:
            out.write(json.dumps(asdict(episode)) + "\n")


def join_demonstrations(file: Path, parts: Sequence[Path]) -> None:
    """Write the episodes of several files into one, and remove those; gzip reads on from one to
    the next.

    Raises:
        LondiError: if it cannot be written, such as on a full disk.
    """
    with replacing(file) as whole, whole.open("wb") as out:
        for part in parts:
            with part.open("rb") as episodes:
                shutil.copyfileobj(episodes, out)
    for part in parts:
        part.unlink()


def load_demonstrations(file: Path) -> list[Demonstration]:
    """Read what `save_demonstrations` wrote, of this release or an earlier one.

    Raises:
        LondiError: if the file is missing or damaged.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            return [_from_row(json.loads(line)) for line in lines]
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LondiError(f"cannot read demonstrations in {str(file)!r}: {reason}") from error


def _from_row(row: Info) -> Demonstration:
    states = [
        state | {"actions": tuple(state["actions"])} if "actions" in state else state
        for state in row.get("states", ())
    ]
    return Demonstration(
        row["goal"],
        tuple(row["actions"]),
        tuple(row["observations"]),
        tuple(row["taken"]),
        tuple(row["labels"]),
        row["success"],
        row.get("history", "plain"),
        tuple(states),
    )
