"""Requests that nobody should send: none makes the gateway fail, or gets into its log."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx2
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateways import Gateway
from londi.serve.gateway import hash_key
from upstream import Upstream

KEY = "the-key-of-a-client"
SECRET = "the-words-of-a-client"
OURS = {"authorization": f"Bearer {KEY}"}
LONG = 1_000_000
"""Most bytes of a request."""

fuzzed = hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=150,
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with all kinds of budgets, which keeps texts in its traces alone."""
    folder = tmp_path_factory.mktemp("fuzz")
    with Upstream() as upstream:
        dear = {"model": "large", "base_url": upstream.url, "price": {"input": 2, "output": 8}}
        changes = {
            "deepthink": dear,
            "clients": {"a": hash_key(KEY)},
            "budget": {"calls": 1000, "tokens": 10**7, "money": 1000.0},
            "ledger": str(folder / "ledger.db"),
            "traces": str(folder / "traces.db"),
            "keep_texts": True,
            "most_bytes": LONG,
        }
        with Gateway(folder, upstream.url, **changes) as running:
            yield running
            assert httpx2.get(running.url.replace("/v1", "/healthz")).status_code == 200
            metrics = httpx2.get(running.url.replace("/v1", "/metrics"), headers=OURS).text
            assert "londi_traces_dropped_total 0.0" in metrics
    for word in ("Traceback", KEY, SECRET, "Error"):
        assert word not in running.log, running.log


@pytest.fixture(scope="module")
def web() -> Iterator[httpx2.Client]:
    with httpx2.Client(headers=OURS, timeout=60) as client:
        yield client


def check(path: str, answer: httpx2.Response) -> None:
    """An answer, or a refusal in the shape of its API."""
    assert answer.status_code in (200, 400, 401, 404, 405, 413), (answer.status_code, answer.text)
    if answer.status_code != 200:
        body = answer.json()
        assert body["error"]["message"] and "Traceback" not in answer.text
        assert (body.get("type") == "error") is path.endswith("/messages")


PATHS = st.sampled_from(
    ("/chat/completions", "/responses", "/messages", "/feedback", "/decisions", "/systemone")
)
KEYS = (
    *("model", "messages", "input", "system", "instructions", "role", "content", "type", "text"),
    *("tool_calls", "function", "name", "arguments", "tools", "is_error", "tool_use", "id"),
    *("metadata", "session_id", "conversation", "prompt_cache_key", "stream", "n", "max_tokens"),
    *("max_completion_tokens", "max_output_tokens", "session", "step", "value"),
    *("state", "questions", "criteria", "choices", "levels", "label", "londi", "cost"),
    "calls_left",
)


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


