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
from londi.serve.transcripts.conversation import Conversation, Json, Turn
from londi.serve.transcripts.shapes import as_chat
from londi.storage.trace_tables import STEP_NAMES, USAGE, Row, row_usage, usage_row
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
_BLOB = "observation"
_CHAT = "/chat/completions"


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
        told: Row = {
            name: value for name, value in turn.decided.items() if name in STEP_NAMES - _OWN
        }
        if isinstance(told.get(_BLOB), str):
            told[_BLOB] = b64decode(told[_BLOB])
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
                "api": _CHAT,
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


def _turns(file: Path, rows: Iterable[Row]) -> list[Turn]:
    turns: list[Turn] = []
    for row in rows:
        asked = as_chat(row["api"], _json(file, row["messages"]) or [])
        answers = as_chat(row["api"], _answers(_json(file, row["answer"])))
        answer = answers[0] if answers else None
        if turns and asked and asked[0].get("role") == "assistant":
            echo, asked = asked[0], asked[1:]  # the answer before, as it was sent back
            turns[-1].answer = turns[-1].answer or echo
        turns.append(_turn(row, asked, answer))
    return turns


def _answers(answer: Any) -> list[Any]:
    """An answer is one message, or the items of a response."""
    return [answer] if isinstance(answer, dict) else answer or []


def _turn(row: Row, asked: list[Json], answer: Json | None) -> Turn:
    decided = {name: row[name] for name in sorted(STEP_NAMES - _OWN) if row[name] is not None}
    if _BLOB in decided:
        decided[_BLOB] = b64encode(decided[_BLOB]).decode()
    return Turn(
        asked, answer, row["model"] or "", row["time"], row["seconds"], row_usage(row), decided
    )


def _json(file: Path, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise DamagedFile(f"{str(file)!r} is damaged: {error}") from error
