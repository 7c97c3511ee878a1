"""`check_env`: tries an environment against the contract, and tells every fault and how to mend it.

It plays some episodes, as Gymnasium's own checker does, and knows no model. `forms.py` and
`trials.py` hold the checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gymnasium as gym

from londi.envs.contract import Traits, name_of, shortened
from londi.envs.episode import TextEpisode
from londi.envs.findings import Finding, fault, hint
from londi.envs.forms import Forms
from londi.envs.trials import Trial
from londi.errors import FOREIGN_ERRORS, InvalidEnvironment, one_line


@dataclass(frozen=True)
class Report:
    """The findings about an environment.

    Attributes:
        name: its name.
        faults: what breaks the contract: londi cannot play before it is mended.
        hints: optional parts that it lacks, and what is likely not meant.
        prompt: the text that a model reads in the first state; empty where there is a fault.
    """

    name: str
    faults: tuple[Finding, ...]
    hints: tuple[Finding, ...]
    prompt: str


def check_env(env: gym.Env[str, str], seed: int = 0) -> tuple[Finding, ...]:
    """Check that londi can play in `env`: types, texts, numbers, seeds, and determinism.

    It plays some episodes and leaves the environment open.

    Args:
        env: the environment, made.
        seed: seed of the episode that is played most.

    Returns:
        Hints, each one line as text: optional parts that are missing, and what is likely not meant.

    Raises:
        InvalidEnvironment: if the environment breaks the contract; one line a fault, with how it
            is mended.
    """
    report = inspect_env(env, seed)
    if report.faults:
        raise InvalidEnvironment("\n".join(map(str, report.faults)))
    return report.hints


def inspect_env(
    env: gym.Env[str, str], seed: int = 0, other: gym.Env[str, str] | None = None
) -> Report:
    """All findings of `check_env`, none of them raised.

    Args:
        env: the environment, made.
        seed: seed of the episode that is played most.
        other: another copy of it, to see whether the two can be played side by side.

    Raises:
        InvalidEnvironment: if `env` is no environment at all.
    """
    if not _is_env(env):
        raise InvalidEnvironment(
            f"expected an environment that derives from gymnasium.Env, made, got {shortened(env)}"
        )
    forms, prompt = Forms(env, seed), ""
    found = [*forms.faults, *(_missing(env) if forms.declared else ())]
    if not forms.faults:
        found += Trial(env, seed, other).findings()
    faults = tuple(finding for finding in found if finding.is_fault)
    hints = tuple(finding for finding in found if not finding.is_fault)
    if not faults:
        episode = TextEpisode(env)
        episode.start(seed)
        try:
            prompt = episode.prompt().text()
        except FOREIGN_ERRORS as error:  # whatever a user's history raises
            what = f"expected a prompt of the first state, making it raised {one_line(error)}"
            faults = (fault(name_of(env), "prompt", what),)
    return Report(name_of(env), faults, hints, prompt)


def _is_env(env: object) -> bool:
    """`isinstance`, for a value that its declaration says to be one already."""
    return isinstance(env, gym.Env)


def _missing(env: gym.Env[str, str]) -> Iterator[Finding]:
    """Hints on the optional declarations that an environment does not make."""
    traits, name = Traits.of(env), name_of(env)
    if traits.returns is None:
        yield hint(
            name,
            "metadata['returns'] is missing, so that londi limit is refused, the critics' targets"
            " are not bounded, and no cost is warned of as too high",
            "declare the least and the greatest return, such as (0.0, 1.0)",
        )
    if traits.horizon is None:
        yield hint(
            name,
            "metadata['horizon'] is missing, so that no cost is warned of as too high",
            "declare the number of steps after which an episode is truncated",
        )
    if not (traits.restorable or traits.rewindable):
        yield hint(
            name,
            "metadata['restorable'] is missing, so that londi limit replays the actions up to each"
            " state and merges no two paths",
            "write the members of londi.envs.restorable.Restorable, or of Rewindable if a success"
            " is all that is rewarded",
        )
