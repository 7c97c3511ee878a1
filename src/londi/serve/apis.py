"""The APIs that a Switcher stands in front of: what is read of a request, and of an answer.

Requests and answers pass as they came. This file knows their JSON, and nothing of HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil

from londi.envs.conversation import Message
from londi.models.usage import MOST_TOKENS, Body, count, member, openai_usage
from londi.serve.core.messages import read_anthropic, read_chat, read_responses
from londi.types import Usage


@dataclass(frozen=True, slots=True)
class Api:
    """The shape of one API.

    Attributes:
        path: end of its address.
        read: the messages of a request.
        used: the usage so far, with what the JSON of an answer, or of one event of a stream, says.
        bounds: keys of a request that bound the tokens of an answer.
        answers: keys of the number of answers that it asks for.
    """

    path: str
    read: Callable[[Body], list[Message]]
    used: Callable[[Usage, Body], Usage]
    bounds: tuple[str, ...]
    answers: tuple[str, ...] = ()

    def most_output(self, body: Body, otherwise: int) -> int:
        """The most tokens that the answers to a request may have.

        Args:
            body: of the request.
            otherwise: tokens of an answer where it does not say.
        """
        # Of two bounds any may be what counts, and servers also take "20" and 20.0 for a number.
        each = max((_number(body.get(name)) for name in self.bounds), default=0) or otherwise
        answers = max((_number(body.get(name)) for name in self.answers), default=0) or 1
        return min(each * answers, MOST_TOKENS)


def _number(value: object) -> int:
    """A whole number of at most `MOST_TOKENS`; 0 where there is none."""
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return 0
    try:
        found = float(value)
    except OverflowError:
        return MOST_TOKENS
    except ValueError:
        return 0
    return ceil(min(found, MOST_TOKENS)) if found > 0 else 0


def _used_chat(before: Usage, body: Body) -> Usage:
    used = member(body, "usage")
    if not used:
        return before
    return openai_usage(used, "prompt_tokens", "completion_tokens", "prompt_tokens_details")


def _used_responses(before: Usage, body: Body) -> Usage:
    used = member(body, "usage") or member(member(body, "response"), "usage")
    if not used:
        return before
    return openai_usage(used, "input_tokens", "output_tokens", "input_tokens_details")


def _used_anthropic(before: Usage, body: Body) -> Usage:
    used = member(body, "usage") or member(member(body, "message"), "usage")
    if not used:
        return before
    # A stream tells the prompt's tokens at its begin, and the answer's at its end.
    output = count(used, "output_tokens") or before.output_tokens
    if "input_tokens" not in used:
        return replace(before, output_tokens=output)
    cached = count(used, "cache_read_input_tokens")
    written = count(used, "cache_creation_input_tokens")
    return Usage(
        calls=1,
        tokens=count(used, "input_tokens") + cached + written,
        output_tokens=output,
        cached_tokens=cached,
        cache_write_tokens=written,
    )


CHAT = Api(
    "/chat/completions",
    read_chat,
    _used_chat,
    ("max_completion_tokens", "max_tokens"),
    ("n", "best_of"),
)
RESPONSES = Api("/responses", read_responses, _used_responses, ("max_output_tokens",))
ANTHROPIC = Api("/messages", read_anthropic, _used_anthropic, ("max_tokens",))
APIS = (CHAT, RESPONSES, ANTHROPIC)


def api_of(path: str) -> Api | None:
    """The API that an address belongs to, if a Switcher stands in front of it."""
    return next((api for api in APIS if path.endswith(api.path)), None)


_LAST = (
    b'"message_stop"',
    b'"response.completed"',
    b'"response.incomplete"',
    b'"response.failed"',
)
"""Types of the last event of a stream; in a text their quotes would be escaped."""


class UsageReader:
    """Reads the usage from an answer while it passes, whole or as a stream of events.

    Args:
        api: of the answer.
        streams: whether it is a stream of server-sent events.
    """

    def __init__(self, api: Api, streams: bool) -> None:
        self._api, self._streams = api, streams
        self._rest = bytearray()
        self._usage = Usage()
        self._ended = False

    def feed(self, part: bytes) -> None:
        """Take the next bytes of the answer."""
        self._rest += part
        if self._streams and b"\n" in part:
            *lines, rest = self._rest.split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                self._line(bytes(line))

    def end(self) -> None:
        """Take note that the answer has come to its end."""
        if self._streams:
            self._line(bytes(self._rest))
        else:
            self._json(bytes(self._rest))
        self._ended = True

    def usage(self) -> Usage | None:
        """The usage; None where the answer did not say, or has not come to its end.

        What it says before its end is no more than the beginning has taken.
        """
        return self._usage if self._ended and self._usage.tokens else None

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            data = line.removeprefix(b"data:").strip()
            if b'"usage"' in data:
                self._json(data)
            self._ended |= data == b"[DONE]" or any(last in data for last in _LAST)

    def _json(self, text: bytes) -> None:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return  # no JSON: an answer passes as it is
        if isinstance(found, Mapping):
            self._usage = self._api.used(self._usage, found)
