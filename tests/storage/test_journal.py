"""Journals: lines stay in order and whole, and belong to one process at a time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from londi.storage import journal as module
from londi.storage.journal import Journal


def lines(journal: Journal) -> list[bytes]:
    """All lines, read part by part."""
    found, start = [], 0
    while part := journal.read(start):
        found += part.splitlines()
        start += len(part)
    return found


def test_lines_come_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 7)
    journal = Journal.beside(tmp_path / "t")
    wanted = [b"x" * k for k in range(40)]
    for line in wanted:
        journal.append(line)
    assert lines(journal) == wanted and journal.size == journal.file.stat().st_size
    assert journal.read(journal.size) == b""
    journal.remove()
    assert not list(tmp_path.iterdir())


def test_a_journal_that_is_written_is_no_orphan(tmp_path: Path) -> None:
    target = tmp_path / "t[1]*"
    journal = Journal.beside(target)
    journal.append(b"a")
    assert not list(Journal.orphans(target))
    journal.close()
    for orphan in Journal.orphans(target):
        assert lines(orphan) == [b"a"]
        assert not list(Journal.orphans(target)), "one at a time takes it in"
        orphan.remove()
    assert not list(Journal.orphans(target))


CODE = """
import sys
from pathlib import Path
from londi.storage.journal import Journal
journal = Journal.beside(Path(sys.argv[1]))
for k in range(100):
    journal.append(b"%d" % k)
print("ready", flush=True)
sys.stdin.read()
"""


def test_lines_outlive_a_killed_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(tmp_path / "t")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        assert not list(Journal.orphans(tmp_path / "t"))
        os.kill(process.pid, signal.SIGKILL)
    (orphan,) = map(lines, Journal.orphans(tmp_path / "t"))
    assert orphan == [b"%d" % k for k in range(100)]


def test_half_a_line_is_none(tmp_path: Path) -> None:
    journal = Journal.beside(tmp_path / "t")
    journal.append(b"whole")
    with journal.file.open("ab") as file:
        file.write(b"ha")
    assert lines(journal) == [b"whole"]
    journal.close()


def test_nothing_stays_of_a_line_without_room(tmp_path: Path) -> None:
    journal = Journal.beside(tmp_path / "t")
    journal.append(b"first")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # as if the disk were full
    try:
        for line in (b"too long", b"still too long"):
            with pytest.raises(OSError):
                journal.append(line)
        journal.append(b"fit")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.append(b"last")
    assert lines(journal) == [b"first", b"fit", b"last"]
    journal.remove()
