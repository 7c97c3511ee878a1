"""Bars of a command that goes through stages."""

from __future__ import annotations

import pytest

from londi.cli.bars import Stages


def test_a_stage_s_bar_ends_where_the_next_begins(capfd: pytest.CaptureFixture[str]) -> None:
    with Stages("recording", 4, quiet=False) as stages:
        first = stages.bar("recording")
        first.show(4, "all")
        second = stages.bar("training", 10, begun=2)
        assert second is not first and stages.bar("training") is second
        assert first._ended.is_set() and not second._ended.is_set()
        second.show(10)
    assert second._ended.is_set()
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["recording", "4/4"], ["training", "10/10"]]


def test_a_quiet_command_shows_none(capfd: pytest.CaptureFixture[str]) -> None:
    with Stages("recording", 4, quiet=True) as stages:
        stages.bar("recording").show(4)
        stages.bar("training", 10).show(10)
    assert not capfd.readouterr().err
