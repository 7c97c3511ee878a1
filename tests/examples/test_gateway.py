"""The example of the gateway, with its real servers and the real ScienceWorld."""

from __future__ import annotations

import importlib
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hosts import EXAMPLES
from londi.baselines.stage_router import StageSwitcher
from londi.baselines.switchyard_process import Switchyard
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.models.registry import load_model
from londi.storage.traces import TraceStore, read_traces
from londi.switching.switcher import Switcher
from switchyards import stand_in

GATEWAY = EXAMPLES / "gateway"
Import = Callable[[str], ModuleType]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Imports a file of the example, which is forgotten at the end."""
    own = {file.stem for file in GATEWAY.glob("*.py")}
    before = {name: sys.modules.pop(name) for name in own & sys.modules.keys()}
    monkeypatch.syspath_prepend(str(GATEWAY))
    yield importlib.import_module
    for name in own & sys.modules.keys():
        del sys.modules[name]
    sys.modules.update(before)


def test_a_turn_is_read_as_it_was_written(example: Import) -> None:
    turns = example("turns")
    info = {"score": -7, "look": "A room:\n\ta door\nScore: 3", "inventory": "an orange\n"}
    observation = "You see:\n\nScore: 4\n a cat"
    message = turns.write_turn(observation, info)
    assert turns.read_turn(message["content"]) == (observation, info)
    with pytest.raises(ValueError, match="expected a turn"):
        turns.read_turn("hello")


def test_a_conversation_is_the_prompt_of_the_environment(example: Import) -> None:
    prompt_of, turns = example("models").prompt_of, example("turns")
    game = make_env("londi/ScienceWorld-find-plant-v0", limit=50)
    episode = TextEpisode(game)
    models = [load_model(f"builtin:scienceworld-{name}") for name in ("quick", "deepthink")]
    try:
        episode.start(3)
        messages: list[Any] = [
            *turns.begin(episode.info["goal"]),
            turns.write_turn(episode.observations[-1], episode.info),
        ]
        for step in range(13):  # more than a prompt shows
            prompt = prompt_of(json.loads(json.dumps(messages)))
            assert prompt == episode.prompt()
            quick, deepthink = (model.act([prompt])[0].action for model in models)
            action = "dance with the moon" if step == 4 else deepthink if step % 2 else quick
            if episode.step(action).ended:
                break
            messages += [
                {"role": "assistant", "content": action},
                turns.write_turn(episode.observations[-1], episode.info),
            ]
        assert step > 4, "an episode of some steps"
    finally:
        episode.close()


def test_an_episode_that_was_broken_off_is_played_under_another_name(
    example: Import, tmp_path: Path
) -> None:
    plan, file = example("figures").plan, tmp_path / "mine.db"
    assert plan(file, "mine", [5, 6]) == [(5, "mine-5-0"), (6, "mine-6-0")]
    store = TraceStore(file)
    for session in ("mine-5-0", "mine-6-0", "mine-6-1"):
        store.add("steps", {"session": session, "step": 0})
    store.add("feedback", {"session": "mine-5-0", "time": 0.0, "value": 1.0})
    store.close()
    assert plan(file, "mine", [5, 6, 7]) == [(6, "mine-6-2"), (7, "mine-7-0")]


def test_a_conversation_is_what_the_stage_router_reads(example: Import, tmp_path: Path) -> None:
    stage, turns = example("stage"), example("turns")
    info = {"score": 0, "look": "a room", "inventory": "nothing"}
    messages: list[Any] = [*turns.begin("find it"), turns.write_turn("you are here", info)]
    store, states = TraceStore(tmp_path / "traces.db"), []
    for step, (action, seen) in enumerate((("look", "a hall"), ("go", "a wall"), ("go", "a wall"))):
        new = messages if step == 0 else messages[-2:]
        store.add("steps", {"session": "a", "step": step, "messages": json.dumps(new)})
        messages += [{"role": "assistant", "content": action}, turns.write_turn(seen, info)]
    store.close()
    for prompt, steps in stage.states(tmp_path / "traces.db"):
        played = stage.as_played(prompt)
        states.append((played.goal, played.observations, played.past, steps))
    start = "find it\nyou are here"
    assert states == [
        ("find it", (start,), (), 0),
        ("find it", (start, "a hall"), ("look",), 1),
        ("find it", (start, "a hall", "a wall"), ("look", "go"), 2),
    ]


def test_the_setting_whose_calls_are_nearest_is_taken(example: Import, tmp_path: Path) -> None:
    stage, turns = example("stage"), example("turns")
    switchyard = Switchyard(stand_in(tmp_path))

    def router(picker: str) -> Switcher:
        return StageSwitcher(switchyard, picker, 0.5, 3, "observe")

    settings = {picker: router(picker) for picker in ("efficient_first", "capable_first")}
    seen = [
        (
            Prompt(
                "g",
                (),
                (
                    turns.write_turn(
                        text, dict.fromkeys(("look", "inventory"), "-") | {"score": 0}
                    )["content"],
                ),
            ),
            0,
        )
        for text in ("easy", "easy", "hard", "easy")
    ]
    # The stand-in calls where it is hard, or everywhere.
    assert stage.nearest(settings, seen, 0.6) == ("efficient_first", 0.25)
    assert stage.nearest(settings, seen, 0.7) == ("capable_first", 1.0)


def test_the_example_runs_from_end_to_end_and_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    sizes = {"STEPS": "40", "EXPLORED": "2", "EPISODES": "2", "WORKERS": "1"}
    own = sizes | {"OUT": str(tmp_path / "out"), "CACHE": str(tmp_path / "answers.db")}
    own |= {"SWITCHYARD": stand_in(tmp_path)}

    def run() -> str:
        command = [str(GATEWAY / "run.sh")]
        env = os.environ | own | {"PYTHON": sys.executable, "CONTROL": "0.5"}
        ran = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    said = run()
    assert "estimated (2)" in said and "Switcher" in said
    rows = list(read_traces(tmp_path / "out" / "traces.db", "steps"))
    assert len(rows) >= 40 and {row["choice"] for row in rows} == {0, 1}
    assert {row["propensity"] for row in rows} == {0.5}
    assert all(row["status"] == 200 and row["money"] > 0 for row in rows)
    again = run()
    assert again.count("sessions are there") == 6, "no round is played again"
    assert "Switchyard *" in again
    (version,) = {row["policy"] for row in read_traces(tmp_path / "out" / "stage.db", "steps")}
    assert version.startswith("stage: ") and version[7:] in (tmp_path / "out/stage.log").read_text()
    assert list(read_traces(tmp_path / "out" / "traces.db", "steps")) == rows


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is of Linux")
def test_a_server_ends_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """A run that is killed can end nothing: no server may be left, with its memory and its port."""
    server = "import os, time; print('serving at', os.getpid(), flush=True); time.sleep(600)"
    run = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from servers import serving\n"
        "with serving(['-c', sys.argv[1]], Path(sys.argv[2])) as told:\n"
        "    print(told, flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", run, server, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=GATEWAY, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        server_ends = os.pidfd_open(int(running.stdout.readline().split()[-1]))
        running.kill()
    with open(server_ends, "rb") as ended:
        assert select.select([ended], [], [], 60)[0]
