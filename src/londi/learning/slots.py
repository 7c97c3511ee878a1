"""The episodes of a training, several side by side: in this process, or shared among workers.

A training decides for all slots at once and takes one step of each, wherever they are, so that it
knows of no workers. A worker that is lost is replaced: its slots are taken up where they were, by
the last state that it told and the choices since. This file knows nothing of learning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, islice
from typing import Any, Protocol

import numpy as np

from londi.config import TrainConfig
from londi.config.ray import RayConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.seeds import switching_seeds
from londi.errors import LondiError
from londi.learning.algorithms import Algorithm, make_algorithm
from londi.models.pair import ModelPair, load_pair, worker_seed
from londi.scale.opening import open_workers
from londi.scale.workers import Workers, sizes
from londi.switching.env import SwitchingVectorEnv
from londi.types import Array, Info, StateDict

Start = tuple[Array, Info]
"""Observations and `info`, as an environment's `reset` returns them."""
Stepped = tuple[Array, Array, Array, Array, Info]
"""What a step returns."""

TOLD = 64
"""Steps after which workers tell their state, so that fewer are done again where one is lost."""


class Slots(Protocol):
    """Slots of episodes, stepped together.

    Attributes:
        seconds: spent inside the models so far.
        hit_rate: share of the look-ups that the answer cache answered.
    """

    @property
    def seconds(self) -> float: ...

    @property
    def hit_rate(self) -> float: ...

    def begin(self) -> Start:
        """Start every slot."""

    def step(self, actions: Array) -> Stepped:
        """Do the choices `[num_envs]`."""

    def state(self) -> StateDict:
        """All that a resumed run needs of episodes and models."""

    def load_state(self, state: StateDict) -> Start:
        """Take up what `state` returned; `info["aborted"]` tells where an episode was given up."""

    def commit(self) -> None:
        """Write to the cache's file what was learned since the last commit."""

    def close(self) -> None:
        """Let go of the environments."""


class LocalSlots:
    """Slots in this process.

    Args:
        config: the settings.
        pair: the models and the environment.
        encoder: of the Switcher.
        algorithm: says at which cost and budget episodes are played.
        num_envs: slots.
        every: of the training's episodes, one in so many is played here, ...
        first: from this one on.
    """

    def __init__(
        self,
        config: TrainConfig,
        pair: ModelPair,
        encoder: Encoder,
        algorithm: Algorithm,
        num_envs: int,
        every: int = 1,
        first: int = 0,
    ) -> None:
        self._pair = pair
        self._seed, self._first, self._every = config.seed, first, every
        self.env = SwitchingVectorEnv(
            pair.make,
            pair.quick,
            pair.deepthink,
            budget=algorithm.budget,
            cost_budget=algorithm.cost_budget,
            encoder=encoder,
            num_envs=num_envs,
            privileged=config.foresight,
        )
        self.step = self.env.step

    @property
    def seconds(self) -> float:
        return self._pair.seconds

    @property
    def hit_rate(self) -> float:
        return self._pair.hit_rate

    def begin(self) -> Start:
        return self.env.reset(options={"episodes": self._seeds()})

    def state(self) -> StateDict:
        return {"models": self._pair.state(), "env": self.env.state()}

    def load_state(self, state: StateDict) -> Start:
        self._pair.load_state(state["models"])
        return self.env.load_state(state["env"], self._seeds())

    def commit(self) -> None:
        self._pair.commit()

    def close(self) -> None:
        self.env.close()

    def _seeds(self) -> Iterator[int]:
        return islice(switching_seeds(self._seed), self._first, None, self._every)


@dataclass
class _Player:
    """What a worker plays with.

    Attributes:
        slots: its slots.
        pair: its models.
        steps: steps that its slots have made; None before they are begun.
        last: what the last of them returned.
    """

    slots: LocalSlots
    pair: ModelPair
    steps: int | None = None
    last: Stepped | None = None

    def close(self) -> None:
        self.slots.close()
        self.pair.close()


@dataclass(frozen=True)
class _Told:
    """What a worker tells after a step."""

    stepped: Stepped
    seconds: float
    hit_rate: float


@dataclass
class _Known:
    """What is known of a worker, so that another one can take its place.

    Attributes:
        state: of its slots, when it was last asked; None before they are begun.
        choices: those since.
        seconds: inside of its models.
        before: those of workers in whose place it is.
        hit_rate: of its cache.
    """

    state: StateDict | None = None
    choices: list[Array] = field(default_factory=list)
    seconds: float = 0.0
    before: float = 0.0
    hit_rate: float = 0.0


