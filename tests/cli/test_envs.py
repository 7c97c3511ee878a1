"""`londi envs`: families, the built-in pair, and a filter."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec

from cli.calling import call
from londi.cli.envs import FAMILIES
from londi.envs.registry import environment_names
from londi.models.registry import builtin_models


def test_environments_are_listed_by_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("envs") == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if line.startswith(tuple(f"{f.title}:" for f in FAMILIES))]
    assert len(heads) == len(FAMILIES)
    names = [line.removesuffix(" *") for line in lines if line.startswith("londi/")]
    assert sorted(names) == sorted(environment_names())
    marked = [line for line in lines if line.startswith("londi/") and line.endswith(" *")]
    assert marked == [f"{family.trained} *" for family in FAMILIES if family.trained]
    assert "Built-in models: builtin:babyai-deepthink," in "\n".join(lines)
    assert max(map(len, lines)) <= 80


def test_the_list_can_be_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("envs", "scienceworld") == 0
    out = capsys.readouterr().out
    assert "londi/ScienceWorld-boil-v0\n" in out and "BabyAI" not in out
    assert call("envs", "scienceworl") == 0
    assert call("envs", "nowhere-at-all") == 2
    assert "unknown environment 'nowhere-at-all'" in capsys.readouterr().err


def test_families_are_what_there_is() -> None:
    for family in FAMILIES:
        assert any(name.startswith(family.prefix) for name in environment_names())
    for family in filter(lambda family: family.models, FAMILIES):
        assert family.trained in environment_names()
        assert sum(name.startswith(family.models) for name in builtin_models()) >= 2


class Bare(gym.Env[str, str]):
    observation_space = gym.spaces.Text(8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return "a door", {}

    def step(self, action: str) -> Any:
        raise AssertionError(action)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(gym.registry, "test/Bare-v0", EnvSpec("test/Bare-v0", Bare))
    return "test/Bare-v0"


def test_an_environment_is_checked_and_its_prompt_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "londi/BabyAIText-GoToRedBall-v0"
    assert call("envs", "--check", name, "--env_options", "{memory: 3}") == 0
    hint, verdict, *prompt = capsys.readouterr().out.splitlines()
    assert hint.startswith(f"hint: {name}: metadata['horizon'] is missing, so that ")
    assert verdict == f"{name} follows the contract. A model reads in its first state:"
    assert prompt[0].startswith("Possible action of the agent: turn left, turn right, ")


def test_an_expert_that_is_asked_for_in_a_wrong_way_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "londi/BabyAIText-GoToRedBall-v0"
    assert call("envs", "--check", name, "--env_options.expert", "maybe") == 2
    assert "expert: expected True or False, got 'maybe'" in capsys.readouterr().err


def test_every_fault_of_an_environment_is_a_line(
    bare: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("envs", "--check", bare) == 2
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    faults = [line for line in lines if line.startswith("fault: test/Bare-v0")]
    assert ["action_space" in line for line in faults] == [True, False, False, False]
    assert "info['goal']" in faults[1] and "info['actions']" in faults[2]
    assert "expected step to return, it raised AssertionError" in faults[3]
    assert all(line.startswith("hint: ") for line in lines[4:])
    assert printed.err == (
        "londi: error: test/Bare-v0: 4 faults against the contract of environments\n"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--env_options", "{a: 1}"], "env_options: expected together with --check ENV"),
        (["baby", "--check", "londi/ToolCalls-v0"], "expected a word or --check ENV, got both"),
        (["--check", ""], "unknown environment ''"),
    ],
)
def test_what_would_be_passed_over_is_refused(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("envs", *given) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.out == ""


def test_an_environment_that_cannot_be_closed_is_one_line(
    bare: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def close(self: object) -> None:
        raise RuntimeError("closing")

    monkeypatch.setattr(Bare, "close", close)
    assert call("envs", "--check", bare) == 2
    assert "expected close to return, it raised RuntimeError: closing" in capsys.readouterr().err


def test_an_environment_that_cannot_be_made_is_not_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call("envs", "--check", "londi/BabyAIText-GoToRedBal-v0") == 2
    assert "did you mean 'londi/BabyAIText-GoToRedBall-v0'?" in capsys.readouterr().err
    options = ["--env_options", "{memori: 3}"]
    assert call("envs", "--check", "londi/BabyAIText-GoToRedBall-v0", *options) == 2
    assert "unknown option of londi/BabyAIText-GoToRedBall-v0 'memori'" in capsys.readouterr().err
