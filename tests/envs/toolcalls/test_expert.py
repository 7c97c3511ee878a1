"""The expert: the solution's next call, while it is followed, and after harmless calls."""

from __future__ import annotations

import pytest

from envs.toolcalls.test_tasks import named
from londi.envs.toolcalls.calls import read_call
from londi.envs.toolcalls.expert import DONE, Expert
from londi.envs.toolcalls.tools import Toolbox


class Play:
    """The first turn of a task with three calls: `cd`, `mkdir`, `mv`."""

    def __init__(self) -> None:
        self.task = named("multi_turn_base_0")
        self.tools, self.reference = Toolbox(self.task), Toolbox(self.task)
        self.expert = Expert(self.task, self.tools)

    def call(self, text: str) -> None:
        call = read_call(text, self.tools.names)
        assert call is not None
        self.tools.execute(call)
        self.expert.called(call)

    def end(self, turn: int) -> None:
        for text in self.task.solution[turn]:
            call = read_call(text, self.tools.names)
            assert call is not None
            self.reference.execute(call)
        self.expert.turned(self.reference)


@pytest.fixture
def play() -> Play:
    return Play()


def test_it_advises_the_solution_and_then_the_end_of_the_turn(play: Play) -> None:
    for turn in range(4):
        for text in play.task.solution[turn]:
            assert play.expert.advice == text
            play.call(text)
        assert play.expert.advice == DONE
        if turn < 3:
            play.end(turn)


def test_the_same_call_in_other_words_is_followed(play: Play) -> None:
    play.call('cd("document")')
    assert play.expert.advice == "mkdir(dir_name='temp')"


def test_calls_that_change_nothing_are_no_departure(play: Play) -> None:
    for text in ("ls()", "pwd()", "cd(folder='nowhere')", "fly()", "cd(1, 2, 3)"):
        play.call(text)
        assert play.expert.advice == "cd(folder='document')"


def test_after_a_departure_there_is_no_advice(play: Play) -> None:
    play.call("mkdir(dir_name='temp')")
    assert play.expert.advice is None
    play.call("cd(folder='document')")
    assert play.expert.advice is None
    play.end(0)
    assert play.expert.advice is None, "the state is another one"


def test_another_way_to_the_same_state_is_taken_up_at_the_next_turn(play: Play) -> None:
    play.call("cd(folder='document')")
    play.call("touch(file_name='x')")
    assert play.expert.advice is None
    play.call("rm(file_name='x')")
    for text in play.task.solution[0][1:]:
        play.call(text)
    assert play.expert.advice is None
    play.end(0)
    assert play.expert.advice == play.task.solution[1][0]


def test_a_turn_that_ends_early_leaves_no_advice(play: Play) -> None:
    play.call("cd(folder='document')")
    play.end(0)
    assert play.expert.advice is None
