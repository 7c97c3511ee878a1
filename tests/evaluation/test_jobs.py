"""Parts of a sweep one by one and side by side: what ends, what leaves off, and what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from evaluation.parts import (
    Breaks,
    Dies,
    Fails,
    Hangs,
    Interrupted,
    Meets,
    Plain,
    Seen,
    Slow,
    Waits,
)
from londi.envs.scienceworld import simulator
from londi.errors import LondiError
from londi.evaluation.jobs import Part, Watch, _ready, run_parts


def never() -> bool:
    return False


def done(
    parts: Sequence[Part], jobs: int, should_stop: Callable[[], bool] = never
) -> dict[str, str]:
    """The figures of the parts that have ended, by name."""
    return {part.name: figures for part, figures in run_parts(parts, jobs, should_stop)}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at whether to stop."""
    monkeypatch.setattr("londi.evaluation.jobs._TICK", 0.01)


def here(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


# One by one.


def test_one_job_is_done_in_order_and_each_is_told_of_before_the_next(tmp_path: Path) -> None:
    parts = [Plain(name, tmp_path) for name in "abc"]
    seen = [(part.name, here(tmp_path)) for part, _ in run_parts(parts, 1, never)]
    assert seen == [("a", {"a"}), ("b", {"a", "b"}), ("c", {"a", "b", "c"})]


def test_simulators_are_kept_while_parts_are_done_one_by_one(tmp_path: Path) -> None:
    assert done([Plain("a", tmp_path), Plain("b", tmp_path)], 1) == {"a": "warm", "b": "warm"}
    assert not simulator.keeps_simulators()


def test_nothing_is_begun_once_it_is_to_stop(tmp_path: Path) -> None:
    parts = [Plain(name, tmp_path) for name in "abc"]
    assert done(parts, 1, lambda: "b" in here(tmp_path)) == {"a": "warm", "b": "warm"}
    assert here(tmp_path) == {"a", "b"}


def test_a_part_that_leaves_off_is_the_last_and_has_no_figures(tmp_path: Path) -> None:
    parts = [Plain("a", tmp_path), Waits("b", tmp_path), Plain("c", tmp_path)]
    assert done(parts, 1, lambda: "b" in here(tmp_path)) == {"a": "warm"}
    assert here(tmp_path) == {"a", "b"}
    assert not simulator.keeps_simulators()


@pytest.mark.parametrize(("part", "error"), [(Fails, LondiError), (Breaks, ZeroDivisionError)])
def test_what_goes_wrong_ends_the_parts(
    part: type[Plain], error: type[Exception], tmp_path: Path
) -> None:
    parts = [Plain("a", tmp_path), part("no disk", tmp_path), Plain("c", tmp_path)]
    with pytest.raises(error, match="no disk"):
        done(parts, 1)
    assert here(tmp_path) == {"a"}
    assert not simulator.keeps_simulators()


def test_of_no_parts_nothing_comes() -> None:
    assert done([], 1) == done([], 2) == {}


# Side by side.


def test_two_parts_are_done_at_the_same_time_in_other_processes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    # Neither ends without the other. Meanwhile Ctrl-C is the parent's business alone.
    parts = [Meets("writer", tmp_path), Meets("reader", tmp_path), Interrupted("c", tmp_path)]
    found = done([*parts, Plain("d", tmp_path)], 2)
    assert found["writer"] == found["reader"] != str(os.getpid())
    assert (found["c"], found["d"]) == ("went on", "warm")
    assert not simulator.keeps_simulators()


def test_side_by_side_all_leave_off_and_what_waits_is_not_begun(tmp_path: Path) -> None:
    parts = [Waits("a", tmp_path), Waits("b", tmp_path)]
    waiting = [Plain(f"later {k}", tmp_path) for k in range(40)]
    found = done([*parts, *waiting], 2, lambda: {"a", "b"} <= here(tmp_path))
    # Those that are about to be taken up when it is to stop are still done, and told of.
    assert here(tmp_path) == {"a", "b", *found}
    assert "later 39" not in found


@pytest.mark.parametrize(("part", "error"), [(Fails, LondiError), (Breaks, ZeroDivisionError)])
def test_what_goes_wrong_in_one_ends_the_others(
    part: type[Plain], error: type[Exception], tmp_path: Path
) -> None:
    """Nobody asks them to stop, and they are not left behind."""
    with pytest.raises(error, match="no disk"):
        done([Waits("a", tmp_path), part("no disk", tmp_path)], 2)


def test_simulators_stay_warm_between_the_parts_of_a_process() -> None:
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, _ready, (context.Event(),)) as pool:
        assert all(pool.submit(simulator.keeps_simulators).result() for _ in range(2))


# GPUs of processes.


def seen(folder: Path, devices: set[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The GPUs that two rounds of three parts side by side may use, on a machine with two."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    parts = [Seen(name, folder) for name in ("a1", "a2", "a3", "b1", "b2", "b3")]
    found = {part.name: figures for part, figures in run_parts(parts, 3, never, devices=devices)}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,5"
    return ["".join(sorted(found[f"{round}{k}"] for k in (1, 2, 3))) for round in "ab"]


def test_each_process_has_one_gpu_and_the_next_part_has_it_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(tmp_path, {"cpu", "cuda"}, monkeypatch) == ["335", "335"]


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "auto"])
def test_other_devices_are_what_they_say(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(tmp_path, {device}, monkeypatch) == ["3,53,53,5"] * 2


# Processes that are lost.


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_part_that_hangs_is_begun_again_once_and_then_named(jobs: int, tmp_path: Path) -> None:
    parts = [Hangs("once", tmp_path), Hangs("twice", tmp_path), Slow("c", tmp_path)]
    found = {}
    with pytest.raises(LondiError) as caught:
        for part, figures in run_parts(parts, jobs, never, watch=Watch(3.0, tmp_path)):
            found[part.name] = figures
    assert found == {"once": "went on", "c": "slow"}
    stacks = tmp_path / "hung-twice.txt"
    said = f"twice: no progress for 0.05 minutes; its stacks are in {str(stacks)!r}"
    assert str(caught.value) == said
    assert "parts.py" in stacks.read_text()
    assert here(tmp_path) == {"once", "twice", stacks.name}
    assert (tmp_path / "twice").read_text() == "begun\n" * 2


def test_a_part_whose_process_is_killed_twice_is_named(tmp_path: Path) -> None:
    parts = [Dies("a", tmp_path), Plain("b", tmp_path), Dies("c", tmp_path)]
    found = []
    with pytest.raises(LondiError) as caught:
        for part, _ in run_parts(parts, 2, never):
            found.append(part.name)
    lost = sorted(str(caught.value).split("; "))
    assert lost == ["a: its process was lost twice", "c: its process was lost twice"]
    assert found == ["b"]