class SharedSlots:
    """Slots shared among workers: each has a stretch of them, and every so many-th episode.

    Args:
        config: the settings.
        ray: where the workers are; None for this process.
    """

    def __init__(self, config: TrainConfig, ray: RayConfig | None) -> None:
        count = config.workers
        self._workers: Workers[_Player] = open_workers(
            partial(_player, config), count, ray, device=config.device, end=_Player.close
        )
        self._cuts = list(accumulate(sizes(config.num_envs, count)))[:-1]
        self._known = [_Known() for _ in range(count)]
        self._steps = 0

    @property
    def seconds(self) -> float:
        return sum(known.before + known.seconds for known in self._known)

    @property
    def hit_rate(self) -> float:
        return float(np.mean([known.hit_rate for known in self._known]))

    def begin(self) -> Start:
        self._steps = 0
        return self._started(self._all(_begin))

    def step(self, actions: Array) -> Stepped:
        if len(self._known[0].choices) == TOLD:
            self._tell()
        choices = np.split(actions, self._cuts)
        told = self._sure(_step, [(self._steps, choice) for choice in choices])
        for known, choice, one in zip(self._known, choices, told, strict=True):
            known.choices.append(choice)
            known.seconds, known.hit_rate = one.seconds, one.hit_rate
        self._steps += 1
        *arrays, infos = zip(*(one.stepped for one in told), strict=True)
        observation, reward, terminated, truncated = map(np.concatenate, arrays)
        return observation, reward, terminated, truncated, _joined(infos)

    def state(self) -> StateDict:
        states = self._tell()
        # One worker's is that of a training without workers, which can go on with it.
        return states[0] if len(states) == 1 else {"workers": states}

    def load_state(self, state: StateDict) -> Start:
        states = state.get("workers", [state])
        self._steps = 0
        return self._started(self._all(_load, [(one,) for one in states]), states)

    def commit(self) -> None:
        self._sure(_commit)

    def close(self) -> None:
        self._workers.close()

    def _tell(self) -> list[StateDict]:
        states: list[StateDict] = self._sure(_state)
        for known, state in zip(self._known, states, strict=True):
            known.state, known.choices = state, []
        return states

    def _started(self, starts: list[Start], states: Sequence[StateDict | None] = ()) -> Start:
        for known, state in zip(self._known, states or [None] * len(starts), strict=True):
            known.state, known.choices = state, []
        observations, infos = zip(*starts, strict=True)
        return np.concatenate(observations), _joined(infos)

    def _sure(
        self, work: Callable[..., Iterator[Any]], units: Sequence[tuple[Any, ...]] = ()
    ) -> list[Any]:
        """Ask all workers; one that is new in its place is brought where the lost one was."""
        units = units or [(self._steps,)] * len(self._known)
        while None in (found := self._all(work, units)):
            for known, one in zip(self._known, found, strict=True):
                if one is None:
                    known.before, known.seconds = known.before + known.seconds, 0.0
            lost = [
                (known.state, known.choices, self._steps) if one is None else ()
                for known, one in zip(self._known, found, strict=True)
            ]
            self._all(_catch_up, lost)
        return found

    def _all(
        self, work: Callable[..., Iterator[Any]], units: Sequence[tuple[Any, ...]] = ()
    ) -> list[Any]:
        """The one item of each worker."""
        found = dict(self._workers.stream(work, units or [()] * len(self._known)))
        return [found[place] for place in range(len(self._known))]


# What workers do. A worker that is new in its place has made other steps than it is asked about,
# and answers None.


def _player(config: TrainConfig, place: int) -> _Player:
    pair = load_pair(config, worker_seed(config.seed, place), place)
    encoder = make_encoder(config.encoder, pair.quick, pair.deepthink)
    algorithm = make_algorithm(config, encoder)
    slots = sizes(config.num_envs, config.workers)[place]
    made = LocalSlots(config, pair, encoder, algorithm, slots, config.workers, place)
    return _Player(made, pair)


def _begin(player: _Player) -> Iterator[Start]:
    player.steps = 0
    yield player.slots.begin()


def _load(player: _Player, state: StateDict) -> Iterator[Start]:
    player.steps = 0
    yield player.slots.load_state(state)


def _step(player: _Player, steps: int, choice: Array) -> Iterator[_Told | None]:
    if player.steps == steps:
        player.last, player.steps = player.slots.step(choice), steps + 1
    # It may have made this step before, and be asked again since another worker was lost.
    done = player.last if player.steps == steps + 1 else None
    yield _Told(done, player.slots.seconds, player.slots.hit_rate) if done else None


def _state(player: _Player, steps: int) -> Iterator[StateDict | None]:
    yield player.slots.state() if player.steps == steps else None


def _commit(player: _Player, steps: int) -> Iterator[bool | None]:
    player.slots.commit()
    yield True


def _catch_up(
    player: _Player, state: StateDict | None = None, choices: Sequence[Array] = (), steps: int = -1
) -> Iterator[bool]:
    """Take up slots where the lost worker had them; nothing to do for one that was not lost."""
    if steps >= 0:
        if state is None:
            player.slots.begin()
        else:
            _, info = player.slots.load_state(state)
            if info["aborted"].any():
                raise LondiError(
                    "a worker was lost, and an episode of its cannot be played again as it was; go"
                    " on from the last checkpoint with --resume"
                )
        for choice in choices:
            player.slots.step(choice)
        player.steps = steps
    yield True


def _joined(infos: Sequence[Info]) -> Info:
    """The `info` of slots side by side."""
    joined: Info = {
        name: np.concatenate([info[name] for info in infos])
        for name in infos[0]
        if not name.removeprefix("_").startswith("final")
    }
    if any("final_obs" in info for info in infos):
        nothing = [np.full(len(info["live"]), None) for info in infos]
        joined["final_obs"] = np.concatenate(
            [info.get("final_obs", none) for info, none in zip(infos, nothing, strict=True)]
        )
        # Where no episode has ended nobody looks at what stands here.
        finals = [info.get("final_info", info) for info in infos]
        joined["final_info"] = {
            name: np.concatenate([final[name] for final in finals])
            for name in ("action_mask", "privileged")
        }
    return joined
