"""The valid action that is meant by a text that is none."""

from __future__ import annotations

from londi.envs.closest import closest


def test_words_count_before_letters() -> None:
    valid = ("open door to kitchen", "go to kitchen", "pick up thermometer", "wait")
    assert closest("go kitchen", valid) == "go to kitchen"
    assert closest("pick up the termometer", valid) == "pick up thermometer"
    assert closest("wiat", valid) == "wait"
    assert closest("", valid) in valid
