"""An environment seen as the prompts of one episode after the other."""

from __future__ import annotations

from typing import Any

import pytest

from envs.doors import USUAL, Door, declaring
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.errors import EnvironmentFailed, LondiError
from playthings import Corridor


def test_a_terminal_state_needs_no_goal_and_no_actions() -> None:
    episode = TextEpisode(Door(at=3, goal=..., actions=...))
    episode.start(0)
    assert [episode.step("push").ended for _ in range(3)] == [False, False, True]
    assert episode.state.goal == "open"


class Frail(Door):
    """Breaks off at its second step once it is told to."""

    broken = False

    def step(self, action: str) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        if self.broken and self._t == 2:
            return observation, 0.0, False, True, info | {"aborted": "it broke"}
        return observation, reward, terminated, truncated, info


def test_a_replay_says_whether_the_episode_goes_on() -> None:
    env = Frail()
    episode = TextEpisode(env)
    assert episode.resume(3, ["push", "pull"])
    assert episode.step("push").terminated
    assert not episode.resume(3, ["push", "pull", "push"]), "it ended there"
    env.broken = True
    assert not episode.resume(3, ["push", "pull", "push"]), "it broke off on the way"
    assert episode.taken == ["push", "pull"], "nothing is done in a dead episode"


def test_an_episode_is_read_as_prompts() -> None:
    episode = TextEpisode(Door())
    episode.start(7)
    assert episode.prompt() == Prompt("open", USUAL["actions"], ("a door",))
    for action in ("push", "say please"):
        assert not episode.step(action).ended
    seen = ("a door", "a door after 1", "a door after 2")
    assert episode.prompt() == Prompt("open", USUAL["actions"], seen, ("push", "say please"))
    assert episode.observations == list(seen)
    assert episode.taken == ["push", "say please"] and episode.seed == 7


def test_a_terminal_state_is_observed_and_makes_no_prompt() -> None:
    episode = TextEpisode(Door())
    episode.start(0)
    outcomes = [episode.step("push") for _ in range(3)]
    assert [outcome.reward for outcome in outcomes] == [0.5] * 3
    assert outcomes[-1].terminated and outcomes[-1].success
    assert episode.observations[-1] == "a door after 3"
    assert episode.prompt().observations[-1] == "a door after 2"


def test_a_truncated_state_makes_a_prompt() -> None:
    """It is no end of the task: what could follow is still to be valued."""
    episode = TextEpisode(Corridor(limit=1))
    episode.start(3)
    right = "left" if "left" in episode.observations[0] else "right"
    assert episode.step(right).truncated
    assert episode.prompt().observations[-1] == episode.observations[-1]
    assert episode.prompt().past == (right,)
    episode = TextEpisode(Door(at=1, truncated=True, goal="shut"))
    episode.start(0)
    assert episode.step("push").truncated
    assert episode.state.goal == episode.prompt().goal == "shut"


def test_the_next_episode_begins_anew() -> None:
    episode = TextEpisode(Corridor())
    episode.start(1)
    first = episode.prompt()
    episode.step("left")
    episode.start(2)
    assert episode.taken == [] and len(episode.observations) == 1
    episode.start(1)
    assert episode.prompt() == first


def test_the_experts_advice_is_that_of_the_state() -> None:
    episode = TextEpisode(Door(at=1, expert="push"))
    episode.start(0)
    assert episode.prompt().expert is None and episode.state.expert is None
    episode.step("pull")
    assert episode.prompt().expert == episode.state.expert == "push"


def test_what_the_environment_declares_is_known_before_it_begins() -> None:
    plain = TextEpisode(Door())
    assert (plain.name, plain.history, plain.waits) == ("Door", "plain", False)
    assert (plain.returns, plain.lists_actions) == (None, True)
    episode = TextEpisode(declaring(waits=True, returns=(0, 1), lists_actions=False, horizon=9))
    assert (episode.waits, episode.returns) == (True, (0.0, 1.0))
    assert (episode.lists_actions, episode.horizon) == (False, 9)


class Fails(Door):
    """Raises its error at the start, or at a step."""

    def __init__(self, error: Exception, at: int) -> None:
        super().__init__()
        self._error, self._fails = error, at

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if self._fails == 0:
            raise self._error
        return super().reset(seed=seed, options=options)

    def step(self, action: str) -> Any:
        if self._fails == self._t + 1:
            raise self._error
        return super().step(action)


def played(env: Door) -> None:
    episode = TextEpisode(env)
    episode.start(7)
    for _ in range(2):
        episode.step("push")


@pytest.mark.parametrize(("at", "step"), [(0, 0), (1, 0), (2, 1)])
def test_what_an_environment_raises_is_located_in_one_line(at: int, step: int) -> None:
    error = RuntimeError("no\n  such door")
    with pytest.raises(EnvironmentFailed) as caught:
        played(Fails(error, at))
    assert str(caught.value) == (
        f"Fails, episode 7, step {step}: the environment failed: RuntimeError: no such door"
    )
    assert caught.value.__cause__ is error


def test_an_error_of_londi_goes_through_as_it_is() -> None:
    error = LondiError("no Java")
    with pytest.raises(LondiError) as caught:
        played(Fails(error, 1))
    assert caught.value is error


def test_closing_it_closes_the_environment() -> None:
    class Closing(Door):
        closed = False

        def close(self) -> None:
            self.closed = True

    env = Closing()
    TextEpisode(env).close()
    assert env.closed
