"""Conversations as rows of the traces, and back.

A row of an imported step has what its source told: no propensity is made up. This file knows the
columns of the traces, and no format of a file.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from londi.errors import DamagedFile
from londi.serve.apis import CHAT
from londi.serve.transcripts.conversation import Conversation, History, Json, Turn
from londi.serve.transcripts.shapes import as_chat
from londi.storage.trace_tables import STEPS, USAGE, Column, Row, row_usage, usage_row
from londi.storage.traces import as_json, read_traces

_TEXTS = ("follows", "kept", "messages", "answer", "api")
_OWN = frozenset(
    (
        *_TEXTS,
        *(column.name for column in USAGE),
        "session",
        "begun",
        "step",
        "time",
        "model",
        "seconds",
    )
)
_DECIDED = sorted((one for one in STEPS if one.name not in _OWN), key=lambda one: one.name)
"""Columns of what a decision was."""


def to_rows(
    one: Conversation, source: str, candidates: Sequence[str] = ()
) -> Iterator[tuple[str, Row]]:
    """The rows of a conversation, each with the name of its table.

    Args:
        one: the conversation.
        source: format that it was read from.
        candidates: names of QUICK and DEEPTHINK; an answer of either has a choice.
    """
    history = 0
    for k, turn in enumerate(one.turns):
        echo = [one.turns[k - 1].answer] if k and one.turns[k - 1].answer else []
        decided = {one.name: _fitting(one, turn.decided.get(one.name)) for one in _DECIDED}
        told: Row = {name: value for name, value in decided.items() if value is not None}
        if candidates and turn.model in candidates and "choice" not in told:
            told |= {
                "candidates": as_json(candidates),
                "choice": candidates.index(turn.model),
            }
        if turn.usage is not None:
            told |= usage_row(turn.usage)
        yield (
            "steps",
            told
            | {
                "session": one.session,
                "step": k,
                "time": turn.time,
                "model": turn.model or None,
                "seconds": turn.seconds,
                "api": CHAT.path,
                "follows": k - 1 if k else None,
                "kept": history,
                "messages": as_json([*echo, *turn.asked]),
                "answer": None if turn.answer is None else as_json(turn.answer),
            },
        )
        history += len(echo) + len(turn.asked)
    for step, value in one.values.items():
        time = one.turns[-1].time if one.turns else None
        row = {"session": one.session, "step": step, "time": time or 0.0, "value": value}
        yield "feedback", row
    yield (
        "sessions",
        {
            "session": one.session,
            "source": source,
            "rest": as_json(one.rest),
            "metadata": as_json(one.metadata),
        },
    )


def read_conversations(file: Path) -> Iterator[Conversation]:
    """The conversations of a file of traces, in the order in which they began.

    Raises:
        DamagedFile: if the file is of another kind or version.
        LondiError: if there is no such file.
    """
    found: dict[str, Conversation] = {}
    steps: dict[str, list[Row]] = {}
    for row in read_traces(file, "steps"):
        steps.setdefault(row["session"], []).append(row)
    for row in read_traces(file, "sessions"):
        rest, metadata = _json(file, row["rest"]), _json(file, row["metadata"])
        known = Conversation(row["session"], [], rest or [], metadata=metadata or {})
        found[row["session"]] = known
    for session, rows in steps.items():
        rows.sort(key=lambda row: (row["begun"] or 0.0, row["step"]))
        one = found.setdefault(session, Conversation(session, []))
        one.turns = _turns(file, rows)
    for row in read_traces(file, "feedback"):
        if row["session"] in found:
            found[row["session"]].values[row["step"]] = row["value"]
    order = {session: k for k, session in enumerate(steps)}
    yield from sorted(found.values(), key=lambda one: order.get(one.session, len(order)))


def _turns(file: Path, rows: Sequence[Row]) -> list[Turn]:
    turns: list[Turn] = []
    prompts, history = read_prompts(file, rows), History()
    for row in rows:
        prompt = prompts.get((row["begun"], row["step"]))
        answer = _json(file, row["answer"])
        # It is one message, or the items of a response.
        answers = as_chat(row["api"], answer if isinstance(answer, list) else [answer])
        turn = _turn(row, as_chat(row["api"], prompt or []), answers[0] if answers else None)
        if prompt is not None:
            history.go_on(turn)
        turns.append(turn)
    return turns


def read_prompts(file: Path, rows: Iterable[Row]) -> dict[_Key, list[Any]]:
    """The whole prompts of rows, where texts are kept.

    A row has the messages behind those that it shares with the step that it follows. Where that
    step has no row they are unknown.
    """
    told = {(row["begun"], row["step"]): row for row in rows if row["messages"] is not None}
    found: dict[_Key, tuple[int, list[Any]]] = {}  # unknown messages, and those behind them
    for key in told:
        chain: dict[_Key, None] = {}
        while key in told and key not in found and key not in chain:
            chain[key] = None
            key = key[0], told[key]["follows"]
        for step in reversed(chain):
            row = told[step]
            kept = row["kept"] or 0
            unknown, before = found.get((step[0], row["follows"]), (kept, []))
            messages = _json(file, row["messages"])
            new = messages if isinstance(messages, list) else []
            found[step] = min(unknown, kept), [*before[: max(kept - unknown, 0)], *new]
    return {key: messages for key, (_, messages) in found.items()}


_Key = tuple[float | None, int | None]
"""When the session of a step began, and the step."""


def _turn(row: Row, asked: list[Json], answer: Json | None) -> Turn:
    names = [one.name for one in _DECIDED if row[one.name] is not None]
    decided = {name: row[name] for name in names}
    for name, value in decided.items():
        if isinstance(value, bytes):
            decided[name] = b64encode(value).decode()
    return Turn(
        asked, answer, row["model"] or "", row["time"], row["seconds"], row_usage(row), decided
    )


def _json(file: Path, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{str(file)!r} is damaged: {error}") from error


def _fitting(column: Column, value: Any) -> Any:
    """A value as a column holds it; None where it is of another type, or too large."""
    if column.kind == "text":
        return value if isinstance(value, str) else None
    if column.kind == "blob":
        try:
            return b64decode(value) if isinstance(value, str) else None
        except ValueError:
            return None
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else None
    return value if isinstance(value, float) and column.kind == "real" else None
