"""Conversations come back from every format as they were."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from nat.atif.trajectory import Trajectory

from londi.errors import DamagedFile, LondiError
from londi.serve.transcripts.formats import FORMATS, export_traces, import_traces
from londi.serve.transcripts.parquet import export_parquet
from londi.serve.transcripts.store import read_conversations, to_rows
from londi.storage.traces import read_traces, write_traces
from serve.transcripts.conversations import AIRLINE, airline, rich


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real conversations as traces."""
    file = tmp_path_factory.mktemp("airline") / "traces.db"
    names = ("gpt-4o-mini", "gpt-4o")
    made = import_traces(AIRLINE, "openai", file, model="gpt-4o", candidates=names)
    assert (made.sessions, made.steps, made.rewards) == (200, 2454, 200)
    return file


def test_real_conversations_are_imported_without_loss(traces: Path) -> None:
    found = list(read_conversations(traces))
    for one, record in zip(found, airline(), strict=True):
        assert one.messages == record["traj"]
        assert one.values == {None: record["reward"]}
        assert one.metadata == {"task": record["task"], "trial": record["trial"]}
    rewards = [one.values[None] for one in found]
    assert sum(rewards) / len(rewards) == pytest.approx(0.42)


def test_a_step_has_what_its_source_told_and_no_more(traces: Path) -> None:
    for row in read_traces(traces, "steps"):
        assert (row["choice"], row["model"]) == (1, "gpt-4o")
        assert row["propensity"] is row["observation"] is row["prompt_tokens"] is None


@pytest.mark.parametrize("name", FORMATS)
def test_real_conversations_survive_every_format(traces: Path, tmp_path: Path, name: str) -> None:
    out, again = tmp_path / "out.jsonl", tmp_path / "again.db"
    assert export_traces(traces, name, out) == 200
    import_traces(out, name, again)
    for one, record in zip(read_conversations(again), airline(), strict=True):
        assert one.messages == record["traj"]
        assert one.values == {None: record["reward"]}


def test_trajectories_are_valid_for_another_reader(traces: Path, tmp_path: Path) -> None:
    write_traces(tmp_path / "rich.db", to_rows(rich(), "openai"))
    for file, out in ((traces, "a.jsonl"), (tmp_path / "rich.db", "b.jsonl")):
        export_traces(file, "atif", tmp_path / out)
        for line in (tmp_path / out).read_text().splitlines():
            Trajectory.model_validate(json.loads(line))


@pytest.mark.parametrize("name", ["atif", "otel"])
def test_decisions_usage_and_feedback_survive(tmp_path: Path, name: str) -> None:
    one = rich()
    if name == "atif":  # it has times of steps, and no durations
        one.turns[0].seconds = None
    file, out, again = (tmp_path / name for name in ("a.db", "out.jsonl", "again.db"))
    write_traces(file, to_rows(one, "openai"))
    assert list(read_conversations(file)) == [one]
    export_traces(file, name, out)
    import_traces(out, name, again)
    (found,) = read_conversations(again)
    assert found.messages == one.messages
    assert [turn.decided for turn in found.turns] == [turn.decided for turn in one.turns]
    assert [turn.usage for turn in found.turns] == [turn.usage for turn in one.turns]
    assert [turn.model for turn in found.turns] == [turn.model for turn in one.turns]
    assert [turn.seconds for turn in found.turns][:1] == [one.turns[0].seconds]
    assert found.turns[0].time == pytest.approx(1_700_000_000.25)
    assert found.values == one.values
    assert 3 in (found.metadata.get("task"), found.metadata.get("extra", {}).get("task"))


def test_subagents_are_conversations_of_their_own(tmp_path: Path) -> None:
    def trajectory(name: str, **more: Any) -> dict[str, Any]:
        steps = [
            {"step_id": 1, "source": "user", "message": "hi"},
            {"step_id": 2, "source": "agent", "message": "hello", "model_name": "m"},
            {"step_id": 3, "source": "agent", "message": "rule", "llm_call_count": 0},
        ]
        agent = {"name": "a", "version": "1"}
        return {"trajectory_id": name, "agent": agent, "steps": steps, **more}

    record = trajectory(
        "one", subagent_trajectories=[trajectory("two", schema_version="ATIF-v1.7")]
    )
    file = tmp_path / "one.json"
    file.write_text(json.dumps(record | {"schema_version": "ATIF-v1.5"}, indent=1))
    made = import_traces(file, "atif", tmp_path / "out.db")
    assert (made.sessions, made.steps) == (2, 2)  # a step without a model is no turn
    assert [one.session for one in read_conversations(tmp_path / "out.db")] == ["one", "one/two"]


