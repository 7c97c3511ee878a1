"""The progress bar: what it says, when, and what goes first where there is little room."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from londi.config import TrainConfig
from londi.learning.statistics import Progress
from londi.learning.trainer import train
from londi.reports.progress import Bar, clock_time, told_of_fits, told_of_log

TEXT = "return 0.833  call rate 0.46  success 0.90"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def plain(out: io.StringIO) -> Console:
    return Console(file=out, width=80)


def test_the_text_goes_first_and_the_time_left_stays(clock: Clock) -> None:
    bar = Bar("training", 40_000, console=plain(io.StringIO()), clock=clock)
    clock.now += 60
    bar.show(10_000, TEXT)
    lines = {width: bar.line(width) for width in range(10, 121)}
    assert all(len(line) <= width for width, line in lines.items())
    assert all("3:00 left" in line for line in lines.values())
    assert TEXT in lines[120] and "━━━━━·" in lines[120] and "training" in lines[120]
    assert "return 0.833" not in lines[60] and "━━━━━·" in lines[60]
    assert lines[40] == "training  10000/40000  3:00 left"
    assert lines[25] == "10000/40000  3:00 left"
    assert lines[10] == "3:00 left"


def test_a_part_of_the_text_is_shown_whole_or_not_at_all(clock: Clock) -> None:
    bar = Bar("training", 40_000, console=plain(io.StringIO()), clock=clock)
    clock.now += 60
    bar.show(10_000, TEXT)
    for width in range(10, 121):
        for piece in TEXT.split("  "):
            start = piece.split()[0]
            assert (start in bar.line(width)) == (piece in bar.line(width))


def test_the_time_left_runs_down_between_two_reports(clock: Clock) -> None:
    bar = Bar("training", 100, console=plain(io.StringIO()), clock=clock)
    clock.now += 50
    bar.show(50)
    assert "0:50 left" in bar.line(80)
    clock.now += 20
    assert "0:30 left" in bar.line(80)
    clock.now += 60
    assert "0:00 left" in bar.line(80)


def test_a_resumed_run_is_no_faster_than_it_is(clock: Clock) -> None:
    bar = Bar("training", 40_000, begun=20_000, console=plain(io.StringIO()), clock=clock)
    clock.now += 10
    bar.show(20_500)
    assert "6:30 left" in bar.line(80)


def test_without_a_report_it_says_what_is_waited_for(clock: Clock, out: io.StringIO) -> None:
    bar = Bar("training", 100, waiting="loading models", console=plain(out), clock=clock)
    bar.tick()
    assert out.getvalue() == ""  # an error that is found at once stands alone
    clock.now += 10
    bar.tick()
    bar.tick()
    assert out.getvalue() == "training  0:10  loading models\n"
    clock.now += 30
    bar.tick()
    assert out.getvalue().splitlines()[1:] == ["training  0:40  loading models"]


def test_off_a_terminal_a_line_comes_at_least_every_30_seconds(
    clock: Clock, out: io.StringIO
) -> None:
    bar = Bar("training", 10_000, console=plain(out), clock=clock)
    clock.now += 1
    bar.show(1, "return 0.1")  # less than a twentieth, and soon
    assert out.getvalue() == ""
    for _ in range(4):
        clock.now += 15
        bar.tick()
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert all(" left" in line and "return 0.1" in line for line in lines)


def test_off_a_terminal_fast_work_makes_a_score_of_lines(clock: Clock, out: io.StringIO) -> None:
    bar = Bar("evaluating", 1000, console=plain(out), clock=clock)
    for done in range(1, 1001):
        clock.now += 0.001
        bar.show(done, "londi")
    lines = out.getvalue().splitlines()
    assert len(lines) == 20
    assert lines[-1].startswith("evaluating  1000/1000  0:01 in all")


def test_plain_lines_are_not_broken(clock: Clock, out: io.StringIO) -> None:
    bar = Bar("training", 2, console=Console(file=out, width=20), clock=clock)
    clock.now += 1
    bar.show(1, TEXT)
    assert len(out.getvalue().splitlines()) == 1


def test_on_a_terminal_it_fits_the_terminal(clock: Clock, out: io.StringIO) -> None:
    console = Console(file=out, width=40, force_terminal=True)
    with Bar("training", 40_000, console=console, clock=clock) as bar:
        clock.now += 60
        bar.show(10_000, TEXT)
    assert "3:00 left" in out.getvalue() and "return" not in out.getvalue()


def test_quiet_says_nothing(clock: Clock, out: io.StringIO) -> None:
    for console in (plain(out), Console(file=out, force_terminal=True)):
        with Bar("training", 10, quiet=True, console=console, clock=clock) as bar:
            clock.now += 100
            bar.show(5, TEXT)
            bar.note("a part has ended")
            bar.tick()
            bar.show(10)
    assert out.getvalue() == ""


def test_a_training_in_python_shows_the_same_bar(tmp_path: Path, out: io.StringIO) -> None:
    config = TrainConfig(
        env="londi/BabyAIText-GoToObjS4-v0",
        deepthink="expert",
        cache="none",
        steps=32,
        warmup=16,
        num_envs=4,
        batch_size=4,
        width=8,
        report_every=16,
    )
    with Bar("training", console=plain(out)) as bar:
        train(config, tmp_path / "run", on_progress=bar)
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["16/32", "32/32"]
    assert all("call rate" in line for line in lines)
    assert bar.done == bar.total == 32


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (250, "4:10"), (3661, "1:01:01")]
)
def test_times_are_written_as_on_a_clock(seconds: float, shown: str) -> None:
    assert clock_time(seconds) == shown


def test_a_report_of_nothing_is_shown(clock: Clock, out: io.StringIO) -> None:
    zeros = dict.fromkeys(Progress.__dataclass_fields__, 0) | {"steps": 10, "step": 10}
    Bar("training", console=plain(out), clock=clock)(Progress(**zeros))
    assert "10/10" in out.getvalue()


def test_a_training_on_logged_steps_tells_nothing_that_was_played(
    clock: Clock, out: io.StringIO
) -> None:
    values = dict.fromkeys(Progress.__dataclass_fields__, 0) | {
        "steps": 6,
        "step": 4,
        "critic_loss": 0.04321,
        "call_probability": 0.3,
    }
    bar = Bar("training", words=told_of_log, console=plain(out), clock=clock)
    bar(Progress(**values))
    assert out.getvalue().rstrip().endswith("loss 0.04321  would call at 30%")
    # An R-learner has no actor before its last network is fitted.
    assert told_of_fits(Progress(**values)) == "loss 0.04321"
    assert told_of_fits(Progress(**values | {"step": 6})) == "loss 0.04321  would call at 30%"
