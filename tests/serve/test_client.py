"""A Switcher inside an agent's process: the real clients of two vendors, and a real server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

import londi
from londi.errors import InvalidConfig, UnknownSession
from londi.serve.client import SwitchingTransport
from londi.serve.router import Routed, Router
from londi.serve.step import Step
from londi.storage.traces import read_traces
from upstream import CACHED, OUTPUT, TOKENS, Upstream

Connect = Callable[[Path], httpx2.Client]
ASKED: Any = [{"role": "user", "content": "Who are you?"}]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def settings(folder: Path, **changes: Any) -> Path:
    """A file of settings: DEEPTHINK always, unless `changes` say otherwise."""
    values = {
        "quick": {"model": "small", "price": {"input": 0.1, "output": 0.4}},
        "deepthink": {"model": "large", "price": {"input": 2.0, "output": 8.0}},
        "switcher": "always-deepthink",
    }
    file = folder / "switcher.yaml"
    file.write_text(json.dumps(values | changes))
    return file


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`londi.http_client`, closed at the end."""
    with ExitStack() as stack:
        yield lambda file: stack.enter_context(londi.http_client(file))


def router_of(client: httpx2.Client) -> Router:
    transport = client._transport
    assert isinstance(transport, SwitchingTransport)
    return transport.router