TEXTS = (
    st.sampled_from(
        (
            *("NaN", "Infinity", "-Infinity", "1e999", "-0", "1" * 400, "1" * 5000, "-1"),
            *('"\\ud800"', '"\\u0000"', f'"{SECRET}"', '"londi"', '"tool"', '"user"', '"text"'),
            *('"tool_result"', '"tool_use"', '"function_call"', "9223372036854775808", "1.5"),
        )
    )
    | st.integers(1, 1100).map(_nested)
    | st.text(max_size=5).map(json.dumps)
    | st.sampled_from(("null", "true", "0", "7"))
)
"""Values of JSON as text, most of them odd."""


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects, in which a key may be there twice."""
    pairs = st.tuples(st.sampled_from(KEYS), inner).map(lambda pair: f'"{pair[0]}":{pair[1]}')
    return st.lists(pairs, max_size=4).map(lambda found: "{" + ",".join(found) + "}")


VALUES = st.recursive(
    TEXTS,
    lambda inner: (
        _objects(inner) | st.lists(inner, max_size=3).map(lambda found: "[" + ",".join(found) + "]")
    ),
    max_leaves=12,
)


PREDICATE = (("input", '""'), ("questions", '[{"type":"predicate"}]'))
SCORE = '{"q":{"type":"score","criteria":[%s,1]}}'


@fuzzed
@given(PATHS, st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=5))
@example("/chat/completions", [("max_tokens", "1" * 400)])
@example("/feedback", [("session", '"a"'), ("value", "1" * 400)])
@example("/chat/completions", [("tools", _nested(450))])
@example("/responses", [("instructions", '[{"type":[]}]')])
@example("/chat/completions", [("messages", '[{"role":"user","content":"\\ud800"}]')])
@example("/decisions", [("input", '""'), ("questions", '[{"type":"a","name":"\\ud800"}]')])
@example("/decisions", [*PREDICATE, ("londi", '{"cost":1e999}')])
@example("/decisions", [*PREDICATE, ("londi", '{"cost":NaN,"calls_left":Infinity}')])
@example("/decisions", [*PREDICATE, ("londi", '{"cost":1e308,"calls_left":1e308}')])
@example("/systemone", [("state", "NaN"), ("questions", '{"\\ud800":{"type":"noul"}}')])
@example("/systemone", [("state", '"\\ud800"'), ("questions", '{"\\ud800":{"type":"x"}}')])
@example("/systemone", [("state", "0"), ("questions", SCORE % "NaN")])
@example("/systemone", [("state", "0"), ("questions", SCORE % '"\\ud800"')])
@example("/systemone", [("state", "0"), ("questions", SCORE % _nested(150))])
def test_any_json_is_answered_or_refused(
    gateway: Gateway, web: httpx2.Client, path: str, members: list[tuple[str, str]]
) -> None:
    pairs = [] if path == "/feedback" else ['"model":"londi"']
    pairs += [f'"{key}":{value}' for key, value in members]
    content = "{" + ",".join(pairs) + "}"
    check(path, web.post(f"{gateway.url}{path}", content=content.encode()))


@fuzzed
@given(PATHS, st.binary(max_size=50) | st.sampled_from((b"\xff\xfe{}", b'{"model":"\xff"}', b"")))
def test_any_bytes_are_refused(
    gateway: Gateway, web: httpx2.Client, path: str, content: bytes
) -> None:
    answer = web.post(f"{gateway.url}{path}", content=content)
    check(path, answer)
    assert answer.status_code != 200


@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/messages", "/feedback"])
def test_any_depth_is_answered_or_refused(gateway: Gateway, web: httpx2.Client, path: str) -> None:
    for depth in (150, 190, 196, 200, *range(250, 1050, 50)):
        used = f'[{{"role":"user","content":[{{"type":"tool_use","input":{_nested(depth)}}}]}}]'
        for key, value in (
            *(("messages", used), ("input", _nested(depth)), ("tools", _nested(depth))),
            *(("model", _nested(depth)), ("value", _nested(depth))),
        ):
            answer = web.post(
                f"{gateway.url}{path}", content=f'{{"model":"londi","{key}":{value}}}'
            )
            check(path, answer)
            assert depth <= 196 or answer.status_code == 400


HEADER = st.sampled_from(
    (
        *("x-londi-session", "session_id", "accept", "content-type", "content-encoding", "expect"),
        *("te", "upgrade", "connection", "cookie", "x-api-key", "range", "x-title"),
    )
)
FIELD = st.binary(max_size=20).filter(lambda value: not set(value) & set(b"\r\n\0"))


@fuzzed
@given(st.lists(st.tuples(HEADER, FIELD | st.just(SECRET.encode())), max_size=5))
@example([("x-title", "café".encode())])
@example([("x-title", "café".encode("latin-1"))])
@example([("expect", b"100-continue")])
@example([("session_id", b"\x01")])
@example([("x-londi-session", b"\xa0a\xa0")])
def test_odd_headers(gateway: Gateway, headers: list[tuple[str, bytes]]) -> None:
    content = b'{"model":"londi","messages":[]}'
    lines = [name.encode() + b": " + value for name, value in headers]
    told = raw(gateway, b"POST /v1/chat/completions HTTP/1.1", lines, content)
    assert not told or told.split(b" ", 2)[1] in (b"200", b"400", b"100"), told


@pytest.mark.parametrize("offered", [b"h2c", b"websocket"])
def test_a_request_that_offers_an_upgrade_is_answered(gateway: Gateway, offered: bytes) -> None:
    lines = [b"connection: upgrade", b"upgrade: " + offered]
    content = b'{"model":"londi","messages":[]}'
    told = raw(gateway, b"POST /v1/chat/completions HTTP/1.1", lines, content)
    assert told.split(b" ", 2)[1] == b"200", told


@fuzzed
@given(
    st.sampled_from(("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "POST", "X")),
    st.text("/sv1%2Fa.?#\\é ", max_size=12)
    | st.sampled_from(
        (
            *("/s/a%2Fb/v1/messages", "/s//v1/messages", "/s/%0a/v1/messages", "*"),
            *("/s/%20a%20/v1/messages", "/s/%ff/v1/messages", "/s/%00/v1/chat/completions"),
            *("/s/../v1/messages", "/v1/messages/", "//v1/messages", "/v1/feedback"),
            *("/metrics", "/healthz", "/v1/models"),
        )
    ),
)
@example("POST", "/s/%20a%20/v1/messages")
@example("POST", "/s/%ed%a0%80/v1/messages")
def test_odd_methods_and_addresses(gateway: Gateway, method: str, target: str) -> None:
    line = f"{method} {target} HTTP/1.1".encode()
    told = raw(gateway, line, [], b'{"model":"londi","messages":[]}')
    assert told.split(b" ", 2)[1] in (b"200", b"307", b"400", b"404", b"405"), told


BODY = b'{"model":"londi","messages":[{"role":"user","content":"' + SECRET.encode() + b'"}]}'


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ([b"content-length: 1000"], BODY),
        ([b"content-length: 5"], BODY),
        ([b"content-length: -1"], BODY),
        ([b"content-length: many"], BODY),
        ([b"content-length: 5", b"content-length: 6"], BODY),
        ([b"content-length: 99999999999999999999"], BODY),
        ([b"transfer-encoding: chunked"], b"50\r\n" + BODY),
        ([b"transfer-encoding: chunked"], b"zz\r\n" + BODY),
        ([b"transfer-encoding: chunked"], b"ffffffffffffffff\r\n" + BODY),
        ([b"transfer-encoding: chunked", b"content-length: 7"], BODY),
        ([b"transfer-encoding: gzip"], BODY),
        ([b"transfer-encoding: chunked"], b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    ],
)
@pytest.mark.parametrize("path", ["/chat/completions", "/messages", "/feedback"])
def test_bodies_that_break_off(
    gateway: Gateway, path: str, headers: list[bytes], content: bytes
) -> None:
    told = raw(gateway, f"POST /v1{path} HTTP/1.1".encode(), headers, content, whole=False)
    assert not told or told.split(b" ", 2)[1] in (b"200", b"400", b"499", b"501"), told
    assert SECRET.encode() not in told


@pytest.mark.parametrize("path", ["/chat/completions", "/messages", "/feedback"])
def test_a_large_request_is_refused_and_a_long_name_is_none(
    gateway: Gateway, web: httpx2.Client, path: str
) -> None:
    long = "x" * (LONG - 100)
    for content in ({"model": long}, {"session": long, "value": 1}, {"model": "londi", "n": long}):
        check(path, web.post(f"{gateway.url}{path}", json=content))
    answer = web.post(f"{gateway.url}{path}", content=b" " * (LONG + 1))
    check(path, answer)
    assert answer.status_code == 413


def raw(
    gateway: Gateway, line: bytes, headers: list[bytes], content: bytes, whole: bool = True
) -> bytes:
    """All that the gateway says to a request that no client would make.

    Args:
        gateway: is asked.
        line: the first line.
        headers: whole lines.
        content: the body.
        whole: whether the body is as long as is said; else nothing more comes.
    """
    named = [b"host: here", b"connection: close", f"authorization: Bearer {KEY}".encode()]
    named += [b"content-length: %d" % len(content)] if whole else []
    host, port = gateway.url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"\r\n".join((line, *named, *headers, b"", content)))
        if not whole:
            connection.shutdown(socket.SHUT_WR)
        parts: list[bytes] = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
