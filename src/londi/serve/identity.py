"""Which session a request belongs to.

This file knows what clients send of their own accord, and no HTTP.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from londi.envs.conversation import Message
from londi.models.usage import Body

HEADER = "x-londi-session"
"""Header that names a session."""
_HEADERS = (
    HEADER,
    "session_id",
    "session-id",
    "x-session-id",
    "x-claude-code-session-id",
    "x-conversation-id",
)
_KEYS = ("session_id", "prompt_cache_key", "conversation")
_MOST = 200
"""Characters of a name; a longer one is hashed."""


def session_of(headers: Mapping[str, str], body: Body, messages: Sequence[Message]) -> str:
    """The name of the session: what the client says, or else a hash of how it began.

    Without a name two conversations with the same tools, system prompt and first user message are
    one session.

    Args:
        headers: of the request, names in lower case.
        body: its JSON.
        messages: read from it.
    """
    for name in _HEADERS:
        if named := headers.get(name):
            return _short(named)
    metadata = body.get("metadata")
    for place in (body, metadata if isinstance(metadata, Mapping) else {}):
        for key in _KEYS:
            named = place.get(key)
            if isinstance(named, str) and named:
                return _short(named)
    system = [message.text for message in messages if message.role == "system"]
    began = next((message.text for message in messages if message.role == "user"), "")
    tools = json.dumps(body.get("tools"), sort_keys=True)
    return "begun:" + _hash("\0".join((*system, began, tools)))


def scoped(who: str, session: str) -> str:
    """The name of a session of one client, so that no other client meets it.

    A session may have a slash in its name, and a client has none: it is written as in an address.
    """
    return f"{who.replace('%', '%25').replace('/', '%2F')}/{session}" if who else session


def _short(name: str) -> str:
    return name if len(name) <= _MOST and name.isprintable() else _hash(name)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
