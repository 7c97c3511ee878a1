"""Ctrl-C as a question, and as an end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from londi.cli.interrupt import INTERRUPTED, Interrupt, interrupted


def test_the_first_ctrl_c_is_a_question() -> None:
    with Interrupt() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        assert asked(), "it stays one"


def test_the_second_ctrl_c_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupt():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_afterwards_ctrl_c_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(RuntimeError, match="broke"), Interrupt():
        raise RuntimeError("it broke")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_that_was_interrupted_says_how_it_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert interrupted("train", Path("runs/mine")) == INTERRUPTED == 130
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "interrupted; go on with: londi train --resume runs/mine\n"
