"""`londi traces`: import, export and show, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import call
from londi.cli.traces import FORMATS
from londi.serve import minari
from londi.serve.transcripts import formats, parquet
from londi.serve.transcripts.store import to_rows
from londi.storage.traces import write_traces
from serve.transcripts.conversations import AIRLINE, rich


@pytest.fixture
def traces(tmp_path: Path) -> str:
    file = tmp_path / "traces.db"
    write_traces(file, to_rows(rich(), "openai"))
    return str(file)


def test_a_file_is_imported_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.db"
    asked = ("traces", "import", str(AIRLINE), "--format", "openai", "--model", "gpt-4o")
    names = ("--quick", "gpt-4o-mini", "--deepthink", "gpt-4o")
    assert call(*asked, *names, "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert said == f"{out}: 200 sessions, 2,454 steps, feedback for 200 sessions\n"
    assert call("traces", "show", str(out)) == 0
    said = capsys.readouterr().out
    assert "200 sessions, 2,454 steps" in said
    assert "DEEPTHINK was chosen at 2,454 of 2,454 steps (100.0%)" in said
    assert "propensity known at 0 steps" in said and "mean 0.42" in said
    for name in ("atif", "openai", "otel", "parquet"):
        assert (
            call("traces", "export", str(out), "--format", name, "--out", str(tmp_path / name)) == 0
        )
    assert "200 sessions" in capsys.readouterr().out


def test_a_session_is_shown(traces: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("traces", "show", traces, "--session", "mine") == 0
    said = capsys.readouterr().out
    assert "0 large" in said and "100 + 7" in said and "0.25" in said
    assert "feedback for the session: 0.5" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shw", "T"), "unknown action 'shw'; did you mean 'show'?"),
        (("show", "nowhere.db"), "there is no file 'nowhere.db'"),
        (("show", "T", "--session", "mein"), "unknown session 'mein'; did you mean 'mine'?"),
        (
            ("export", "T", "--out", "x"),
            "--format: expected one of atif, minari, openai, otel, parquet",
        ),
        (("import", "T", "--out", "x", "--format", "parquet"), "unknown format 'parquet'"),
        (("export", "T", "--out", "x", "--format", "atiff"), "did you mean 'atif'?"),
        (("export", "T", "--format", "atif"), "--out: expected the name of what is written"),
        (
            ("import", "T", "--out", "x", "--format", "atif", "--quick", "m"),
            "--quick: expected --deepthink as well, or neither",
        ),
        (("import", "T", "--out", "x", "--format", "atif"), "is no text"),
        (("export", "T", "--out", "T", "--format", "atif"), "exists; give --overwrite"),
        (("show",), "ACTION FILE [OPTION ...]"),
    ],
)
def test_a_mistake_is_one_line(
    traces: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    given = [traces if word == "T" else word for word in arguments]
    assert call("traces", *given) == 2
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and not said.out
    assert not Path("x").exists()


def test_the_formats_of_the_help_are_those_that_are_there() -> None:
    assert tuple(sorted((*formats.FORMATS, minari.NAME, parquet.NAME))) == FORMATS
