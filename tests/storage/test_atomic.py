"""Files and folders are written whole or not at all, also when the disk is full."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from londi.errors import LondiError
from londi.storage.atomic import append, replacing, replacing_folder, write_whole
from londi.storage.checkpoint import load_state, save_state


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _plot(file: Path) -> None:
    with replacing(file) as part:
        Figure((40, 40)).savefig(part, dpi=200, format="png")


BIG = "x" * 1_000_000
WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda disk: write_whole(disk / "text", [BIG]),
    "picture": lambda disk: _plot(disk / "text"),
    "line": lambda disk: append(disk / "text", BIG),
    "tensors": lambda disk: save_state(disk / "state", {"w": torch.ones(1_000_000)}),
    "structure": lambda disk: save_state(disk / "state", {"words": BIG}),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(full_disk: Path, writer: str) -> None:
    write_whole(full_disk / "text", ["old\n"])
    save_state(full_disk / "state", {"w": torch.zeros(2)})
    before = contents(full_disk)
    with pytest.raises(LondiError, match=r"cannot write to .*No space left.*--resume") as caught:
        WRITERS[writer](full_disk)
    assert len(str(caught.value).splitlines()) == 1
    assert contents(full_disk) == before
    assert not [path for path in full_disk.rglob("*") if ".part" in path.name]
    assert load_state(full_disk / "state")["w"].tolist() == [0, 0]


def test_a_device_that_takes_nothing_is_one_line(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    (tmp_path / "log").symlink_to("/dev/full")
    with pytest.raises(LondiError, match="No space left on device"):
        append(tmp_path / "log", "line\n")


def test_what_fails_while_it_is_made_leaves_nothing(tmp_path: Path) -> None:
    def texts() -> Iterator[str]:
        yield "first"
        raise ValueError("the second cannot be made")

    write_whole(tmp_path / "text", ["old"])
    with pytest.raises(ValueError, match="second"):
        write_whole(tmp_path / "text", texts())
    with pytest.raises(ValueError), replacing_folder(tmp_path / "folder") as part:
        (part / "a").write_text("a")
        raise ValueError
    assert contents(tmp_path) == {"text": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


@pytest.mark.parametrize("name", ["no/such/folder/file", "x" * 300])
def test_a_file_that_cannot_be_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(LondiError, match="cannot write to") as caught:
        write_whole(tmp_path / name, ["text"])
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_written_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A power cut cannot be had in a test; the order of the calls can.
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        calls.append("sync " + Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        fsync(handle)

    def replaced(self: Path, target: Path) -> Path:
        calls.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_whole(tmp_path / "text", ["new"])
    assert calls == ["sync text.part", "rename", f"sync {tmp_path.name}"]


def test_lines_are_added_behind_the_earlier_ones(tmp_path: Path) -> None:
    for line in ("one\n", "two\n"):
        append(tmp_path / "log", line)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
