"""Trials of an environment whose results have the right form: does it behave as londi relies on?

Determinism by the seed, copies side by side, restored states, returns within their bounds, seeds of
each split, and the expert. This file does not check the form of results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import gymnasium as gym
import numpy as np

from londi.envs.contract import Outcome, Traits, finite_number, name_of, shortened
from londi.envs.episode import TextEpisode
from londi.envs.findings import Finding, fault, hint
from londi.envs.restorable import Restorable, Rewindable, restorable, rewindable
from londi.envs.seeds import (
    demonstration_seeds,
    held_out_seeds,
    switching_seeds,
    validation_seeds,
)
from londi.errors import FOREIGN_ERRORS, LondiError, one_line

UNKNOWN = "do something that no environment knows"
"""A text that is no action."""
STEPS = 8
"""Steps of an episode that is played several times."""
_LONGEST = 500  # steps after which an episode is not played on
_SEEDS = 8  # of each split, whose first states are compared
_TINY = 1e-6  # of return, by rounding
_PARTS = ("observation", "goal", "actions", "reward", "terminated", "truncated")

_Step = tuple[object, ...]


@dataclass
class Trial:
    """An environment to be tried.

    Attributes:
        env: the environment.
        seed: seed of the episode that is played.
        other: another copy of the environment, if there is one.
    """

    env: gym.Env[str, str]
    seed: int
    other: gym.Env[str, str] | None = None
    name: str = field(init=False)
    traits: Traits = field(init=False)
    episode: TextEpisode = field(init=False)

    def __post_init__(self) -> None:
        self.name = name_of(self.env)
        self.traits = Traits.of(self.env)
        self.episode = TextEpisode(self.env)

    def findings(self) -> list[Finding]:
        """Faults and hints."""
        found: list[Finding] = []
        for check in (_determinism, _random_episode, _expert_episode, _splits):
            try:
                found += check(self)
            except LondiError as error:  # in a step that no other check has seen
                where, _, what = str(error).partition(": ")
                found.append(fault(where, "contract", what))
        return found

    def at(self, step: int) -> str:
        """Where a step of the episode is."""
        return f"{self.name}, episode {self.seed}, step {step}"


def _determinism(trial: Trial) -> Iterator[Finding]:
    trace, taken = _play(trial.episode, trial.seed, None)
    again, _ = _play(trial.episode, trial.seed, taken)
    if difference := _difference(trace, again, "after the same seed and actions"):
        yield fault(trial.at(difference[0]), "same seed", difference[1])
        return  # whatever else differs is not due to what is tried next
    if trial.other is not None:
        yield from _side_by_side(trial, TextEpisode(trial.other), trace, taken)
    for declared, kind, check in (
        (trial.traits.restorable, "restorable", _restoring),
        (trial.traits.rewindable, "rewindable", _rewinding),
    ):
        if not declared:
            continue
        try:
            yield from check(trial)
        except LondiError:
            raise
        except FOREIGN_ERRORS as error:  # whatever a user's environment raises
            what = f"expected its members to return, one raised {one_line(error)}"
            yield fault(trial.name, f"{kind} member", what)


def _side_by_side(
    trial: Trial, beside: TextEpisode, trace: list[_Step], taken: Sequence[str]
) -> Iterator[Finding]:
    rng = np.random.default_rng(0)
    trial.episode.start(trial.seed)
    beside.start(trial.seed + 1)
    together, ended = [_first(trial.episode)], False
    for action in taken:
        ended = ended or beside.step(_random(beside, rng)).ended
        outcome = trial.episode.step(action)
        together.append(_seen(trial.episode, outcome.reward, outcome.terminated, outcome.truncated))
    if difference := _difference(trace, together, "while another copy is played"):
        yield fault(trial.at(difference[0]), "side by side", difference[1])


def _rewinding(trial: Trial) -> Iterator[Finding]:
    inner = rewindable(trial.env)
    if inner is None:  # a wrapper hides it: its states are not restored
        return
    trial.episode.start(trial.seed)
    if type(inner.horizon) is not int or inner.horizon < 1:
        what = f"horizon: expected a whole number >= 1, got {shortened(inner.horizon)}"
        yield fault(trial.name, "rewindable member", what)
        return
    reward = inner.reward_at(1)
    if not finite_number(reward) or reward == 0:
        what = f"reward_at(1): expected a number other than 0, got {shortened(reward)}"
        yield fault(trial.name, "rewindable member", what)
        return
    yield from _restored(trial, inner)


def _restoring(trial: Trial) -> Iterator[Finding]:
    inner = restorable(trial.env)
    if inner is None:
        return
    trial.episode.start(trial.seed)
    key = inner.state_key()
    yield from _restored(trial, inner)
    trial.episode.start(trial.seed)
    if inner.state_key() != key:
        what = "expected the same state_key after the same seed"
        yield fault(trial.name, "restorable member", what)
        return
    trial.episode.step(next(iter(trial.episode.state.actions), UNKNOWN))
    if inner.state_key() == key:
        yield fault(trial.name, "restorable member", "expected another state_key after a step")


def _restored(trial: Trial, inner: Restorable | Rewindable) -> Iterator[Finding]:
    """Do the step from the state at hand twice, the second time after restoring it."""
    before = inner.snapshot()
    action = next(iter(trial.episode.state.actions), UNKNOWN)
    reward, first = trial.episode.step(action).reward, trial.episode.observations[-1]
    inner.restore(before)
    observation, again, *_ = trial.env.step(action)
    if (observation, again) != (first, reward):
        what = (
            f"expected the same step after restore, got {shortened(observation)}"
            f" in place of {shortened(first)}"
        )
        yield fault(trial.name, "restore", what)


def _random_episode(trial: Trial) -> Iterator[Finding]:
    rng = np.random.default_rng(trial.seed)
    trial.episode.start(trial.seed)
    if trial.traits.lists_actions and not trial.episode.state.actions:
        yield hint(
            trial.name,
            "info['actions'] is empty, so that the model 'random' cannot play",
            "declare metadata['lists_actions'] = False, and it is refused before a run",
        )
    steps, total, last = _to_the_end(trial.episode, lambda: _random(trial.episode, rng))
    yield from _bounds(trial, steps, total, last)
    if last is None and trial.traits.horizon is None and not trial.traits.rewindable:
        yield hint(
            trial.name,
            f"{_LONGEST} random actions did not end an episode",
            "truncate it at a step limit, since a model that is stuck plays on and on",
        )


def _expert_episode(trial: Trial) -> Iterator[Finding]:
    trial.episode.start(trial.seed)
    if "expert" not in trial.episode.info:
        yield hint(
            trial.name,
            "info['expert'] is missing, so that londi finetune has nobody to imitate and the model"
            " 'expert' does not know what to do",
            "take an option expert=True, and tell the best action then",
        )
        return
    advised = list[str]()

    def advice() -> str | None:
        state = trial.episode.state
        if state.expert is not None and state.actions and state.expert not in state.actions:
            advised.append(state.expert)
        return state.expert

    steps, total, last = _to_the_end(trial.episode, advice)
    yield from _bounds(trial, steps, total, last)
    for action in advised[:1]:
        what = f"expected advice among info['actions'], got {shortened(action)}"
        yield fault(trial.name, "advice", what)
    if last is None or not last.success:
        yield hint(
            f"{trial.name}, episode {trial.seed}",
            f"the expert's episode did not end in success after {steps} steps",
            "londi finetune imitates it as it is",
        )


def _bounds(trial: Trial, steps: int, total: float, last: Outcome | None) -> Iterator[Finding]:
    """Whether a played episode is within the declared returns and the declared horizon."""
    returns, horizon = trial.traits.returns, trial.traits.horizon
    if returns and last and not returns[0] - _TINY <= total <= returns[1] + _TINY:
        what = f"expected a return within metadata['returns'] = {returns}, got {total:g}"
        yield fault(trial.at(steps), "total", what)
    if horizon is not None and (steps > horizon or (steps == horizon and last is None)):
        what = f"expected an end by metadata['horizon'] = {horizon}, got {steps} steps"
        yield fault(trial.at(steps), "too long", what)


def _splits(trial: Trial) -> Iterator[Finding]:
    """Whether the seeds of each split can be played, and its episodes are not those of training."""
    training = [*demonstration_seeds(0, 0, _SEEDS), *islice(switching_seeds(0), _SEEDS)]
    splits = {"validation": validation_seeds(_SEEDS), "held-out": held_out_seeds(_SEEDS)}
    try:
        learned = {_beginning(trial.episode, seed): seed for seed in training}
        known = {
            (split, seed): learned[beginning]
            for split, seeds in splits.items()
            for seed in seeds
            if (beginning := _beginning(trial.episode, seed)) in learned
        }
    except LondiError as error:
        where, _, what = str(error).partition(": ")
        yield fault(where, "seeds", what)
        return
    for split in splits:
        same = [
            (seed, other)
            for (name, seed), other in known.items()
            if name == split and _alike(trial.episode, seed, other)
        ]
        if same:
            yield hint(
                trial.name,
                f"{len(same)} of {_SEEDS} {split} episodes go as one of a training does (seed"
                f" {same[0][0]} as {same[0][1]})",
                "draw each split from tasks of its own, by londi.envs.seeds.split_of(seed)",
            )


def _beginning(episode: TextEpisode, seed: int) -> _Step:
    episode.start(seed)
    return _first(episode)


def _alike(episode: TextEpisode, one: int, other: int) -> bool:
    """Whether two episodes go alike for some steps."""
    trace, taken = _play(episode, one, None)
    return trace == _play(episode, other, taken)[0]


def _play(
    episode: TextEpisode, seed: int, known: Sequence[str] | None
) -> tuple[list[_Step], list[str]]:
    """The results of each step of an episode, at most `STEPS`, and the actions that were done.

    Args:
        episode: plays it.
        seed: names it.
        known: the actions to do, up to the episode's end; random ones by default.
    """
    rng = np.random.default_rng(seed)
    episode.start(seed)
    trace, ended = [_first(episode)], False
    for t in range(STEPS if known is None else len(known)):
        if ended:
            break
        outcome = episode.step(_random(episode, rng) if known is None else known[t])
        trace.append(_seen(episode, outcome.reward, outcome.terminated, outcome.truncated))
        ended = outcome.ended
    return trace, episode.taken


def _to_the_end(
    episode: TextEpisode, choose: Callable[[], str | None]
) -> tuple[int, float, Outcome | None]:
    """Steps, return and last outcome of an episode that has begun; None if it did not end."""
    total = 0.0
    for t in range(1, _LONGEST + 1):
        action = choose()
        if action is None:
            return t - 1, total, None
        outcome = episode.step(action)
        total += outcome.reward
        if outcome.ended:
            return t, total, outcome
    return _LONGEST, total, None


def _random(episode: TextEpisode, rng: np.random.Generator) -> str:
    actions = episode.state.actions
    return actions[rng.integers(len(actions))] if actions else UNKNOWN


def _first(episode: TextEpisode) -> _Step:
    return _seen(episode, 0.0, False, False)


def _seen(episode: TextEpisode, reward: float, terminated: bool, truncated: bool) -> _Step:
    state = episode.state
    return (episode.observations[-1], state.goal, state.actions, reward, terminated, truncated)


def _difference(one: list[_Step], other: list[_Step], when: str) -> tuple[int, str] | None:
    """The step at which two traces differ first, and how; None if they do not."""
    for t, (first, second) in enumerate(zip(one, other, strict=False)):
        for part, a, b in zip(_PARTS, first, second, strict=True):
            if a != b:
                return t, f"expected the same {part} {when}, got {shortened(a)}" + (
                    f" and then {shortened(b)}"
                )
    return None
