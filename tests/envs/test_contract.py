"""What londi asks of a text environment, asked of environments that break it one way each."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import londi
from envs.doors import Door, declaring
from londi.envs.contract import Traits, check_spaces
from londi.envs.episode import TextEpisode
from londi.envs.registry import make_env
from londi.envs.restorable import rewindable
from londi.errors import InvalidConfig, UnknownName

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


def test_texts_in_and_out_are_checked() -> None:
    env = Door()
    env.action_space = spaces.Discrete(2)  # type: ignore[assignment]
    with pytest.raises(InvalidConfig, match="texts to observe and act with, got Text and Discrete"):
        check_spaces(env)
    bare: gym.Env[str, str] = gym.Env()
    with pytest.raises(InvalidConfig, match="got nothing and nothing of Env"):
        check_spaces(bare)


def test_declarations_are_read_once_into_a_record() -> None:
    assert Traits.of(Door()) == Traits("plain", False, False, None, True, False)
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


class Raising(Door):
    """An environment whose declarations raise."""

    @property
    def metadata(self) -> dict[str, Any]:  # type: ignore[override]
        raise RuntimeError("not made yet")

    @property
    def action_space(self) -> spaces.Space[str]:  # type: ignore[override]
        raise SystemExit(0)


def test_declarations_that_raise_are_refused_in_one_line() -> None:
    with pytest.raises(InvalidConfig, match="reading metadata raised RuntimeError: not made yet"):
        Traits.of(Raising())
    with pytest.raises(InvalidConfig, match=r"got Text and an error \(SystemExit: 0\) of Raising"):
        check_spaces(Raising())
