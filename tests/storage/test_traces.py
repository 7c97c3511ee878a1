"""Traces: what is written stays, whatever happens to the process, and nothing waits for it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from londi.errors import DamagedFile, LondiError
from londi.storage import traces
from londi.storage.trace_tables import FEEDBACK, FORMAT, STEPS, TABLES
from londi.storage.traces import TraceStore, as_json, read_traces, write_traces

GIVEN: dict[str, Any] = {"text": "a", "integer": 3, "real": 0.5, "blob": b"\x00\x01"}
STEP = {column.name: GIVEN[column.kind] for column in STEPS}
VALUE = {column.name: GIVEN[column.kind] for column in FEEDBACK}


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "t.db")
    rows = [STEP | {"step": k, "price": None} for k in range(1200)]
    for row in rows:
        store.add("steps", row)
    store.add("feedback", VALUE | {"step": None})
    store.close()
    assert store.dropped == 0
    assert list(read_traces(tmp_path / "t.db", "steps")) == rows
    assert list(read_traces(tmp_path / "t.db", "feedback")) == [VALUE | {"step": None}]


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    for k in range(3):
        store = TraceStore(tmp_path / "t.db")
        store.add("steps", STEP | {"step": k})
        store.close()
    assert [row["step"] for row in read_traces(tmp_path / "t.db", "steps")] == [0, 1, 2]


def test_two_writers_share_a_file(tmp_path: Path) -> None:
    stores = [TraceStore(tmp_path / "t.db") for _ in range(2)]
    for k in range(600):
        stores[k % 2].add("steps", STEP | {"step": k})
    for store in stores:
        store.close()
        assert store.dropped == 0
    assert sorted(row["step"] for row in read_traces(tmp_path / "t.db", "steps")) == [*range(600)]


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from londi.storage.traces import TraceStore, read_traces
from storage.test_traces import STEP
store = TraceStore(Path({str(file)!r}))
for k in range(100):
    store.add("steps", STEP | {{"step": k}})
while len(list(read_traces(Path({str(file)!r}), "steps"))) < 100:
    pass
print("written", flush=True)
while True:
    store.add("steps", STEP | {{"step": 1000}})
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    steps = [row["step"] for row in read_traces(file, "steps")]
    assert steps[:100] == [*range(100)] and set(steps[100:]) <= {1000}


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from londi.storage.traces import TraceStore
from storage.test_traces import STEP
store = TraceStore(Path(sys.argv[2]))
k = 0
while True:
    store.add("steps", STEP | {"step": k})
    print(k, flush=True)
    k += 1
"""


