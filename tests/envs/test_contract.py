"""What londi asks of a text environment, asked of environments that break it one way each."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import londi
from londi.envs.contract import Traits, rewindable
from londi.envs.episode import TextEpisode
from londi.envs.registry import make_env
from londi.errors import InvalidConfig, LondiError, UnknownName
from playthings import Corridor, Texts


class Door(Texts):
    """Opens at the second step; `wrong` replaces parts of what it tells.

    Args:
        wrong: `goal`, `actions`, ... of `info`; `reward`, `terminated`, ... of a step.
        at: the step from which on it does.
    """

    def __init__(self, at: int = 0, **wrong: Any) -> None:
        self._at, self._wrong = at, wrong

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._t = 0
        return self._part("observation", "a door"), self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._t += 1
        return (
            self._part("observation", f"a door after {self._t}"),
            self._part("reward", 0.5),
            self._part("terminated", self._t == 3),
            self._part("truncated", False),
            self._info(),
        )

    def _part(self, name: str, usual: Any) -> Any:
        return self._wrong.get(name, usual) if self._t >= self._at else usual

    def _info(self) -> Any:
        info = {name: self._part(name, usual) for name, usual in USUAL.items()}
        info |= {k: v for k, v in self._wrong.items() if k in OPTIONAL and self._t >= self._at}
        return self._part("info", {k: v for k, v in info.items() if v is not ...})


USUAL = {"goal": "open", "actions": ("push", "pull")}
OPTIONAL = ("success", "expert", "substituted_action", "aborted")

BROKEN = [
    ({"goal": ...}, r"expected info\['goal'\], got the keys \['actions'\]"),
    ({"goal": None}, r"expected info\['goal'\] to be a text, got None"),
    ({"actions": ...}, r"expected info\['actions'\], got the keys \['goal'\]"),
    ({"actions": "push"}, r"a list of texts, got one text, 'push'"),
    ({"actions": 3}, r"a list of texts, got 3"),
    ({"actions": ("push", 1)}, r"a list of texts, got 1 in it"),
    ({"actions": {"push": 1}}, r"a list of texts, got \{'push': 1\}"),
    ({"observation": np.zeros(2)}, r"expected a text as observation, got array"),
    ({"info": None}, r"expected info to be a dictionary, got None"),
    ({"expert": 2}, r"expected info\['expert'\] to be a text or None, got 2"),
]
BROKEN_STEPS = [
    *BROKEN,
    ({"reward": float("nan")}, "expected a finite number as reward, got nan"),
    ({"reward": float("inf")}, "expected a finite number as reward, got inf"),
    ({"reward": np.float32("nan")}, "expected a finite number as reward, got np.float32"),
    ({"reward": None}, "expected a finite number as reward, got None"),
    ({"reward": "1"}, "expected a finite number as reward, got '1'"),
    ({"terminated": "no"}, "expected terminated to be True or False, got 'no'"),
    ({"truncated": None}, "expected truncated to be True or False, got None"),
    ({"success": "no"}, r"expected info\['success'\] to be True or False, got 'no'"),
    ({"substituted_action": 1}, r"info\['substituted_action'\] to be a text or None, got 1"),
    ({"aborted": "it broke"}, "to be truncated"),
]


@pytest.mark.parametrize(("wrong", "message"), BROKEN)
def test_a_broken_reset_is_refused_in_one_line(wrong: dict[str, Any], message: str) -> None:
    episode = TextEpisode(Door(**wrong))
    with pytest.raises(InvalidConfig, match=rf"^Door, episode 7, step 0: .*{message}") as error:
        episode.start(7)
    assert "\n" not in str(error.value)
    with pytest.raises(InvalidConfig, match=message):
        londi.check_env(Door(**wrong))


@pytest.mark.parametrize(("wrong", "message"), BROKEN_STEPS)
def test_a_broken_step_is_refused_in_one_line(wrong: dict[str, Any], message: str) -> None:
    episode = TextEpisode(Door(at=2, **wrong))
    episode.start(7)
    episode.step("push")
    with pytest.raises(InvalidConfig, match=rf"^Door, episode 7, step 2: .*{message}") as error:
        episode.step("push")
    assert "\n" not in str(error.value)
    with pytest.raises(InvalidConfig, match=message):
        londi.check_env(Door(at=2, **wrong))


def test_what_follows_the_contract_is_let_through() -> None:
    londi.check_env(Door())
    londi.check_env(Door(actions=()))
    londi.check_env(Door(actions=["push"], expert=None, success=np.bool_(False)))
    londi.check_env(Door(reward=np.float32(1), terminated=np.bool_(True)))
    londi.check_env(Door(reward=1))


@pytest.mark.parametrize(
    "name", ["londi/BabyAIText-MixedTrainLocal-v0", "londi/BabyAIText-GoToObjS4-v0"]
)
def test_londis_own_environments_follow_it(name: str) -> None:
    for seed in range(3):
        londi.check_env(make_env(name, expert=True), seed)


def test_a_terminal_state_needs_no_goal_and_no_actions() -> None:
    episode = TextEpisode(Door(at=3, goal=..., actions=...))
    episode.start(0)
    assert [episode.step("push").ended for _ in range(3)] == [False, False, True]
    assert episode.state.goal == "open"


def test_texts_in_and_out_are_checked() -> None:
    env = Door()
    env.action_space = spaces.Discrete(2)  # type: ignore[assignment]
    with pytest.raises(InvalidConfig, match="texts to observe and act with, got Text and Discrete"):
        londi.check_env(env)


class OldReset(Door):
    def reset(self, **_: Any) -> Any:
        return "a door"


class OldStep(Door):
    def step(self, action: str) -> Any:
        return super().step(action)[:4]


def test_the_results_of_older_interfaces_are_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"reset to return \(observation, info\), got 'a door'"):
        londi.check_env(OldReset())
    with pytest.raises(InvalidConfig, match=r"step to return \(observation, reward, "):
        londi.check_env(OldStep())


class Fickle(Corridor):
    resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.resets += 1
        _, info = super().reset(seed=seed, options=options)
        return f"hard: the door on the left, for the {self.resets}. time", info


class Picky(Door):
    def step(self, action: str) -> Any:
        assert action in USUAL["actions"], f"no such action\n{action}"
        return super().step(action)


def test_episodes_are_to_be_known_by_their_seed() -> None:
    with pytest.raises(InvalidConfig, match=r"expected the same observation after the same seed"):
        londi.check_env(Fickle())


def test_any_text_is_to_be_taken() -> None:
    with pytest.raises(
        InvalidConfig, match=r"take any text.*raised EnvironmentFailed: .*AssertionError"
    ) as error:
        londi.check_env(Picky())
    assert "\n" not in str(error.value)


def declaring(**metadata: Any) -> Door:
    env = Door()
    env.metadata = metadata
    return env


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"history": "plian"}, "unknown history of Door 'plian'; did you mean 'plain'"),
        ({"waits": 1}, r"metadata\['waits'\]: expected True or False, got 1"),
        ({"rewindable": "yes"}, r"metadata\['rewindable'\]: expected True or False, got 'yes'"),
        ({"returns": 1.0}, "least and the greatest return, got 1.0"),
        ({"returns": (1.0, 0.0)}, "least and the greatest return, got"),
        ({"returns": (0.0, float("nan"))}, "least and the greatest return, got"),
        ({"history": "scienceworld"}, r"expected info\['score'\], got the keys"),
        ({"rewindable": True}, "asks for 'horizon', got none"),
    ],
)
def test_declarations_are_checked(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(LondiError, match=message):
        londi.check_env(declaring(**metadata))


def test_declarations_are_read_once_into_a_record() -> None:
    assert Traits.of(Door()) == Traits("plain", False, None, True, False)
    declared = declaring(waits=True, returns=[0, 1], render_modes=["ansi"])
    assert Traits.of(declared) == Traits(waits=True, returns=(0.0, 1.0))
    with pytest.raises(UnknownName):
        TextEpisode(declaring(history="none"))


class Halved(gym.Wrapper[str, str, str, str]):
    def step(self, action: str) -> Any:
        observation, reward, *rest = self.env.step(action)
        return observation, float(reward) / 2, *rest


def test_a_wrapper_is_not_passed_over_by_restoring_states() -> None:
    env = make_env("londi/BabyAIText-GoToObjS4-v0")
    assert rewindable(env) is env
    assert rewindable(gym.wrappers.OrderEnforcing(env)) is env
    assert rewindable(Halved(env)) is None
    londi.check_env(Halved(env))


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
