"""Steps of real traffic as conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from londi.config.serve import ServeConfig, UpstreamConfig
from londi.errors import InvalidConfig
from londi.serve.apis import ANTHROPIC, CHAT, Api
from londi.serve.steps import StepRouter
from londi.serve.transcripts.store import read_conversations
from londi.storage.traces import as_json, read_traces, write_traces
from londi.types import Usage


def router(file: Path) -> StepRouter:
    config = ServeConfig(
        UpstreamConfig("small"),
        UpstreamConfig("large"),
        "random:0.5",
        traces=str(file),
        keep_texts=True,
        seed=0,
    )
    return StepRouter.of(config)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def talk(steps: StepRouter, api: Api, talked: list[tuple[list[Any], Any]], **more: Any) -> None:
    for messages, answer in talked:
        with steps.step({"messages": messages, **more}, api, session="mine") as step:
            step.settle(Usage(calls=1, tokens=10, output_tokens=2), answer)


def test_a_conversation_is_kept_once(tmp_path: Path) -> None:
    first = [user("one"), assistant("1"), user("two"), assistant("2"), user("three")]
    steps = router(tmp_path / "t.db")
    talk(steps, CHAT, [(first[:1], first[1]), (first[:3], first[3]), (first, assistant("3"))])
    steps.close()
    rows = list(read_traces(tmp_path / "t.db", "steps"))
    assert [(row["follows"], row["kept"]) for row in rows] == [(None, 0), (0, 1), (1, 3)]
    (one,) = read_conversations(tmp_path / "t.db")
    assert one.messages == [*first, assistant("3")]
    assert [turn.asked for turn in one.turns] == [[user("one")], [user("two")], [user("three")]]


def test_a_restart_and_a_shortened_history_lose_no_turn(tmp_path: Path) -> None:
    for texts in (("one", "two"), ("three", "four")):
        steps = router(tmp_path / "t.db")
        for text in texts:  # the agent forgets all but the last message
            talk(steps, CHAT, [([user(text)], assistant(text.upper()))])
        steps.close()
    (one,) = read_conversations(tmp_path / "t.db")
    assert [message["content"] for message in one.messages] == (
        ["one", "ONE", "two", "TWO", "three", "THREE", "four", "FOUR"]
    )


def contents(file: Path) -> list[Any]:
    (one,) = read_conversations(file)
    return [message["content"] for message in one.messages]


def test_what_is_sent_again_after_a_restart_adds_nothing(tmp_path: Path) -> None:
    history = [user("one"), assistant("1"), user("two"), assistant("2"), user("three")]
    for length in (1, 3, 5):  # each step in a process of its own, with the whole history
        steps = router(tmp_path / "t.db")
        talk(steps, CHAT, [(history[:length], assistant(str(length // 2 + 1)))])
        steps.close()
    assert contents(tmp_path / "t.db") == ["one", "1", "two", "2", "three", "3"]


def test_a_compacted_history_is_not_repeated(tmp_path: Path) -> None:
    steps = router(tmp_path / "t.db")
    system, end = user("rules"), [user("two"), assistant("2"), user("three")]
    talk(
        steps,
        CHAT,
        [
            ([system, user("one")], assistant("1")),
            ([system, user("one"), assistant("1"), user("two")], assistant("2")),
            ([system, user("summary"), *end], assistant("3")),
            ([system, *end[2:], assistant("3"), user("four")], assistant("4")),
        ],
    )
    steps.close()
    assert contents(tmp_path / "t.db") == (
        ["rules", "one", "1", "two", "2", "summary", "three", "3", "four", "4"]
    )


def test_two_prompts_of_one_session_are_told_once_each(tmp_path: Path) -> None:
    steps = router(tmp_path / "t.db")
    main, other = [user("main")], [user("other")]
    for k in range(3):
        for history in (main, other):
            answer = assistant(f"{history[0]['content']} {k}")
            talk(steps, CHAT, [(list(history), answer)])
            history += [answer, user(f"{history[0]['content']} again {k}")]
    steps.close()
    found = contents(tmp_path / "t.db")
    assert len(found) == len(set(found)) == 12
    assert [text for text in found if text.startswith("main")] == (
        ["main", "main 0", "main again 0", "main 1", "main again 1", "main 2"]
    )


def test_what_follows_a_row_that_is_missing_is_read(tmp_path: Path) -> None:
    def row(step: int, follows: int | None, kept: int, *messages: Any) -> tuple[str, Any]:
        told = {"session": "mine", "begun": 1.0, "step": step, "follows": follows, "kept": kept}
        answer = as_json(assistant(f"a{step}"))
        return "steps", told | {"messages": as_json(messages), "answer": answer}

    rows = [
        row(0, None, 0, user("u0")),
        row(2, 1, 3, assistant("a1"), user("u2")),
        row(3, 2, 5, assistant("a2"), user("u3")),
        row(4, 2, 4, user("other")),
        row(5, 5, 0, user("u5")),  # it follows itself
    ]
    write_traces(tmp_path / "t.db", rows)
    assert contents(tmp_path / "t.db") == (
        ["u0", "a0", "a1", "u2", "a2", "u3", "a3", "other", "a4", "u5", "a5"]
    )


def test_an_answer_that_nobody_kept_is_found_in_the_next_request(tmp_path: Path) -> None:
    steps = router(tmp_path / "t.db")
    blocks = {"role": "assistant", "content": [{"type": "text", "text": "1"}]}
    talked = [([user("one")], None), ([user("one"), blocks, user("two")], blocks)]
    talk(steps, ANTHROPIC, talked, system="Be kind.")
    steps.close()
    (one,) = read_conversations(tmp_path / "t.db")
    assert one.messages == [
        {"role": "system", "content": "Be kind."},
        user("one"),
        assistant("1"),
        user("two"),
        assistant("1"),
    ]


def test_a_session_goes_on_after_a_restart(tmp_path: Path) -> None:
    steps = router(tmp_path / "t.db")
    talk(steps, CHAT, [([user("one")], None), ([user("two")], None)])
    steps.feedback("mine", 0.5, step=1)
    steps.close()
    (model,) = {row["model"] for row in read_traces(tmp_path / "t.db", "steps") if row["step"] == 1}

    steps = router(tmp_path / "t.db")
    for step in (1, 2):  # it has a value already, and there is none such
        with pytest.raises(InvalidConfig):
            steps.feedback("mine", 0.25, step=step)
    with pytest.raises(InvalidConfig):
        steps.feedback("other", 0.25)
    steps.feedback("mine", 0.25, step=0)
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    asked = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "x"}]
    with steps.step({"messages": asked}, session="mine") as third:
        assert (third.decision.step, third.decision.reason) == (2, "tool loop")
        assert third.decision.model == model  # who called the tool goes on
    steps.feedback("mine", 1.0, step=2)
    steps.close()
    rows = list(read_traces(tmp_path / "t.db", "steps"))
    assert [row["step"] for row in rows] == [0, 1, 2] and rows[0]["begun"] < rows[2]["begun"]
    values = [(row["step"], row["value"]) for row in read_traces(tmp_path / "t.db", "feedback")]
    assert values == [(1, 0.5), (0, 0.25), (2, 1.0)]


def test_a_body_that_is_no_json_leaves_no_budget_held(tmp_path: Path) -> None:
    steps = router(tmp_path / "t.db")
    with steps.step({"messages": [user("one") | {"when": object()}]}, session="mine") as step:
        step.settle(None, object())
    assert not steps.sessions.known("mine").waits
    steps.close()
    (row,) = read_traces(tmp_path / "t.db", "steps")
    assert "<object object" in row["messages"]