def test_an_agent_that_knows_nothing_asks_the_chosen_model(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    client = connect(settings(tmp_path, budget={"calls": 2}))
    agent = openai.OpenAI(base_url=upstream.url, api_key="mine", http_client=client)
    for wanted in ("large", "large", "small"):
        answer = agent.chat.completions.create(model="any", messages=ASKED)
        assert answer.choices[0].message.content == f"I am {wanted}"
    assert upstream.models == ["large", "large", "small"]
    _, headers, _ = upstream.asked[0]
    assert headers["authorization"] == "Bearer mine"


def test_an_answer_says_who_gave_it_and_what_is_left(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    budget = {"calls": 2, "money": 1.0}
    client = connect(settings(tmp_path, budget=budget))
    agent = openai.OpenAI(base_url=upstream.url, api_key="mine", http_client=client)
    raw = agent.chat.completions.with_raw_response.create(
        model="any", messages=ASKED, extra_headers={"x-londi-session": "mine"}
    )
    told = {name: value for name, value in raw.headers.items() if name.startswith("x-londi-")}
    assert told["x-londi-model"] == "large" and told["x-londi-reason"] == "policy"
    assert (told["x-londi-session"], told["x-londi-step"]) == ("mine", "0")
    assert told["x-londi-calls-left"] == "1", "this call is held"
    left = router_of(client).steps.sessions.known("mine").left
    # 1,000 prompt tokens at 2 and 50 of the answer at 8, for a million.
    assert left.money == 1_000_000_000 - (TOKENS * 2 + OUTPUT * 8) * 1000
    assert left.calls == 1


def _chat(agent: Any, model: str, stream: bool) -> str:
    client = agent(openai.OpenAI)
    answer = client.chat.completions.create(model=model, messages=ASKED, stream=stream)
    if not stream:
        return str(answer.choices[0].message.content)
    deltas = (chunk.choices[0].delta.content for chunk in answer if chunk.choices)
    return "".join(delta for delta in deltas if delta)


def _responses(agent: Any, model: str, stream: bool) -> str:
    client = agent(openai.OpenAI)
    answer = client.responses.create(model=model, input="Who are you?", stream=stream)
    if not stream:
        return str(answer.output_text)
    return "".join(e.delta for e in answer if e.type == "response.output_text.delta")


def _messages(agent: Any, model: str, stream: bool) -> str:
    client = agent(anthropic.Anthropic)
    ask = {"model": model, "messages": ASKED, "max_tokens": 100}
    if not stream:
        return str(client.messages.create(**ask).content[0].text)
    with client.messages.stream(**ask) as answer:
        return "".join(answer.text_stream)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ask", [_chat, _responses, _messages])
def test_the_usage_of_each_api_is_counted(
    connect: Connect, ask: Any, stream: bool, upstream: Upstream, tmp_path: Path
) -> None:
    client = connect(settings(tmp_path, budget={"tokens": 1_000_000}))

    def agent(kind: Any) -> Any:
        url = upstream.url.removesuffix("/v1") if kind is anthropic.Anthropic else upstream.url
        return kind(base_url=url, api_key="mine", http_client=client, max_retries=0)

    assert ask(agent, "any", stream) == "I am large"
    (name,) = router_of(client).steps.sessions._sessions
    session = router_of(client).steps.sessions.known(name)
    assert session.left.tokens == 1_000_000 - TOKENS - OUTPUT
    expected = session._calls[1].expected([], now=0.0)
    assert expected.output_tokens == OUTPUT
    assert CACHED < TOKENS


def test_an_async_agent_asks_the_chosen_model(upstream: Upstream, tmp_path: Path) -> None:
    async def ask() -> list[str | None]:
        client = londi.async_http_client(settings(tmp_path, budget={"calls": 1}))
        async with openai.AsyncOpenAI(
            base_url=upstream.url, api_key="mine", http_client=client
        ) as agent:
            first = await agent.chat.completions.create(model="any", messages=ASKED)
            stream = await agent.chat.completions.create(model="any", messages=ASKED, stream=True)
            words = [c.choices[0].delta.content async for c in stream if c.choices]
        return [first.choices[0].message.content, "".join(word for word in words if word)]

    assert asyncio.run(ask()) == ["I am large", "I am small"]


def test_every_byte_but_the_models_name_stays(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    client = connect(settings(tmp_path))
    content = (
        b'{ "messages":[{"role":"user", "content":"caf\xc3\xa9 \\u00e9"}],\t"model" : "any",'
        b'"temperature":1.0e0, "tools":[{"type":"function","function":{"name":"f","parameters":'
        b'{"model":"inner","$ref":"#/x"}}}], "n":12345678901234567890 }\n'
    )
    client.post(f"{upstream.url}/chat/completions", content=content)
    assert upstream.raw == [content.replace(b'"any"', b'"large"')]


def test_everything_else_passes_as_it_is(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    client = connect(settings(tmp_path))
    answer = client.get(f"{upstream.url}/models")
    assert answer.json() == {"object": "list", "data": []}
    assert not any(name.startswith("x-londi") for name in answer.headers)


@pytest.mark.parametrize("failing", ["broken", "busy"])
def test_the_other_model_answers_for_one_that_refuses(
    connect: Connect, failing: str, upstream: Upstream, tmp_path: Path
) -> None:
    file = settings(tmp_path, deepthink={"model": failing}, budget={"calls": 1})
    client = connect(file)
    agent = openai.OpenAI(base_url=upstream.url, api_key="mine", http_client=client, max_retries=0)
    raw = agent.chat.completions.with_raw_response.create(model="any", messages=ASKED)
    assert raw.parse().choices[0].message.content == "I am small"
    assert raw.headers["x-londi-reason"] == "fallback"
    assert raw.headers["x-londi-calls-left"] == "1", "a refusal is no call"


def test_one_that_cannot_be_reached_is_replaced(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    with Upstream() as gone:
        nowhere = gone.url
    file = settings(tmp_path, deepthink={"model": "large", "base_url": nowhere})
    agent = openai.OpenAI(
        base_url=upstream.url,
        api_key="mine",
        http_client=connect(file),
        max_retries=0,
    )
    answer = agent.chat.completions.create(model="any", messages=ASKED)
    assert answer.choices[0].message.content == "I am small"


def test_where_both_fail_the_agent_is_told(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    file = settings(
        tmp_path, quick={"model": "busy"}, deepthink={"model": "broken"}, budget={"calls": 1}
    )
    client = connect(file)
    agent = openai.OpenAI(base_url=upstream.url, api_key="mine", http_client=client, max_retries=0)
    with pytest.raises(openai.RateLimitError):
        agent.chat.completions.create(model="any", messages=ASKED)
    (session,) = router_of(client).steps.sessions._sessions.values()
    assert session.left.calls == 1 and not session.waits


@pytest.mark.parametrize("model", ["silent", "html", "cut"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_usage_takes_all_that_was_held(
    connect: Connect, model: str, stream: bool, upstream: Upstream, tmp_path: Path
) -> None:
    file = settings(tmp_path, deepthink={"model": model}, budget={"tokens": 100_000})
    client = connect(file)
    body = {"model": "any", "messages": ASKED, "stream": stream, "max_tokens": 100}
    sent = json.dumps(body).encode()
    try:
        client.post(f"{upstream.url}/chat/completions", content=sent)
    except httpx2.TransportError:
        assert model == "cut"
    (session,) = router_of(client).steps.sessions._sessions.values()
    assert session.left.tokens == 100_000 - len(sent) - 100
    assert not session.waits


def test_a_request_that_is_left_takes_all_that_was_held(upstream: Upstream, tmp_path: Path) -> None:
    file = settings(tmp_path, deepthink={"model": "slow"}, budget={"calls": 3})
    client = londi.async_http_client(file)

    async def leave() -> None:
        asking = asyncio.create_task(
            client.post(f"{upstream.url}/chat/completions", json={"messages": ASKED})
        )
        await asyncio.to_thread(upstream.waiting.wait)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await client.aclose()

    asyncio.run(leave())
    transport: Any = client._transport
    (session,) = transport.router.steps.sessions._sessions.values()
    assert session.left.calls == 2 and not session.waits


def test_keys_come_from_the_environment(
    connect: Connect, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"model": "large", "base_url": upstream.url, "key": "LARGE_KEY"}
    file = settings(tmp_path, deepthink=large)
    monkeypatch.delenv("LARGE_KEY", raising=False)
    with pytest.raises(
        InvalidConfig, match=r"deepthink\.key: the environment variable 'LARGE_KEY'"
    ):
        connect(file)
    monkeypatch.setenv("LARGE_KEY", "secret")
    client = connect(file)
    openai.OpenAI(
        base_url="http://nowhere.invalid/v1", api_key="mine", http_client=client
    ).chat.completions.create(model="any", messages=ASKED)
    anthropic.Anthropic(
        base_url="http://nowhere.invalid", api_key="mine", http_client=client
    ).messages.create(model="any", messages=ASKED, max_tokens=9)
    (_, chat, _), (_, message, _) = upstream.asked
    assert chat["authorization"] == "Bearer secret"
    assert message["x-api-key"] == "secret"


@pytest.mark.parametrize(
    "path", ["threads/thread_1/messages", "messages/count_tokens", "messages/batches"]
)
def test_what_no_model_answers_passes_as_it_is(
    connect: Connect, upstream: Upstream, tmp_path: Path, path: str
) -> None:
    asked: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.content)
        return httpx2.Response(200, json={})

    client = londi.http_client(settings(tmp_path), httpx2.MockTransport(answer))
    content = b'{"model":"any", "role":"user","content":"hi"}'
    with client:
        told = client.post(f"{upstream.url}/{path}", content=content)
    assert asked == [content] and not any(name.startswith("x-londi") for name in told.headers)


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of an answer, which knows whether it was closed, and may refuse to be."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b"{}"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{}"

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("place", ["headers", "shadow", "reader", "settle"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_whatever_fails_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, asynchronous: bool
) -> None:
    def fail(*_: object) -> None:
        raise OSError("a fault")

    monkeypatch.setattr(*((Step, place) if place == "settle" else (Routed, place)), fail)
    body = Body()
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=body))
    router = Router.read(settings(tmp_path, budget={"calls": 3}))
    url, asked = "http://nowhere.invalid/v1/chat/completions", {"messages": ASKED}

    async def ask() -> None:
        async with londi.async_http_client(router, transport) as client:
            await client.post(url, json=asked)

    with pytest.raises(OSError, match="a fault"):
        if asynchronous:
            asyncio.run(ask())
        else:
            with londi.http_client(router, transport) as client:
                client.post(url, json=asked)
    assert body.closed
    (session,) = router.steps.sessions._sessions.values()
    assert session.waits is (place == "settle")


def test_no_key_of_the_agent_goes_to_a_model_with_a_key_of_its_own(
    connect: Connect, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARGE_KEY", "secret")
    large = {"model": "large", "base_url": upstream.url, "key": "LARGE_KEY"}
    client = connect(settings(tmp_path, deepthink=large))
    mine = {"authorization": "Bearer mine", "x-api-key": "mine", "Api-Key": "mine", "x-more": "y"}
    for path in ("chat/completions", "messages"):
        client.post(f"http://nowhere.invalid/v1/{path}", json={"messages": []}, headers=mine)
    for _, headers, _ in upstream.asked:
        assert not any("mine" in value for value in headers.values()) and headers["x-more"] == "y"


def test_agents_side_by_side_share_a_sessions_budget(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    client = connect(settings(tmp_path, budget={"calls": 7}))
    together = threading.Barrier(8)

    def ask(_: int) -> None:
        together.wait()
        for _ in range(4):
            client.post(f"{upstream.url}/chat/completions", json={"messages": ASKED})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert upstream.models.count("large") == 7 and upstream.models.count("small") == 25


def test_a_body_that_is_no_json_is_refused_before_it_is_sent(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    client = connect(settings(tmp_path))
    with pytest.raises(InvalidConfig, match="request: expected a JSON object"):
        client.post(f"{upstream.url}/chat/completions", content=b"[1]")
    assert not upstream.asked


def test_a_budget_that_is_spent_can_stop_a_session(
    upstream: Upstream, tmp_path: Path, connect: Connect
) -> None:
    file = settings(tmp_path, budget={"calls": 1}, when_spent="stop")
    client = connect(file)
    agent = openai.OpenAI(base_url=upstream.url, api_key="k", http_client=client)
    agent.chat.completions.create(model="any", messages=ASKED)
    with pytest.raises(openai.APIStatusError) as refused:
        agent.chat.completions.create(model="any", messages=ASKED)
    assert refused.value.status_code == 402 and "is spent" in str(refused.value)
    named = {"x-londi-session": "another"}
    agent.chat.completions.create(model="any", messages=ASKED, extra_headers=named)
    assert upstream.models == ["large", "large"]  # a refusal is not tried again
    claude = anthropic.Anthropic(
        base_url=upstream.url.removesuffix("/v1"), api_key="k", http_client=client
    )
    with pytest.raises(anthropic.APIStatusError) as stopped:
        claude.messages.create(model="any", messages=ASKED, max_tokens=9, extra_headers=named)
    assert stopped.value.body == {
        "type": "error",
        "error": {"type": "billing_error", "message": "the budget of session 'another' is spent"},
    }


def told(traces: Path) -> list[tuple[str, int | None, float]]:
    return [(r["session"], r["step"], r["value"]) for r in read_traces(traces, "feedback")]


def test_a_client_takes_feedback(upstream: Upstream, tmp_path: Path) -> None:
    traces = tmp_path / "traces.db"
    named = {"x-londi-session": "mine"}
    with londi.http_client(settings(tmp_path, traces=str(traces))) as client:
        agent = openai.OpenAI(base_url=upstream.url, api_key="mine", http_client=client)
        agent.chat.completions.create(model="any", messages=ASKED, extra_headers=named)
        client.feedback("mine", 0.5, step=0)
        client.feedback("mine", 1.0)
        with pytest.raises(UnknownSession, match="yours"):
            client.feedback("yours", 1.0)
    assert told(traces) == [("mine", 0, 0.5), ("mine", None, 1.0)]


def test_an_asynchronous_client_takes_feedback(upstream: Upstream, tmp_path: Path) -> None:
    traces = tmp_path / "traces.db"
    named = {"x-londi-session": "mine"}

    async def tell() -> None:
        async with londi.async_http_client(settings(tmp_path, traces=str(traces))) as client:
            agent = openai.AsyncOpenAI(base_url=upstream.url, api_key="mine", http_client=client)
            await agent.chat.completions.create(model="any", messages=ASKED, extra_headers=named)
            client.feedback("mine", 1.0)

    asyncio.run(tell())
    assert told(traces) == [("mine", None, 1.0)]
