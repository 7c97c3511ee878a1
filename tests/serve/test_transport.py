"""The transport of the gateway before a real server: what passes, and which errors come of what."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2
import pytest

from londi.serve.asking import UNSENT
from londi.serve.transport import AiohttpTransport
from upstream import Upstream

ASKED = {"model": "large", "messages": [{"role": "user", "content": "Who are you?"}]}
Use = Callable[[httpx2.AsyncClient], Awaitable[Any]]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def run(use: Use, seconds: float = 30) -> Any:
    """What `use` makes of a client with the transport."""

    async def main() -> Any:
        async with httpx2.AsyncClient(transport=AiohttpTransport(), timeout=seconds) as client:
            return await use(client)

    return asyncio.run(main())


def post(url: str, seconds: float = 30, **more: Any) -> httpx2.Response:
    address, body = f"{url}/chat/completions", ASKED | more
    return run(lambda client: client.post(address, json=body), seconds)


def test_requests_and_answers_pass_as_they_are(upstream: Upstream) -> None:
    headers = {"x-mine": "1", "authorization": "Bearer key"}

    async def use(client: httpx2.AsyncClient) -> httpx2.Response:
        client.headers.clear()
        return await client.post(f"{upstream.url}/chat/completions", json=ASKED, headers=headers)

    answer = run(use)
    assert answer.json()["choices"][0]["message"]["content"] == "I am large"
    assert answer.headers["content-type"] == "application/json"
    path, sent, body = upstream.asked[-1]
    assert (path, body) == ("/v1/chat/completions", ASKED)
    made = {"host", "content-length", "content-type"}
    assert sent.keys() == made | headers.keys() and sent.items() >= headers.items()


def test_a_part_of_a_stream_passes_before_the_next_is_there() -> None:
    async def main() -> list[bytes]:
        read = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            await read.wait()
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = "http://{}:{}/".format(*server.sockets[0].getsockname())
        parts = []
        client = httpx2.AsyncClient(transport=AiohttpTransport())
        async with server, client, client.stream("GET", url) as response:
            async for part in response.aiter_raw():
                parts.append(part)
                read.set()
        return parts

    assert asyncio.run(main()) == [b"one", b"two"]


def test_a_redirection_is_an_answer(upstream: Upstream) -> None:
    upstream.script = [(302, {"location": "/elsewhere"})]
    assert post(upstream.url).status_code == 302
    assert len(upstream.asked) == 1


def test_nobody_was_asked_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(UNSENT):
        post(f"http://127.0.0.1:{port}/v1")


def test_a_model_that_goes_away_may_have_been_asked(upstream: Upstream) -> None:
    upstream.script = [(0, {})]
    with pytest.raises(httpx2.TransportError) as caught:
        post(upstream.url)
    assert not isinstance(caught.value, UNSENT)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_breaks_off_is_an_error(upstream: Upstream, stream: bool) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        post(upstream.url, model="cut", stream=stream)


def test_a_silent_model_times_out(upstream: Upstream) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        post(upstream.url, seconds=0.2, model="slow")


def test_the_environment_names_a_proxy(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", upstream.url.removesuffix("/v1"))
    assert post("http://model.invalid/v1").is_success
    path, headers, _ = upstream.asked[-1]
    assert path == "http://model.invalid/v1/chat/completions"
    assert headers["host"] == "model.invalid"
