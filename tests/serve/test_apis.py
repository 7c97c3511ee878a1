"""The APIs: what a request may take at most, and what an answer has taken."""

from __future__ import annotations

from typing import Any

import pytest

from londi.models.usage import MOST_TOKENS
from londi.serve.answers import AnswerReader
from londi.serve.apis import ANTHROPIC, CHAT, RESPONSES, Api, api_of
from londi.types import Usage


@pytest.mark.parametrize(
    ("api", "body", "most"),
    [
        (CHAT, {}, 100),
        (CHAT, {"max_tokens": 7}, 7),
        (CHAT, {"max_tokens": 7, "max_completion_tokens": 9}, 9),
        (CHAT, {"max_tokens": 9, "max_completion_tokens": 7}, 9),
        (CHAT, {"max_tokens": 7, "n": 3}, 21),
        (CHAT, {"n": 3}, 300),
        (CHAT, {"max_tokens": None, "n": None}, 100),
        (CHAT, {"max_tokens": "200"}, 200),
        (CHAT, {"max_tokens": 200.5}, 201),
        (CHAT, {"max_tokens": -1}, 100),
        (CHAT, {"max_tokens": []}, 100),
        (CHAT, {"max_tokens": 10**400}, MOST_TOKENS),
        (CHAT, {"max_tokens": float("inf"), "n": 5}, MOST_TOKENS),
        (CHAT, {"max_tokens": float("nan")}, 100),
        (RESPONSES, {"max_output_tokens": 7, "max_tokens": 9}, 7),
        (ANTHROPIC, {"max_tokens": 7, "n": 9}, 7),
    ],
)
def test_a_bound_covers_all_that_a_server_may_read(
    api: Api, body: dict[str, Any], most: int
) -> None:
    assert api.most_output(body, 100) == most


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/messages", ANTHROPIC),
        ("/s/threads/v1/messages", ANTHROPIC),
        ("/v1/threads/thread_1/messages", None),
        ("/openai/threads/t/messages", None),
        ("/v1/messages/count_tokens", None),
        ("/v1/messages/batches", None),
        ("/openai/deployments/threads/chat/completions", CHAT),
        ("/v1/responses/r/cancel", None),
    ],
)
def test_other_addresses_are_of_no_api(path: str, api: Api | None) -> None:
    assert api_of(path) is api


@pytest.mark.parametrize(
    ("api", "body", "acts"),
    [
        (RESPONSES, {"conversation": "conv_1"}, True),
        (RESPONSES, {"background": True}, True),
        (RESPONSES, {"background": False, "conversation": None}, False),
        (RESPONSES, {"previous_response_id": "r", "store": True}, False),
        (RESPONSES, {"tools": [{"type": "function"}, {"type": "web_search"}]}, True),
        (RESPONSES, {"tools": [{"type": "function"}, {"type": "custom"}, {}, 1]}, False),
        (ANTHROPIC, {"tools": [{"name": "f"}, {"type": "code_execution_20250825"}]}, True),
        (ANTHROPIC, {"mcp_servers": [{"type": "url"}]}, True),
        (CHAT, {"conversation": "the name of a session", "tools": 1}, False),
        (CHAT, {"tools": [{"type": []}]}, True),
    ],
)
def test_some_requests_let_an_api_act(api: Api, body: dict[str, Any], acts: bool) -> None:
    assert api.acts(body) is acts


def test_no_number_of_tokens_is_too_large_to_count() -> None:
    reader = AnswerReader(CHAT, streams=False)
    reader.feed(b'{"usage":{"prompt_tokens":%d,"completion_tokens":%d}}' % (10**30, 10**400))
    reader.end()
    assert reader.usage == Usage(calls=1, tokens=MOST_TOKENS, output_tokens=MOST_TOKENS)


BEGINNING = b'data: {"type": "message_start", "message": {"usage": {"input_tokens": 9}}}\n\n'
STREAMS = (
    (CHAT, b'data: {"choices": [], "usage": {"prompt_tokens": 9}}\n\n', b"data: [DONE]\n\n"),
    (
        RESPONSES,
        b"event: a\n",
        b'data: {"type":"response.completed","response":{"usage":{"input_tokens":9}}}\n\n',
    ),
    (ANTHROPIC, BEGINNING, b'data: {"type": "message_stop"}\n\n'),
)


@pytest.mark.parametrize(("api", "before", "last"), STREAMS)
def test_a_usage_is_known_at_the_end(api: Api, before: bytes, last: bytes) -> None:
    reader = AnswerReader(api, streams=True)
    reader.feed(before)
    assert reader.usage is None, "more may come"
    reader.feed(b'data: {"said": "\\"message_stop\\" \\"response.completed\\" [DONE]"}\n')
    assert reader.usage is None, "these are the words of the model"
    reader.feed(last)
    usage = reader.usage
    assert usage and usage.tokens == 9, "clients stop reading here"