def test_spans_of_other_writers_are_read(tmp_path: Path) -> None:
    def span(began: int, asked: list[Any], answer: str, trace: str = "t") -> dict[str, Any]:
        def text(value: object) -> dict[str, Any]:
            return {"stringValue": json.dumps(value)}

        out = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
        given = {
            "gen_ai.operation.name": {"stringValue": "chat"},
            "gen_ai.request.model": {"stringValue": "m"},
            "gen_ai.response.model": {"stringValue": "m-2026"},
            "gen_ai.usage.input_tokens": {"intValue": "12"},
            "gen_ai.usage.output_tokens": {"intValue": 3},
            "gen_ai.system_instructions": text([{"type": "text", "content": "Be kind."}]),
            "gen_ai.input.messages": text(asked),
            "gen_ai.output.messages": text(out),
        }
        return {
            "traceId": trace,
            "startTimeUnixNano": str(began),
            "endTimeUnixNano": str(began + 2_000_000_000),
            "attributes": [{"key": key, "value": value} for key, value in given.items()],
        }

    def said(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"type": "text", "content": text}]}

    one = span(1_000_000_000, [said("user", "hi")], "hello")
    asked = [said("user", "hi"), said("assistant", "hello"), said("user", "bye")]
    two = span(5_000_000_000, asked, "goodbye")
    tool = {"attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "tool"}}]}
    lines = [
        {"resourceSpans": [{"scopeSpans": [{"spans": part}]}]} for part in ([two, tool], [one])
    ]
    file = tmp_path / "spans.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    made = import_traces(file, "otel", tmp_path / "out.db")
    assert (made.sessions, made.steps) == (1, 2)
    (found,) = read_conversations(tmp_path / "out.db")
    contents = [message["content"] for message in found.messages]
    assert contents == ["Be kind.", "hi", "hello", "bye", "goodbye"]
    assert found.turns[1].usage and found.turns[1].usage.tokens == 12
    assert (found.turns[1].model, found.turns[1].seconds) == ("m-2026", 2.0)


def test_parquet_is_read_in_one_line(traces: Path, tmp_path: Path) -> None:
    import duckdb

    assert export_parquet(traces, tmp_path / "out") == 2454
    steps = tmp_path / "out" / "steps.parquet"
    asked = f"SELECT model, count(*), count(propensity) FROM '{steps}' GROUP BY model"
    assert duckdb.sql(asked).fetchall() == [("gpt-4o", 2454, 0)]
    mean = f"SELECT avg(value) FROM '{tmp_path / 'out' / 'feedback.parquet'}'"
    assert duckdb.sql(mean).fetchall() == [(pytest.approx(0.42),)]


LINE = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]}\n'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("openai", LINE + LINE[:40], "line 2: expected a JSON object"),
        ("openai", "[1]", "1: expected a JSON object, got int"),
        ("openai", '{"rows": []}', "expected the key 'messages'"),
        ("openai", '{"messages": [1]}', "messages: expected a list of JSON objects"),
        ("openai", '{"messages": [], "reward": NaN}', "reward: expected a number, got nan"),
        ("openai", '{"messages": [], "reward": "1"}', "reward: expected a number, got '1'"),
        ("openai", '{"messages": [], "id": "a"}\n' * 2, "two conversations have the name 'a'"),
        ("openai", "[" * 100_000, "nested too deep"),
        ("atif", '{"schema_version": "ATIF-v2.0", "steps": []}', "ATIF-v1.0 to ATIF-v1.7, got"),
        ("atif", '{"schema_version": "ATIF-v1.7"}', "steps: expected a list of JSON objects"),
        ("otel", "{}", "expected the key 'resourceSpans'"),
        ("otel", '{"resourceSpans": {}}', "resourceSpans: expected a list"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_nothing_written(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    file, out = tmp_path / "given.jsonl", tmp_path / "out.db"
    file.write_text(text)
    with pytest.raises(DamagedFile) as refused:
        import_traces(file, name, out)
    assert message in str(refused.value) and str(file) in str(refused.value)
    assert list(tmp_path.iterdir()) == [file]


def test_a_packed_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(AIRLINE.read_bytes()[:100_000])
    with pytest.raises(DamagedFile, match="ends in the middle"):
        import_traces(file, "openai", tmp_path / "out.db")


def test_nothing_is_replaced_unasked(traces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    for write in (
        lambda: import_traces(AIRLINE, "openai", out),
        lambda: export_traces(traces, "atif", out),
        lambda: export_parquet(traces, out),
    ):
        with pytest.raises(LondiError, match="exists; give --overwrite"):
            write()
    assert out.read_text() == "mine"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.db"
    write_traces(out, to_rows(rich(), "openai"))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("londi.storage.traces._insertion", full)
    with pytest.raises(LondiError, match="disk is full"):
        import_traces(AIRLINE, "openai", out, overwrite=True)
    assert [one.session for one in read_conversations(out)] == ["mine"]
    assert list(tmp_path.iterdir()) == [out]
