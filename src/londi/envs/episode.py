"""A text environment seen as the prompts of one episode after the other.

`TextEpisode` joins an environment and its history, checks what the environment tells against the
contract, and can replay an episode from its actions. This file knows no model and nothing of
switching.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import gymnasium as gym

from londi.envs.contract import Outcome, StateInfo, Traits, name_of, read_reset, read_step
from londi.envs.histories import HISTORIES
from londi.envs.info import InfoView
from londi.envs.prompt import Prompt
from londi.errors import FOREIGN_ERRORS, EnvironmentFailed, InvalidConfig, LondiError, one_line

__all__ = ["Outcome", "TextEpisode"]


def close(env: gym.Env[str, str]) -> None:
    """Close an environment.

    Raises:
        EnvironmentFailed: if that raises an error.
    """
    try:
        env.close()
    except FOREIGN_ERRORS as error:  # whatever a user's environment raises
        raise EnvironmentFailed(
            f"{name_of(env)}: expected close to return, it raised {one_line(error)}"
        ) from error


class TextEpisode:
    """Plays episodes of `env`, each known by its seed.

    Attributes:
        seed: the seed of the current episode.
        observations: the observations of the episode so far.
        taken: the actions of the episode so far, in order.
        info: the `info` that the environment returned last.
        state: the checked contents of `info` in the last state that was not terminal.
        history: the name of the history that gathers the states into prompts.
        waits: whether a step waits for another process, so that several are worth a thread each.
        returns: the least and the greatest return of an episode, where the environment says so.
        lists_actions: whether the environment names the possible actions.

    Raises:
        LondiError: if the environment declares something that does not exist.
    """

    def __init__(self, env: gym.Env[str, str]) -> None:
        self._env = env
        traits = Traits.of(env)
        self.history = traits.history
        self.waits = traits.waits
        self.returns = traits.returns
        self.horizon = traits.horizon
        self.lists_actions = traits.lists_actions

    def start(self, seed: int) -> None:
        """Begin the episode of that seed.

        Raises:
            InvalidConfig: if what the environment returns breaks the contract.
        """
        self.seed = seed
        self.taken: list[str] = []
        with self._failing():
            told = self._env.reset(seed=seed)
        try:
            observation, self.info = read_reset(told)
            self.state = self._read(self.info)
        except InvalidConfig as error:
            raise self._located(error) from error
        with self._failing():
            self._history = HISTORIES[self.history](observation, self.info)
        self.observations = [observation]

    def step(self, action: str) -> Outcome:
        """Do `action`, any text.

        Raises:
            InvalidConfig: if what the environment returns breaks the contract, such as a reward
                that is no number.
        """
        with self._failing():
            told = self._env.step(action)
        self.taken.append(action)
        try:
            observation, outcome, self.info = read_step(told)
            if not outcome.terminated:  # nothing is chosen in a terminal state
                self.state = self._read(self.info)
        except InvalidConfig as error:
            raise self._located(error) from error
        if not outcome.terminated:
            with self._failing():
                self._history.add(action, observation, self.info)
        self.observations.append(observation)
        return outcome

    def resume(self, seed: int, taken: Sequence[str]) -> bool:
        """Replay the episode of that seed; environments are deterministic.

        Args:
            seed: seed of the episode.
            taken: its actions so far.

        Returns:
            Whether the episode goes on from there. It does not where one of the actions ended it,
            or the environment broke off; the actions behind that one are not done.
        """
        self.start(seed)
        return not any(self.step(action).ended for action in taken)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Name the environment, the episode and the step where the environment raises an error."""
        try:
            yield
        except LondiError:
            raise
        except FOREIGN_ERRORS as error:  # whatever a user's environment raises
            where = f"{self.name}, episode {self.seed}, step {len(self.taken)}"
            raise EnvironmentFailed(
                f"{where}: the environment failed: {one_line(error)}"
            ) from error

    def prompt(self) -> Prompt:
        """The current state, with the action of the environment's expert, if it tells that."""
        return self._history.prompt()

    @property
    def name(self) -> str:
        """The name of the environment."""
        return name_of(self._env)

    def close(self) -> None:
        """Close the environment."""
        close(self._env)

    def _read(self, info: InfoView) -> StateInfo:
        return StateInfo.read(info, HISTORIES[self.history].reads)

    def _located(self, error: InvalidConfig) -> InvalidConfig:
        """The error with the environment, the episode and the step in front."""
        return InvalidConfig(f"{self.name}, episode {self.seed}, step {len(self.taken)}: {error}")
