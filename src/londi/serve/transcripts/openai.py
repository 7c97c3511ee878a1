"""Conversations as lines of JSON with the messages of chat completions.

One line is `{"messages": [...]}`, as files for fine-tuning and most logs have it, with a `reward`
and whatever else stands there. The key `traj` of tau-bench is read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from londi.errors import DamagedFile
from londi.serve.transcripts.conversation import Conversation, Json, split
from londi.serve.transcripts.records import objects, readable

NAME = "openai"
_MESSAGES = ("messages", "traj")
_NAMES = ("session", "session_id", "id")
_VALUES = ("reward", "value")


def read(records: Iterable[tuple[str, Json]]) -> Iterator[Conversation]:
    """The conversations of a file.

    Args:
        records: its objects, each with the place where it stands.

    Raises:
        DamagedFile: if one holds no messages.
    """
    for k, (place, record) in enumerate(records, 1):
        left = dict(record)
        key = next((key for key in _MESSAGES if key in left), None)
        if key is None:
            raise DamagedFile(f"{place}: expected the key 'messages'")
        turns, rest = split(objects(place, key, left.pop(key)))
        named = next((key for key in _NAMES if isinstance(left.get(key), str)), None)
        session = left.pop(named) if named else f"conversation-{k}"
        values: dict[int | None, float] = {}
        for key in _VALUES:
            if left.get(key) is not None and not values:
                values[None] = readable(place, key, left.pop(key))
        model = left.get("model")
        for turn in turns:
            turn.model = model if isinstance(model, str) else ""
        yield Conversation(session, turns, rest, values, left)


def write(conversations: Iterable[Conversation]) -> Iterator[Json]:
    """One object a conversation."""
    for one in conversations:
        told: Json = {**one.metadata, "session": one.session, "messages": one.messages}
        if None in one.values:
            told["reward"] = one.values[None]
        else:
            told = {key: value for key, value in told.items() if key not in _VALUES}
        yield told
