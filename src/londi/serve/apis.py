"""The APIs that a Switcher stands in front of: what is read of requests, and usages of answers.

Requests and answers pass as they came. This file knows their JSON, and nothing of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil

from londi.envs.conversation import Message
from londi.models.usage import MOST_TOKENS, Body, count, member, openai_usage
from londi.serve.core.messages import read_anthropic, read_chat, read_responses
from londi.types import Usage

_CALLED = ("function", "custom", None)
"""Types of tools that an answer only calls, and the client runs."""


@dataclass(frozen=True, slots=True)
class Api:
    """The shape of one API.

    Attributes:
        path: end of its address.
        read: the messages of a request.
        texts: the same as they came, the instructions of the system first.
        used: the usage so far, with what the JSON of an answer, or of one event of a stream, says.
        bounds: keys of a request that bound the tokens of an answer.
        answers: keys of the number of answers that it asks for.
        acting: keys of a request by which the API itself acts, or keeps what was said.
    """

    path: str
    read: Callable[[Body], list[Message]]
    texts: Callable[[Body], list[object]]
    used: Callable[[Usage, Body], Usage]
    bounds: tuple[str, ...]
    answers: tuple[str, ...] = ()
    acting: tuple[str, ...] = ()

    def acts(self, body: Body) -> bool:
        """Whether an answer changes more than its client does: what later answers read, or the
        world, where the API runs tools of its own.
        """
        tools = body.get("tools")
        return any(body.get(name) for name in self.acting) or any(
            isinstance(tool, Mapping) and tool.get("type") not in _CALLED
            for tool in (tools if isinstance(tools, list) else ())
        )

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


def _texts(body: Body, system: str, name: str) -> list[object]:
    """The messages of a request as they came.

    Args:
        body: the request.
        system: key of the system's instructions, where they stand beside the messages.
        name: key of the messages.
    """
    head: list[object] = [{"role": "system", "content": body[system]}] if body.get(system) else []
    messages = body.get(name)
    if isinstance(messages, str):
        return [*head, {"role": "user", "content": messages}]
    return [*head, *(messages if isinstance(messages, list) else ())]


CHAT = Api(
    "/chat/completions",
    read_chat,
    lambda body: _texts(body, "", "messages"),
    _used_chat,
    ("max_completion_tokens", "max_tokens"),
    ("n", "best_of"),
)
RESPONSES = Api(
    "/responses",
    read_responses,
    lambda body: _texts(body, "instructions", "input"),
    _used_responses,
    ("max_output_tokens",),
    acting=("conversation", "background", "prompt"),  # a prompt of theirs may have tools
)
ANTHROPIC = Api(
    "/messages",
    read_anthropic,
    lambda body: _texts(body, "system", "messages"),
    _used_anthropic,
    ("max_tokens",),
    acting=("mcp_servers",),
)
APIS = (CHAT, RESPONSES, ANTHROPIC)
_THREAD = re.compile(r"/threads/(?!v1/)[^/]+/messages$")
"""Messages of OpenAI's threads, which no model answers; `/s/threads/v1/messages` is a session."""


def api_of(path: str) -> Api | None:
    """The API that an address belongs to, if a Switcher stands in front of it."""
    if _THREAD.search(path):
        return None
    return next((api for api in APIS if path.endswith(api.path)), None)


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}


def message_text(api: Api, message: object) -> str:
    """The words of an answer's message, and the tools that it calls."""
    body = {"input": message} if api is RESPONSES else {"messages": [message]}
    read = api.read(body)
    return "\n".join(part for one in read for part in (one.text, *one.calls) if part)


def error_body(path: str, status: int, said: str) -> Body:
    """The JSON of a refusal, in the shape of the API at `path`."""
    kind = _KINDS.get(status, "api_error")
    if api_of(path) is ANTHROPIC:
        return {"type": "error", "error": {"type": kind, "message": said}}
    return {"error": {"message": said, "type": kind, "param": None, "code": None}}
