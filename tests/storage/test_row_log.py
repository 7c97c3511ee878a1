"""Checkpoints of many rows: each writes what is new, and a kill loses nothing."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from londi.errors import DamagedFile, LondiError
from londi.storage import checkpoint, row_log
from londi.storage.checkpoint import load_state, save_state
from londi.storage.row_log import PART, RowLog


def log(first: int, end: int, name: str = "log", sign: int = 1) -> RowLog:
    """Rows that hold their number, with the `sign` of the log."""

    def read(first: int, end: int) -> dict[str, np.ndarray]:
        numbers = np.arange(first, end, dtype=np.int64)
        return {"number": sign * numbers, "pair": np.stack([numbers, numbers], 1) > 3}

    return RowLog(name, first, end, read)


def numbers(stored: RowLog) -> list[int]:
    return [n for part in stored.parts() for n in stored.read(*part)["number"].tolist()]


def kept(folder: Path) -> dict[int, int]:
    """The size of each file by its inode."""
    found = [file.stat() for file in folder.glob("*")]
    return {file.st_ino: file.st_size for file in found}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.mark.parametrize(
    ("first", "end"),
    [(0, 0), (0, 1), (0, PART), (0, PART + 1), (7, 9), (PART - 1, PART + 1), (9_000, 20_000)],
)
def test_rows_come_back(first: int, end: int, tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"a": [log(first, end)], "w": torch.ones(2)})
    stored = load_state(tmp_path / "s")["a"][0]
    assert (stored.name, stored.first, stored.end) == ("log", first, end)
    assert numbers(stored) == list(range(first, end))
    save_state(tmp_path / "copy", {"b": stored})
    assert numbers(load_state(tmp_path / "copy")["b"]) == list(range(first, end))


def test_a_checkpoint_writes_what_is_new_and_keeps_what_is_held(tmp_path: Path) -> None:
    """As much with 100,000 rows held as with 10,000."""
    sizes = []
    for end in range(10_000, 200_000, 10_000):
        before = kept(tmp_path / "s")
        save_state(tmp_path / "s", {"log": log(max(0, end - 100_000), end)})
        after = kept(tmp_path / "s")
        sizes.append(sum(size for inode, size in after.items() if inode not in before))
    row = sum(after.values()) / 100_000
    assert max(sizes) < row * (10_000 + 2 * PART) * 1.05
    assert sum(after.values()) == pytest.approx(row * 100_000)
    assert numbers(load_state(tmp_path / "s")["log"]) == list(range(90_000, 190_000))


def test_another_log_is_not_taken_for_the_earlier_one(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"log": log(0, 9_000)})
    save_state(tmp_path / "s", {"log": log(0, 9_000, "other", sign=-1)})
    assert numbers(load_state(tmp_path / "s")["log"]) == [-n for n in range(9_000)]


def test_a_file_system_without_links_holds_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    for end in (9_000, 20_000):
        save_state(tmp_path / "s", {"log": log(0, end)})
        assert numbers(load_state(tmp_path / "s")["log"]) == list(range(end))


def killed_before(call: int, folder: Path, state: dict[str, Any]) -> bool:
    """Save in a process of its own that is killed before a call that changes the disk.

    Args:
        call: the number of that call.
        folder: where to save.
        state: what to save.

    Returns:
        Whether there was such a call.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's threads are not used there
        child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 9)
        return code == 9
    calls = count()

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == call:
                os._exit(9)
            return change(*args, **kwargs)

        return run

    try:
        checkpoint.save_file = dying(checkpoint.save_file)
        row_log.save_arrays = dying(row_log.save_arrays)
        for name in ("link", "fsync", "unlink", "rmdir"):
            setattr(os, name, dying(getattr(os, name)))
        Path.rename = dying(Path.rename)  # type: ignore[method-assign]
        Path.write_text = dying(Path.write_text)  # type: ignore[method-assign]
        shutil.rmtree = dying(shutil.rmtree)  # type: ignore[assignment]
        save_state(folder, state)
        os._exit(0)
    finally:
        os._exit(1)


def test_a_kill_before_any_write_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    """And whatever a kill has left behind, the next checkpoint is right."""

    def state(end: int) -> dict[str, Any]:
        return {"step": end, "w": torch.full((2,), float(end)), "log": log(end - 5_000, end)}

    def check(folder: Path, ends: tuple[int, ...]) -> None:
        found = load_state(folder)
        assert found["step"] in ends
        assert found["w"].tolist() == [float(found["step"])] * 2
        assert numbers(found["log"]) == list(range(found["step"] - 5_000, found["step"]))

    save_state(tmp_path / "s", state(9_000))
    save_state(tmp_path / "s", state(13_000))
    seen = set()
    for call in count():
        folder = tmp_path / f"{call}" / "s"
        shutil.copytree(tmp_path / "s", folder)
        if not killed_before(call, folder, state(17_000)):
            break
        check(folder, (13_000, 17_000))
        seen.add(load_state(folder)["step"])
        assert killed_before(1, folder, state(18_000))  # and once more
        check(folder, (13_000, 17_000))
        save_state(folder, state(19_000))
        check(folder, (19_000,))
        assert [path.name for path in folder.parent.iterdir()] == ["s"]
        shutil.rmtree(folder.parent)
    assert call > 12, "fewer calls were made than there are files to link, write and sync"
    assert seen == {13_000, 17_000}


def damaged(folder: Path, change: Callable[[Path], object]) -> None:
    change(max(folder.glob("log-*"), key=lambda file: file.stat().st_size))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut short": lambda s: damaged(s, lambda file: os.truncate(file, 99)),
    "missing": lambda s: damaged(s, Path.unlink),
    "no numbers": lambda s: (s / "state.json").write_text('{"dict": [["a", {"rows": ["b"]}]]}'),
    "no list": lambda s: (s / "state.json").write_text('{"dict": [["a", {"rows": 3}]]}'),
    "other numbers": lambda s: (s / "state.json").write_text(
        (s / "state.json").read_text().replace("9000", "9001")
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_rows_are_one_line(tmp_path: Path, how: str) -> None:
    save_state(tmp_path / "s", {"a": log(0, 9_000)})
    DAMAGE[how](tmp_path / "s")
    with pytest.raises(DamagedFile) as caught:
        load_state(tmp_path / "s")
    assert len(str(caught.value).splitlines()) == 1


def test_a_full_disk_leaves_the_earlier_rows(full_disk: Path) -> None:
    save_state(full_disk / "s", {"log": log(0, 500)})
    with pytest.raises(LondiError, match="No space left on device; earlier files are untouched"):
        save_state(full_disk / "s", {"log": log(0, 9_000)})
    assert numbers(load_state(full_disk / "s")["log"]) == list(range(500))
    assert [path.name for path in full_disk.iterdir()] == ["s"]
