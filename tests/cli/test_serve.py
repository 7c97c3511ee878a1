"""`londi serve`: what is refused before anything listens."""

from __future__ import annotations

import json
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli.calling import call
from londi.serve.ledgers import SqliteLedger
from londi.storage.traces import TraceStore

VALUES: dict[str, Any] = {
    "quick": {"model": "small", "base_url": "http://127.0.0.1:1/v1"},
    "deepthink": {"model": "large", "base_url": "http://127.0.0.1:1/v1"},
    "switcher": "random:0.3",
}


def settings(folder: Path, **changes: Any) -> str:
    file = folder / "serve.yaml"
    file.write_text(json.dumps(VALUES | changes))
    return str(file)


def test_the_settings_can_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("serve", "--config", settings(tmp_path), "--check") == 0
    assert capsys.readouterr().out == (
        "QUICK small at http://127.0.0.1:1/v1\n"
        "DEEPTHINK large at http://127.0.0.1:1/v1\n"
        "Switcher random:0.3, version random:0.3, encoder 'text'\n"
        "listens at 127.0.0.1:8080, no client keys\n"
    )


def test_a_rollout_is_said_and_not_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traces = tmp_path / "traces.db"
    rollout = {
        "control": 0.1,
        "previous": "always-quick",
        "share": 0.2,
        "guard": {"most_drop": 0.05},
    }
    file = settings(tmp_path, traces=str(traces), rollout=rollout)
    assert call("serve", "--config", file, "--check") == 0
    said = capsys.readouterr().out
    assert "sessions: control 0.1, previous 0.7 (always-quick), treated 0.2\n" in said
    assert "turned off where the mean reward drops by more than 0.05\n" in said
    assert not traces.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"swicher": "x"}, "yaml': unknown key 'swicher'; did you mean 'switcher'?"),
        ({"quick": {"modle": "x"}}, "quick: unknown key 'modle'; did you mean 'model'?"),
        (
            {"quick": {"model": "small"}},
            "quick.base_url: expected the address of its API, got none",
        ),
        (
            {"quick": {"model": "s", "base_url": "here"}},
            "base_url: expected http:// or https:// and a host, got 'here'",
        ),
        (
            {"deepthink": VALUES["quick"]},
            "deepthink: expected another model than QUICK, got 'small'",
        ),
        (
            {"quick": {**VALUES["quick"], "key": "NO_SUCH_KEY"}},
            "quick.key: the environment variable 'NO_SUCH_KEY' is not set",
        ),
        ({"budget": {"calls": -1}}, "budget.calls: expected a whole number >= 0, got -1"),
        ({"budget": {"days": 1}}, "budget: unknown key 'days'"),
        ({"budget": {"money": 1.0}}, "budget.money: expected a price of deepthink as well"),
        ({"worth": 1.0}, "worth: expected a price of both models as well"),
        ({"currency": "XXX"}, "unknown currency 'XXX'"),
        ({"switcher": "nowhere.onnx"}, "cannot read 'nowhere.onnx'"),
        ({"listen": "8080"}, "listen: expected HOST:PORT, got '8080'"),
        ({"listen": "0.0.0.0:80"}, "clients: expected keys, since others reach '0.0.0.0:80'"),
        ({"clients": {"a": "secret"}}, "clients.a: expected the SHA-256 of a key"),
        ({"ledger_days": 1}, "ledger_days: expected a whole number >= 2, got 1"),
        ({"exploration": 2}, "exploration: expected a number from 0 to 1, got 2"),
        ({"switcher": 3}, "switcher: expected a text, got 3"),
        ({"rollout": {"contrl": 0.1}}, "rollout: unknown key 'contrl'; did you mean 'control'?"),
        ({"rollout": {"control": 1.5}}, "rollout.control: expected a number from 0 to 1, got 1.5"),
        ({"rollout": {"control": 0.1}}, "rollout: expected traces as well"),
        ({"rollout": {"mode": "shadow"}}, "rollout: expected traces as well"),
        ({"rollout": {"mode": "on"}}, "rollout.mode: expected"),
        ({"rollout": {"share": 0.1}}, "rollout.previous: expected one as well, since there is"),
        (
            {"rollout": {"previous": "always-quick"}},
            "rollout.share: expected one as well, since there is previous",
        ),
        (
            {"rollout": {"previous": "always-quick", "share": 0.8, "control": 0.3}},
            "rollout.share: expected at most 0.7, what the control group leaves, got 0.8",
        ),
        (
            {"rollout": {"previous": "nothing", "share": 0.1}, "traces": "t.db"},
            "rollout.previous: expected a file of `londi export`, always-quick",
        ),
        (
            {"rollout": {"guard": {"most_drop": 0.1}}},
            "rollout.control: expected a share above 0 as well, for the guard",
        ),
        (
            {"rollout": {"guard": {"most_drop": -1.0}}},
            "rollout.guard.most_drop: expected a number",
        ),
        (
            {"rollout": {"guard": {"since": "yesterday"}}},
            "rollout.guard.since: expected a time such as 2026-07-01T12:00:00Z, got 'yesterday'",
        ),
    ],
)
def test_bad_settings_are_refused(
    changes: dict[str, Any],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("serve", "--config", settings(tmp_path, **changes), "--check") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert [file.name for file in tmp_path.iterdir()] == ["serve.yaml"], "nothing is written"


def test_an_address_that_is_taken_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert call("serve", "--config", settings(tmp_path, listen=listen)) == 2
    assert f"listen: cannot listen at {listen!r}: " in capsys.readouterr().err


def test_a_file_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("serve") == 2
    assert call("serve", "--config", "nowhere.yaml") == 2
    assert "'nowhere.yaml': No such file or directory" in capsys.readouterr().err


def test_budgets_are_counted_beside_the_settings(tmp_path: Path) -> None:
    ledger, budget = tmp_path / "serve.ledger.db", {"calls": 1}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"  # so that serving ends at once
        for given, there in (
            ({}, False),  # there is no budget
            ({"budget": budget, "ledger": ""}, False),
            ({"budget": budget}, True),
        ):
            file = settings(tmp_path, listen=listen, **given)
            assert call("serve", "--config", file) == 2
            assert ledger.exists() == there


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_check_creates_and_changes_nothing(tmp_path: Path) -> None:
    ledger, traces = tmp_path / "ledger.db", tmp_path / "traces.db"
    more = {"ledger": str(ledger), "traces": str(traces), "budget": {"calls": 1}}
    shadow = {"quick": 0.1, "encoder": "text"}
    file = settings(tmp_path, **more, shadow=shadow)
    for there in (False, True):
        before = contents(tmp_path)
        assert call("serve", "--config", file, "--check") == 0
        assert contents(tmp_path) == before and ledger.exists() == traces.exists() == there
        SqliteLedger(ledger).close()
        TraceStore(traces).close()
    store = TraceStore(traces)  # another process, say, that serves
    before = contents(tmp_path)
    assert call("serve", "--config", file, "--check") == 0
    assert contents(tmp_path).keys() == before.keys()
    store.close()


@pytest.mark.parametrize("name", ["ledger", "traces"])
def test_files_that_could_not_be_used_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere, text, other = tmp_path / "nowhere" / "f.db", tmp_path / "text", tmp_path / "other.db"
    text.write_text("this is no database " * 100)
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE mine (a)")
    for file, message in (
        (nowhere, f"there is no folder {str(nowhere.parent)!r}"),
        (text, f"{str(text)!r} holds no {name}: "),
        (other, "holds no ledger" if name == "ledger" else "expected traces of format"),
    ):
        before = contents(tmp_path)
        assert call("serve", "--config", settings(tmp_path, **{name: str(file)}), "--check") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
        after = contents(tmp_path)
        assert {**before, "serve.yaml": b""} == {**after, "serve.yaml": b""}
