"""`check_env`: what it lets through, and what it refuses, in one line each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import londi
from envs.doors import USUAL, Door, declaring
from londi.envs.registry import make_env
from londi.errors import InvalidConfig, LondiError
from playthings import Corridor


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


class Changing(Door):
    """Tells another thing of its second step each time it is played."""

    def __init__(self, what: str, *values: Any) -> None:
        super().__init__(at=2)
        self._what, self._values = what, iter(values)

    def step(self, action: str) -> Any:
        if self._t == 1:
            self._wrong = {self._what: next(self._values)}
        return super().step(action)


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("observation", ("a door", "a gate")),
        ("goal", ("open", "shut")),
        ("actions", (("push",), ("push", "pull"))),
        ("reward", (0.5, 0.25)),
        ("terminated", (False, True)),
        ("truncated", (False, True)),
    ],
)
def test_every_part_of_a_step_is_to_be_known_by_seed_and_actions(
    what: str, values: tuple[Any, Any]
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        londi.check_env(Changing(what, *values), seed=4)
    assert str(caught.value) == (
        f"Changing, episode 4, step 2: expected the same {what} after the same seed and actions,"
        f" got {values[0]!r} and then {values[1]!r}"
    )


class Rewinding(Door):
    """Can be put back; `broken` members are other than they should be."""

    def __init__(self, **broken: Any) -> None:
        super().__init__()
        self.metadata = {"rewindable": True}
        self._broken = broken
        self.horizon = broken.get("horizon", 3)

    def reward_at(self, steps: int) -> float:
        return float(self._broken.get("reward", 1 - 0.1 * steps))

    def snapshot(self) -> bytes:
        return bytes([self._t])

    def restore(self, state: bytes) -> None:
        self._t = state[0] + self._broken.get("late", 0)


def test_an_environment_that_can_be_put_back_is_let_through() -> None:
    londi.check_env(Rewinding())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"horizon": 0}, "horizon: expected a whole number >= 1, got 0"),
        ({"horizon": 2.5}, r"horizon: expected a whole number >= 1, got 2\.5"),
        ({"horizon": None}, "horizon: expected a whole number >= 1, got None"),
        ({"reward": 0.0}, r"reward_at\(1\): expected a number other than 0, got 0\.0"),
        ({"reward": float("nan")}, r"reward_at\(1\): expected a number other than 0, got nan"),
        ({"late": 1}, "same step after restore, got 'a door after 2' in place of 'a door after 1'"),
    ],
)
def test_what_cannot_be_put_back_as_it_says_is_refused(
    broken: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConfig, match=f"^Rewinding: .*{message}"):
        londi.check_env(Rewinding(**broken))


class Restoring(Door):
    """Can be put back; `broken` members are other than they should be."""

    def __init__(self, **broken: Any) -> None:
        super().__init__()
        self.metadata = {"restorable": True}
        self._broken = broken
        self._asked = 0

    def state_key(self) -> bytes:
        self._asked += 1
        told = {"count": self._asked, "nothing": 0}.get(self._broken.get("key", ""), self._t)
        return bytes([told])

    def snapshot(self) -> bytes:
        return bytes([self._t])

    def restore(self, state: bytes) -> None:
        self._t = state[0] + self._broken.get("late", 0)


def test_an_environment_that_can_be_restored_is_let_through() -> None:
    londi.check_env(Restoring())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"late": 1}, "same step after restore, got 'a door after 2' in place of 'a door after 1'"),
        ({"key": "count"}, "expected the same state_key after the same seed"),
        ({"key": "nothing"}, "expected another state_key after a step"),
    ],
)
def test_what_cannot_be_restored_as_it_says_is_refused(
    broken: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConfig, match=f"^Restoring: .*{message}"):
        londi.check_env(Restoring(**broken))


def test_a_part_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidConfig, match=r"metadata\['restorable'\] asks for 'state_key'"):
        londi.check_env(declaring(restorable=True))


def test_an_environment_is_left_open() -> None:
    class Closing(Door):
        closed = False

        def close(self) -> None:
            self.closed = True

    env = Closing()
    londi.check_env(env)
    assert not env.closed
