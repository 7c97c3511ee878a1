"""Conversations for tests: real ones of tau-bench, and one with all that a format has to carry."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from londi.serve.transcripts.conversation import Conversation, Turn
from londi.types import Usage

AIRLINE = Path(__file__).parents[2] / "data" / "taubench" / "airline.jsonl.gz"


def airline() -> list[dict[str, Any]]:
    """The records of the real conversations."""
    with gzip.open(AIRLINE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


CALLS = [
    {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1, "y":2}'}},
    {"id": "b", "type": "function", "function": {"name": "add", "arguments": "no JSON"}},
]


def rich() -> Conversation:
    """A conversation with parallel calls, odd contents, usage, decisions and feedback."""
    decided = {
        "candidates": '["small", "large"]',
        "choice": 1,
        "propensity": 0.25,
        "probability": 0.25,
        "exploration": 0.0,
        "reason": "policy",
        "policy": "p",
        "cost": 0.01,
        "observation": "AACAPw==",
        "status": 200,
    }
    first = Turn(
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "1 + 2? é\n"}],
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        "large",
        1_700_000_000.25,
        1.5,
        Usage(calls=1, tokens=100, output_tokens=7, cached_tokens=40, cache_write_tokens=10),
        decided,
    )
    second = Turn(
        [
            {"role": "tool", "tool_call_id": "b", "content": "error"},
            {"role": "tool", "tool_call_id": "a", "content": "3", "name": "add"},
        ],
        {"role": "assistant", "content": "", "refusal": None},
        "small",
        1_700_000_002.0,
    )
    third = Turn([], {"role": "assistant", "content": None}, "small")
    rest = [{"role": "user", "content": [{"type": "text", "text": "Thanks"}]}]
    return Conversation("mine", [first, second, third], rest, {None: 0.5, 1: -1.0}, {"task": 3})
