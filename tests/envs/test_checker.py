"""`check_env`: what it lets through, every fault that it finds, and its hints, a line each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import londi
from envs.doors import USUAL, Door, declaring
from londi.envs.checker import Report, inspect_env
from londi.envs.findings import MENDS
from londi.envs.histories import HISTORIES
from londi.envs.prompt import History, Prompt
from londi.envs.registry import make_env
from londi.envs.seeds import split_of
from londi.errors import InvalidConfig, InvalidEnvironment, LondiError
from playthings import Corridor, Texts


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
        InvalidConfig, match=r"take any text.*'do something .*' raised AssertionError: no such"
    ) as error:
        londi.check_env(Picky())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"history": "plian"}, "unknown history of Door 'plian'; did you mean 'plain'"),
        ({"waits": 1}, r"metadata\['waits'\]: expected True or False, got 1"),
        ({"slow": "yes"}, r"metadata\['slow'\]: expected True or False, got 'yes'"),
        ({"rewindable": "yes"}, r"metadata\['rewindable'\]: expected True or False, got 'yes'"),
        ({"returns": 1.0}, "least and the greatest return, got 1.0"),
        ({"returns": (1.0, 0.0)}, "least and the greatest return, got"),
        ({"returns": (0.0, float("nan"))}, "least and the greatest return, got"),
        ({"history": "scienceworld"}, r"expected info\['score'\], got the keys"),
        ({"rewindable": True}, "asks for 'horizon', got none"),
        ({"history": ["plain"]}, "unknown history of Door"),
        ({"returns": (0, 10**400)}, "least and the greatest return, got"),
    ],
)
def test_declarations_are_checked(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(LondiError, match=message):
        londi.check_env(declaring(**metadata))


class Changing(Door):
    """Tells one thing of its second step and another thing the next time."""

    def __init__(self, what: str, *values: Any) -> None:
        super().__init__(at=2)
        self._what, self._values, self._resets = what, values, 0

    def reset(self, **given: Any) -> Any:
        self._resets += 1
        return super().reset(**given)

    def step(self, action: str) -> Any:
        self._wrong = {self._what: self._values[self._resets % 2]}
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
    expected = f"Changing, episode 4, step 2: expected the same {what} after the same seed and"
    one, other = values
    assert str(caught.value) in {
        f"{expected} actions, got {a!r} and then {b!r}; {MENDS['same seed']}"
        for a, b in ((one, other), (other, one))
    }


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
        ({"reward": "x"}, r"expected its members to return, one raised ValueError: "),
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
        ({"late": "1"}, "expected its members to return, one raised TypeError: "),
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


class Newcomer(gym.Env[str, str]):
    """A first attempt: eleven faults, each with a line of its own."""

    metadata = {"returns": 1.0, "history": "plian", "waits": "no", "horizon": 0}  # noqa: RUF012
    action_space = gym.spaces.Discrete(2)  # type: ignore[assignment]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return "a door", {"actions": "push"}

    def step(self, action: str) -> Any:
        return 7, float("nan"), 0, False, {"goal": 3, "actions": ["push"]}


def test_all_faults_are_told_at_once_with_where_and_how_to_mend_each() -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        londi.check_env(Newcomer())
    lines = [
        ("Newcomer", "expected observation_space to be a gymnasium.spaces.Text, got nothing"),
        ("Newcomer", "expected action_space to be a gymnasium.spaces.Text, got Discrete"),
        ("Newcomer", "metadata['waits']: expected True or False, got 'no'"),
        ("Newcomer", "unknown history of Newcomer 'plian'; did you mean 'plain'?"),
        ("Newcomer", "metadata['returns']: expected the least and the greatest return, got 1.0"),
        ("Newcomer", "metadata['horizon']: expected a whole number >= 1, got 0"),
        ("Newcomer, episode 0, step 0", "expected info['goal'], got the keys ['actions']"),
        (
            "Newcomer, episode 0, step 0",
            "expected info['actions'] to be a list of texts, got one text, 'push'",
        ),
        ("Newcomer, episode 0, step 1", "expected a text as observation, got 7"),
        ("Newcomer, episode 0, step 1", "expected a finite number as reward, got nan"),
        ("Newcomer, episode 0, step 1", "expected terminated to be True or False, got 0"),
    ]
    parts = ["observation_space", "action_space", "waits", "history", "returns", "horizon"]
    parts += ["goal", "actions", "observation", "reward", "terminated"]
    assert str(caught.value).splitlines() == [
        f"{where}: {what}; {MENDS[part]}" for (where, what), part in zip(lines, parts, strict=True)
    ]


class Raising(Door):
    def __init__(self, *methods: str) -> None:
        super().__init__()
        self._raising = methods

    def reset(self, **given: Any) -> Any:
        if "reset" in self._raising:
            raise KeyError("seed")
        return super().reset(**given)

    def step(self, action: str) -> Any:
        if "step" in self._raising:
            raise KeyError(action)
        return super().step(action)


class Quitting(Door):
    def step(self, action: str) -> Any:
        sys.exit(0)


def test_an_environment_that_ends_python_is_a_fault() -> None:
    (fault,) = inspect_env(Quitting()).faults
    assert "expected step to return, it raised SystemExit: 0" in fault.what


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("reward", "said"), [(10**400, "got 1000"), (Unspeakable(), "got <Unspeakable>")]
)
def test_a_reward_is_a_number_that_can_be_reckoned_with(reward: Any, said: str) -> None:
    class Rewarding(Door):
        def step(self, action: str) -> Any:
            seen, _, *rest = super().step(action)
            return seen, reward, *rest

    (fault,) = inspect_env(Rewarding()).faults
    assert "expected a finite number as reward" in fault.what and said in fault.what


class Mute(History):
    def prompt(self) -> Prompt:
        raise KeyError("goal")


def test_a_history_that_raises_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HISTORIES, "mute", Mute)
    (fault,) = inspect_env(declaring(history="mute")).faults
    assert "making it raised KeyError: 'goal'" in fault.what


def test_declarations_are_a_dictionary() -> None:
    env = Door()
    env.metadata = None  # type: ignore[assignment]
    (fault,) = inspect_env(env).faults
    assert fault.what == "expected metadata to be a dictionary, got None"


def test_an_environment_that_raises_is_a_fault_of_that_method() -> None:
    for method in ("reset", "step"):
        report = inspect_env(Raising(method))
        (fault,) = report.faults
        assert f"expected {method} to return, it raised KeyError" in fault.what
        assert fault.mend == MENDS[f"{method} raised"]
        assert report.prompt == ""


@pytest.mark.parametrize("given", [Door, "mine/Door-v0", None])
def test_what_is_no_environment_is_refused(given: Any) -> None:
    with pytest.raises(InvalidConfig, match=r"derives from gymnasium\.Env, made, got"):
        londi.check_env(given)


class Numbered(Texts):
    """An episode of one step for each number.

    Args:
        number: the number of the episode of a seed.
        metadata: declarations.
        reward: of the step.
        steps: of an episode.
        listed: the possible actions.
        expert: the advice, if there is an expert.
    """

    def __init__(
        self,
        number: Callable[[int], int] = lambda seed: seed,
        *,
        metadata: dict[str, Any] | None = None,
        reward: float = 1.0,
        steps: int = 1,
        listed: tuple[str, ...] = ("go",),
        expert: str | None = None,
    ) -> None:
        self._number, self._reward, self._steps, self._listed = number, reward, steps, listed
        self._expert = expert
        self.metadata = metadata or {}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self._t = 0
        self._text = str(self._number(seed or 0))
        return self._text, self._info()

    def step(self, action: str) -> Any:
        self._t += 1
        return self._text, self._reward, self._t == self._steps, False, self._info()

    def _info(self) -> dict[str, Any]:
        told = {"goal": "count", "actions": self._listed}
        return told if self._expert is None else told | {"expert": self._expert}


FULL = {"returns": (0.0, 1.0), "horizon": 1}


def found(env: gym.Env[str, str], **given: Any) -> Report:
    return inspect_env(env, **given)


def test_an_environment_with_all_that_is_optional_gets_no_hint_but_of_restoring() -> None:
    (hint,) = londi.check_env(Numbered(metadata=FULL, expert="go"))
    assert "metadata['restorable'] is missing, so that londi limit replays" in str(hint)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"metadata": {"horizon": 1}}, "metadata['returns'] is missing, so that londi limit is"),
        ({"metadata": {"returns": (0, 1)}}, "metadata['horizon'] is missing"),
        ({"expert": None}, "info['expert'] is missing, so that londi finetune"),
        ({"listed": (), "expert": "go"}, "info['actions'] is empty, so that the model 'random'"),
        ({"reward": 0.0}, "the expert's episode did not end in success after 1 steps"),
        ({"steps": -1, "metadata": {}}, "500 random actions did not end an episode"),
        ({"number": lambda seed: seed % 1000}, "8 of 8 held-out episodes go as one of a training"),
        ({"number": lambda seed: seed % 1000}, "8 of 8 validation episodes go as one of a"),
        ({"number": lambda seed: 0}, "(seed 900000000 as"),
    ],
)
def test_what_is_optional_or_hardly_meant_is_a_hint(given: dict[str, Any], told: str) -> None:
    report = found(Numbered(**({"metadata": FULL, "expert": "go"} | given)))
    assert report.faults == ()
    assert sum(told in str(hint) for hint in report.hints) == 1, list(map(str, report.hints))


def test_splits_of_their_own_get_no_hint() -> None:
    parts = {"train": 0, "dev": 1, "test": 2}
    own = Numbered(lambda seed: 3 * (seed % 5) + parts[split_of(seed)], metadata=FULL)
    assert not any("go as one of a training" in str(hint) for hint in londi.check_env(own))


@pytest.mark.parametrize(
    ("given", "part", "told"),
    [
        ({"reward": 1.5}, "total", "within metadata['returns'] = (0.0, 1.0), got 1.5"),
        ({"reward": -0.5}, "total", "within metadata['returns'] = (0.0, 1.0), got -0.5"),
        ({"steps": 3, "reward": 0.1}, "too long", "metadata['horizon'] = 1, got 3 steps"),
        ({"expert": "run"}, "advice", "expected advice among info['actions'], got 'run'"),
        ({"number": [0].__getitem__}, "seeds", "the environment failed: IndexError"),
    ],
)
def test_behaviour_that_londi_cannot_rely_on_is_a_fault(
    given: dict[str, Any], part: str, told: str
) -> None:
    report = found(Numbered(**({"metadata": FULL, "expert": "go"} | given)))
    faults = [fault for fault in report.faults if told in fault.what]
    assert faults and all(fault.mend == MENDS[part] for fault in faults), report.faults
    assert report.prompt == ""


class Shared(Numbered):
    """Keeps the time of its episode in the class, so that copies disturb each other."""

    time = 0

    def reset(self, **given: Any) -> Any:
        Shared.time = 0
        return super().reset(**given)

    def step(self, action: str) -> Any:
        Shared.time += 1
        self._text = f"at {Shared.time}"
        return super().step(action)


def test_copies_are_to_be_played_side_by_side() -> None:
    given: Any = {"metadata": FULL | {"horizon": 3, "returns": (0, 3)}, "steps": 3}
    assert inspect_env(Shared(**given)).faults == (), "one alone does not show it"
    (fault,) = inspect_env(Shared(**given), other=Shared(**given)).faults
    assert str(fault) == (
        "Shared, episode 0, step 1: expected the same observation while another copy is played, got"
        f" 'at 1' and then 'at 2'; {MENDS['side by side']}"
    )
    assert inspect_env(Numbered(**given), other=Numbered(**given)).faults == ()


def test_the_prompt_is_what_a_model_reads() -> None:
    assert inspect_env(Numbered(), seed=5).prompt == (
        "Possible action of the agent: go \n Goal of the agent: count"
        " \n Observation 0: 5, \n Action 0: "
    )