def test_a_killed_process_loses_no_row_and_writes_none_twice(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    tests = str(Path(__file__).parents[1])
    for last in (1, 700):
        command = [sys.executable, "-c", KILLED, tests, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                if line == f"{last}\n":
                    os.kill(process.pid, signal.SIGKILL)
                    break
            told = [last, *map(int, process.stdout)][-1]
        steps = [row["step"] for row in read_traces(file, "steps")]
        assert steps[: told + 1] == [*range(told + 1)], "all that was added is there"
        assert len(steps) == len(set(steps)) <= told + 2
        assert not list(tmp_path.glob("*journal-*"))
        with sqlite3.connect(file) as db:
            assert db.execute("SELECT count(*) FROM journals").fetchone() == (0,)
            db.execute("DELETE FROM steps")
        db.close()


def test_rows_wait_while_the_file_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("londi.storage.traces.LOCKED", 0.01)
    TraceStore(tmp_path / "t.db").close()
    with sqlite3.connect(tmp_path / "t.db") as blocker:
        store = TraceStore(tmp_path / "t.db")
        blocker.execute("BEGIN IMMEDIATE")
        store.add("steps", STEP)
        store.close()
        assert store.dropped == 0
        blocker.rollback()
    blocker.close()
    assert list(read_traces(tmp_path / "t.db", "steps")) == [STEP]
    assert list(read_traces(tmp_path / "t.db", "steps")) == [STEP], "once"


def test_a_large_journal_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("londi.storage.traces.LARGE", 1000)
    store = TraceStore(tmp_path / "t.db")
    for k in range(1000):
        store.add("steps", STEP | {"step": k})
        assert len(list(tmp_path.glob("*journal-*"))) <= 2
    store.close()
    assert [row["step"] for row in read_traces(tmp_path / "t.db", "steps")] == [*range(1000)]
    assert not list(tmp_path.glob("*journal-*"))


def test_a_row_after_the_end_is_dropped(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "t.db")
    store.close()
    store.add("steps", STEP)
    assert store.dropped == 1


def test_what_is_too_much_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("londi.storage.traces.WAITING", 50)
    other = TraceStore(tmp_path / "t.db")
    other.close()
    with sqlite3.connect(tmp_path / "t.db") as blocker:
        store = TraceStore(tmp_path / "t.db")
        blocker.execute("BEGIN IMMEDIATE")  # nobody else can write meanwhile
        for k in range(700):
            store.add("steps", STEP | {"step": k})
        assert store.dropped >= 100
        blocker.rollback()
    store.close()
    written = len(list(read_traces(tmp_path / "t.db", "steps")))
    assert written + store.dropped == 700
    blocker.close()


@pytest.mark.parametrize("wrong", [{"session": None}, {"step": 10**30}, {"model": {}}])
def test_a_row_that_cannot_be_written_takes_no_other_with_it(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    store = TraceStore(tmp_path / "t.db")
    for row in (STEP, STEP | wrong, STEP):
        store.add("steps", row)
    store.close()
    assert store.dropped == 1
    assert list(read_traces(tmp_path / "t.db", "steps")) == [STEP, STEP]


def test_half_a_character_is_written_as_its_escape(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "t.db")
    store.add("steps", STEP | {"messages": as_json(["grün \ud800"])})
    store.close()
    (row,) = read_traces(tmp_path / "t.db", "steps")
    assert "grün" in row["messages"] and json.loads(row["messages"]) == ["grün \ud800"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no traces, but long enough to look at " * 10)
    with pytest.raises(DamagedFile, match="holds no traces"):
        TraceStore(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE mine (a)")
    other.close()
    with pytest.raises(DamagedFile, match=rf"expected traces of format {FORMAT}, got format 0"):
        TraceStore(tmp_path / "other.db")
    store = TraceStore(tmp_path / "newer.db")
    store.close()
    with sqlite3.connect(tmp_path / "newer.db") as newer:
        newer.execute("PRAGMA user_version=9")
    newer.close()
    with pytest.raises(DamagedFile, match=rf"expected traces of format {FORMAT}, got format 9"):
        list(read_traces(tmp_path / "newer.db", "steps"))
    with pytest.raises(LondiError, match="there is no file"):
        list(read_traces(tmp_path / "nothing.db", "steps"))
    with pytest.raises(LondiError, match="cannot open the traces"):
        TraceStore(tmp_path / "nowhere" / "t.db")


def test_a_file_that_was_cut_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    store = TraceStore(file)
    for k in range(2000):
        store.add("steps", STEP | {"step": k})
    store.close()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFile):
        list(read_traces(file, "steps"))


def test_every_column_is_declared_once() -> None:
    for columns in TABLES.values():
        names = [column.name for column in columns]
        assert len(names) == len(set(names))
        assert all(column.meaning.endswith(".") for column in columns)


def test_a_part_that_was_carried_is_not_carried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A journal of many parts; somebody else holds the file after the second of them.
    monkeypatch.setattr("londi.storage.journal.PART", 1)
    monkeypatch.setattr("londi.storage.traces.RETRY", 0.01)
    insert, failed = traces._insert, threading.Event()

    def once(db: sqlite3.Connection, line: bytes) -> bool:
        if b'"step":2' in line and not failed.is_set():
            failed.set()
            raise sqlite3.OperationalError("database is locked")
        return insert(db, line)

    monkeypatch.setattr("londi.storage.traces._insert", once)
    store = TraceStore(tmp_path / "t.db")
    for step in range(5):
        store.add("steps", STEP | {"step": step})
    assert failed.wait(60)
    store.close()
    assert [row["step"] for row in read_traces(tmp_path / "t.db", "steps")] == list(range(5))


def test_a_file_that_is_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    killed = """
import os, sys
from pathlib import Path
from londi.storage.traces import TraceStore
store = TraceStore(Path(sys.argv[1]))
store.add("steps", {"session": "old", "step": 0})
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", killed, str(file)], check=False)
    write_traces(file, [("steps", {"session": "new", "step": 0})])
    assert [row["session"] for row in read_traces(file, "steps")] == ["new"]
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_written_to_is_not_replaced(tmp_path: Path) -> None:
    store = TraceStore(tmp_path / "t.db")
    store.add("steps", STEP)
    with pytest.raises(LondiError, match="is being written to"):
        write_traces(tmp_path / "t.db", [])
    store.close()
    assert len(list(read_traces(tmp_path / "t.db", "steps"))) == 1
