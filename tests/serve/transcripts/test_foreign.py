"""What other writers put into files and messages: it comes back, or is refused in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nat.atif.trajectory import Trajectory

from json_values import json_values
from londi.errors import DamagedFile
from londi.serve.transcripts.conversation import Conversation, Json, Turn, split
from londi.serve.transcripts.formats import FORMATS, export_traces, import_traces
from londi.serve.transcripts.store import read_conversations, to_rows
from londi.storage.traces import write_traces


def through(folder: Path, one: Conversation, name: str) -> Conversation:
    """A conversation as it comes back from traces, a file of a format, and traces again."""
    file, out, again = (folder / f"{name}-{k}" for k in range(3))
    write_traces(file, to_rows(one, "openai"))
    export_traces(file, name, out, overwrite=True)
    import_traces(out, name, again, overwrite=True)
    (found,) = read_conversations(again)
    return found


def _formats(turns: list[Turn]) -> list[str]:
    """Formats that hold a conversation; a span is an answer."""
    return [name for name in FORMATS if turns or name != "otel"]


_TEXTS = st.text(st.characters(codec=None) | st.sampled_from("\u2028\u0085\ud800\x00\n"))
_KEYS = ("role", "content", "tool_calls", "tool_call_id", "type", "text", "extra", "parts", "id")
_NAMES = st.sampled_from(
    ("text", "tool_call", "tool_call_response", "reasoning", "image", "assistant", "tool", "user")
)
_JSON = json_values(st.integers() | st.floats() | _NAMES | _TEXTS, (*_KEYS, "function"), 6)
_ODD = st.fixed_dictionaries(
    {"role": st.sampled_from(("assistant", "tool", "user"))},
    optional={
        "content": _JSON,
        "tool_calls": st.lists(_JSON, max_size=2) | _JSON,
        "extra": st.dictionaries(st.sampled_from(("message", "atif", "extra")), _JSON) | _JSON,
        "reasoning_content": _JSON,
        "parts": _JSON,
    },
)


@settings(deadline=None, max_examples=20)
@given(messages=st.lists(_ODD | st.dictionaries(st.sampled_from(_KEYS), _JSON), max_size=12))
def test_odd_messages_pass_through_every_format(messages: list[Json]) -> None:
    turns, rest = split(messages)
    with TemporaryDirectory() as folder:
        for name in _formats(turns):
            through(Path(folder), Conversation("mine", turns, rest), name)


_PLAIN_TEXTS = st.text(max_size=5) | st.sampled_from(("\u2028", "\u0085x", "a\nb", "\x00"))
_CALLS = st.lists(
    st.builds(
        lambda name, text: {
            "id": name,
            "type": "function",
            "function": {"name": name, "arguments": text},
        },
        _PLAIN_TEXTS.filter(bool),
        _PLAIN_TEXTS | st.just('{"x": 1}'),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda call: call["id"],
)
_PLAIN = (
    st.fixed_dictionaries({"role": st.sampled_from(("system", "user")), "content": _PLAIN_TEXTS})
    | st.fixed_dictionaries({"role": st.just("assistant"), "content": _PLAIN_TEXTS})
    | st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": _PLAIN_TEXTS | st.none(), "tool_calls": _CALLS}
    )
    | st.fixed_dictionaries(
        {"role": st.just("tool"), "content": _PLAIN_TEXTS, "tool_call_id": _PLAIN_TEXTS}
    )
)


@settings(deadline=None, max_examples=20)
@given(messages=st.lists(_PLAIN, max_size=12))
def test_plain_messages_come_back_equal(messages: list[Json]) -> None:
    turns, rest = split(messages)
    with TemporaryDirectory() as folder:
        for name in _formats(turns):
            found = through(Path(folder), Conversation("mine", turns, rest), name)
            assert found.messages == messages


@pytest.mark.parametrize("name", FORMATS)
def test_odd_texts_come_back(tmp_path: Path, name: str) -> None:
    messages: list[Json] = [
        {"role": "user", "content": "half \ud800, lines \u2028\u2029\u0085"},
        {"role": "assistant", "content": "\ud800", "tool_calls": 5},
    ]
    turns, rest = split(messages)
    assert through(tmp_path, Conversation("half \ud800", turns, rest), name).messages == messages


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\u0085d\x0b"
    record = {"messages": [{"role": "user", "content": text}]}
    file = tmp_path / "lines.jsonl"
    file.write_text(f"{json.dumps(record, ensure_ascii=False)}\r\n" * 2, newline="")
    import_traces(file, "openai", tmp_path / "out.db")
    found = [one.messages for one in read_conversations(tmp_path / "out.db")]
    assert found == [record["messages"]] * 2


def test_decisions_that_no_column_holds_are_passed_over(tmp_path: Path) -> None:
    odd = {"status": 1 << 64, "propensity": 10**400, "observation": "é", "policy": [1], "cost": "x"}
    for decided in (odd, {"observation": "a"}):
        turn = Turn([], {"role": "assistant", "content": "x"}, decided={**decided, "choice": 1})
        write_traces(tmp_path / "t.db", to_rows(Conversation("mine", [turn]), "atif"))
        (one,) = read_conversations(tmp_path / "t.db")
        assert one.turns[0].decided == {"choice": 1}


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(json.dumps({"messages": list(range(99))}).encode()))
    packed[10:14] = b"\xff\xff\xff\xff"
    (tmp_path / "x.gz").write_bytes(packed)
    with pytest.raises(DamagedFile):
        import_traces(tmp_path / "x.gz", "openai", tmp_path / "out.db")


def test_no_reward_is_null(tmp_path: Path) -> None:
    lines = [{"messages": [], "reward": None}, {"messages": [], "reward": None, "value": 1}]
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert import_traces(file, "openai", tmp_path / "out.db").rewards == 1
    assert [one.values for one in read_conversations(tmp_path / "out.db")] == [{}, {None: 1.0}]


def imported(tmp_path: Path, name: str, record: Json) -> list[Conversation]:
    """The conversations of a record of a format."""
    (tmp_path / "given.json").write_text(json.dumps(record))
    import_traces(tmp_path / "given.json", name, tmp_path / "given.db", overwrite=True)
    return list(read_conversations(tmp_path / "given.db"))


def trajectory(steps: list[Json], **more: Any) -> Json:
    """A trajectory of ATIF."""
    numbered = [{"step_id": k, **step} for k, step in enumerate(steps, 1)]
    agent = {"name": "a", "version": "1"}
    return {"schema_version": "ATIF-v1.7", "agent": agent, "steps": numbered, **more}


def test_a_trajectory_comes_back_with_all_that_it_tells(tmp_path: Path) -> None:
    call = {"tool_call_id": "c", "function_name": "f", "arguments": {}, "extra": {"took": 1}}
    result = {"source_call_id": "c", "content": "3", "extra": {"confidence": 0.5}}
    metrics = {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "cached_tokens": 0,
        "cost_usd": 0.25,
        "logprobs": [-0.5],
        "extra": {"reasoning_tokens": 1},
    }
    steps: list[Json] = [
        {"source": "system", "message": "s", "timestamp": "2026-01-01T00:00:00Z"},
        {"source": "user", "message": "u", "timestamp": "2026-01-01T00:00:01Z", "extra": {"x": 1}},
        {
            "source": "agent",
            "message": "",
            "timestamp": "2026-01-01T00:00:02+00:00",
            "model_name": "m",
            "tool_calls": [call],
            "observation": {"results": [result]},
            "metrics": metrics,
            "extra": {"message": "of its own", "y": 2},
        },
        {"source": "agent", "message": "done", "metrics": {"cost_usd": 0.5}},
    ]
    given = trajectory(steps, session_id="run", trajectory_id="t")
    (one,) = imported(tmp_path, "atif", given)
    assert one.session == "t"
    export_traces(tmp_path / "given.db", "atif", tmp_path / "out.jsonl")
    told = json.loads((tmp_path / "out.jsonl").read_text())
    Trajectory.model_validate(told)
    assert told == given


def test_subagents_may_share_the_session_of_their_run(tmp_path: Path) -> None:
    def part(name: str, **more: Any) -> Json:
        steps = [{"source": "agent", "message": name, "model_name": "m"}]
        return trajectory(steps, session_id="run", trajectory_id=name, **more)

    found = imported(tmp_path, "atif", part("a", subagent_trajectories=[part("b"), part("c")]))
    assert [one.session for one in found] == ["a", "a/b", "a/c"]


def test_spans_of_a_rewritten_history_are_not_told_twice(tmp_path: Path) -> None:
    def span(k: int, texts: list[str], **more: Any) -> Json:
        roles = ("user", "assistant")
        messages = [
            {"role": roles[n % 2], "parts": [{"type": "text", "content": text}]}
            for n, text in enumerate([*texts, f"answer {k}"])
        ]
        given = {
            "gen_ai.request.model": "m",
            "gen_ai.input.messages": json.dumps(messages[:-1]),
            "gen_ai.output.messages": json.dumps(messages[-1:]),
        }
        pairs = [{"key": key, "value": {"stringValue": text}} for key, text in given.items()]
        time = {"startTimeUnixNano": str(k + 1)}
        return {"traceId": "t", "attributes": [*pairs, *more.values()], **time}

    odd = {"key": "x", "value": {"kvlistValue": {"values": [1, {"key": "y"}]}}}
    more = {"key": "y", "value": {"arrayValue": {"values": 5}}}
    number = {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "--5"}}
    first = span(0, ["one"], odd=odd, more=more, number=number)
    second = span(1, ["one", "answer 0", "two"])
    third = span(2, ["one", "shortened", "two", "answer 1", "three"])
    spans = {"resourceSpans": [{"scopeSpans": [{"spans": [first, second, third]}]}]}
    (one,) = imported(tmp_path, "otel", spans)
    assert [message["content"] for message in one.messages] == (
        ["one", "answer 0", "two", "answer 1", "shortened", "three", "answer 2"]
    )
