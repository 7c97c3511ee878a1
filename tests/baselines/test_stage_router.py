"""The stage router: what it is given to read, and what the real one makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from londi.baselines.stage_router import (
    TRANSCRIPTS,
    StageSwitcher,
    conversation,
    ladder,
)
from londi.baselines.switchyard_process import Switchyard
from londi.encoders.registry import make_encoder
from londi.envs.prompt import Prompt
from londi.evaluation.play import play, summary
from londi.switching.budget import Budget
from londi.switching.observation import ObservationLayout
from londi.types import Array
from playthings import deepthink, quick, toy
from switchyards import real, stand_in

LAYOUT = ObservationLayout(1)
MAZE = Prompt(
    "find the ball",
    (),
    ("a wall", "a wall", "a ball", "a ball"),
    ("go forward", "turn left", "look around"),
)


def texts(prompt: Prompt, steps: int) -> list[tuple[str, str, bool | None]]:
    """Of each message its role, the tool or text, and whether it is an error."""
    out = []
    for message in conversation(prompt, steps):
        (block,) = message["content"]
        if block["type"] == "tool_call":
            out.append(("call", block["name"], None))
        elif block["type"] == "tool_result":
            out.append(("result", block["content"][0]["text"], block["is_error"]))
        else:
            out.append((message["role"], block["text"], None))
    return out


def test_an_episode_is_written_as_calls_of_tools() -> None:
    assert texts(MAZE, 3) == [
        ("user", "find the ball\n\na wall", None),
        ("call", "world_go", None),
        ("result", "a wall", True),  # it went nowhere
        ("call", "world_turn", None),
        ("result", "a ball", False),
        ("call", "world_look", None),
        ("result", "a ball", False),  # looking changes nothing
    ]


def test_steps_that_are_no_longer_shown_are_calls_of_no_kind() -> None:
    written = texts(MAZE, 5)
    assert len(written) == 1 + 2 * 5
    assert written[:5] == [
        ("user", "find the ball", None),
        ("call", "world_step", None),
        ("result", "done", False),
        ("call", "world_step", None),
        ("result", "a wall", False),  # the oldest observation followed it
    ]
    assert written[5:] == texts(MAZE, 3)[1:]


def test_what_the_environment_does_not_know_is_an_error() -> None:
    prompt = Prompt("g", (), ("a", "No known action matches that input."), ("look at x",))
    assert texts(prompt, 1)[-1][-1] is True


def seen(*states: tuple[Prompt, int]) -> Array:
    rows = np.zeros((len(states), LAYOUT.size), np.float32)
    rows[:, :1] = TRANSCRIPTS.encode([prompt for prompt, _ in states], [])
    LAYOUT.view(rows).steps[:] = np.log1p([steps for _, steps in states])
    return rows


def test_texts_come_to_it_by_their_number(tmp_path: Path) -> None:
    assert make_encoder(StageSwitcher.encoder, quick(), deepthink()) is TRANSCRIPTS
    who = StageSwitcher(Switchyard(stand_in(tmp_path)), "efficient_first", 0.5, 3, "observe")
    hard, easy = (Prompt("g", (), (text,)) for text in ("hard", "easy"))
    rows, both = seen((hard, 0), (easy, 0), (hard, 0)), np.ones((3, 2), bool)
    assert who.call_probability(rows, both).tolist() == [1.0, 0.0, 1.0]
    both[0, 1] = False
    assert who.call_probability(rows, both).tolist() == [0.0, 0.0, 1.0]


def test_it_plays_episodes_within_a_budget(tmp_path: Path) -> None:
    who = StageSwitcher(Switchyard(stand_in(tmp_path)), "efficient_first", 0.5, 3, "observe")
    for budget in (None, 1):
        played = summary(
            play(toy(), who, range(40), cost=0.1, budget=Budget(budget), num_envs=8, seed=0)
        )
        most = max(episode.calls for episode in played)
        assert most > 1 if budget is None else most == 1
        if budget is None:  # the stand-in calls where it is hard
            assert all(episode.total == 1.0 for episode in played)


@pytest.fixture(scope="module")
def switchyard() -> Switchyard:
    return Switchyard(real())


def calls(
    switchyard: Switchyard,
    picker: str,
    threshold: float,
    *states: tuple[Prompt, int],
    window: int = 3,
    moving: str = "observe",
) -> list[float]:
    who = StageSwitcher(switchyard, f"{picker}_first", threshold, window, moving)
    rows = seen(*states)
    return who.call_probability(rows, np.ones((len(rows), 2), bool)).tolist()


FAILED = Prompt("g", (), ("a", "a"), ("go forward",))
CHANGED = Prompt("g", (), ("a", "b"), ("pick up the ball",))
LOOKED = Prompt("g", (), ("a", "b", "c", "d"), ("look around", "turn left", "look around"))


def test_the_real_one_reads_failures_changes_and_long_looking(switchyard: Switchyard) -> None:
    # A failed result is worth 1, as are eight messages and more that only look: tanh(0.5) = 0.46.
    states = (FAILED, 1), (CHANGED, 1), (LOOKED, 3), (LOOKED, 9)
    assert calls(switchyard, "efficient", 0.4, *states) == [1, 0, 0, 1]
    assert calls(switchyard, "efficient", 0.5, *states) == [0, 0, 0, 0]
    assert calls(switchyard, "capable", 0.4, *states) == [1, 0, 1, 1]
    assert calls(switchyard, "capable", 0.5, *states) == [1, 1, 1, 1]
    start = Prompt("g", (), ("a",))
    assert calls(switchyard, "efficient", 0.1, (start, 0)) == [0]
    assert calls(switchyard, "capable", 0.1, (start, 0)) == [1]


def test_the_real_one_looks_as_far_back_as_it_is_set_to(switchyard: Switchyard) -> None:
    recovered = Prompt("g", (), ("a", "a", "b"), ("go forward", "turn left"))
    assert calls(switchyard, "efficient", 0.4, (recovered, 2), window=1) == [0]
    assert calls(switchyard, "efficient", 0.4, (recovered, 2), window=3) == [1]


def test_moving_about_is_declared_as_looking_or_as_a_change(switchyard: Switchyard) -> None:
    went = Prompt("g", (), ("a", "b", "c", "d"), ("go west", "go east", "go west"))
    for picker in ("efficient", "capable"):
        assert calls(switchyard, picker, 0.4, (went, 9), moving="observe") == [1]
        assert calls(switchyard, picker, 0.4, (went, 9), moving="mutate") == [0]


def test_the_real_one_takes_all_settings(switchyard: Switchyard) -> None:
    for who in ladder(switchyard).values():
        who.call_probability(seen((CHANGED, 1)), np.ones((1, 2), bool))
