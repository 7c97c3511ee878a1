"""A Switcher inside an agent's own process: HTTP clients that ask the model that it chooses.

    OpenAI(http_client=londi.http_client("switcher.yaml"))

The agent goes on naming one model. Each of its requests to a chat completion, a response or a
message is sent to QUICK or DEEPTHINK, and everything else passes as it is. This file knows httpx2,
and no decision.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from londi.models.retry import RETRIED
from londi.serve.apis import UsageReader
from londi.serve.router import Routed, Router, Target

DROPPED = ("content-length", "host", "transfer-encoding")
"""Headers of a request that its new body or address makes anew."""

UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Failures at which no model was asked, so that nothing is spent."""


def http_client(
    settings: Path | str | Router, transport: httpx2.BaseTransport | None = None
) -> httpx2.Client:
    """A client for `openai.OpenAI`, `anthropic.Anthropic` and whatever takes one of httpx2.

    Args:
        settings: a YAML file (`londi.config.serve.ServeConfig`), or a router.
        transport: sends the requests; that of httpx2 by default.

    Raises:
        LondiError: if the settings cannot be used.
    """
    router = settings if isinstance(settings, Router) else Router.read(settings)
    inner = transport or httpx2.HTTPTransport()
    return httpx2.Client(transport=SwitchingTransport(router, inner), follow_redirects=True)


def async_http_client(
    settings: Path | str | Router, transport: httpx2.AsyncBaseTransport | None = None
) -> httpx2.AsyncClient:
    """A client for `openai.AsyncOpenAI` and the like; see `http_client`."""
    router = settings if isinstance(settings, Router) else Router.read(settings)
    inner = transport or httpx2.AsyncHTTPTransport()
    return httpx2.AsyncClient(
        transport=AsyncSwitchingTransport(router, inner), follow_redirects=True
    )


class SwitchingTransport(httpx2.BaseTransport):
    """Sends each request of a known API to the model that a Switcher chooses.

    Args:
        router: decides.
        inner: sends.
    """

    def __init__(self, router: Router, inner: httpx2.BaseTransport) -> None:
        self.router, self._inner = router, inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        routed = _route(self.router, request, request.read())
        if routed is None:
            return self._inner.handle_request(request)
        with settled(routed):
            try:
                response = self._inner.handle_request(_sent(request, routed.target()))
            except httpx2.TransportError as error:
                if not routed.fall_back(spent=not isinstance(error, UNSENT)):
                    raise
                response = self._inner.handle_request(_sent(request, routed.target()))
            if response.status_code in RETRIED and routed.fall_back():
                response.close()
                response = self._inner.handle_request(_sent(request, routed.target()))
        answer, reader = _answer(response, routed)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        answer.stream = _Tap(response.stream, routed, reader)
        return answer

    def close(self) -> None:
        self._inner.close()
        self.router.close()


class AsyncSwitchingTransport(httpx2.AsyncBaseTransport):
    """`SwitchingTransport` for asynchronous clients."""

    def __init__(self, router: Router, inner: httpx2.AsyncBaseTransport) -> None:
        self.router, self._inner = router, inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        routed = _route(self.router, request, await request.aread())
        if routed is None:
            return await self._inner.handle_async_request(request)
        with settled(routed):
            response = await asked(
                routed,
                lambda target: self._inner.handle_async_request(_sent(request, target)),
            )
        answer, reader = _answer(response, routed)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        answer.stream = _AsyncTap(response.stream, routed, reader)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()
        self.router.close()


class _Tap(httpx2.SyncByteStream):
    """An answer that passes, while its usage is read; it is settled when it ends or is left."""

    def __init__(
        self, inner: httpx2.SyncByteStream, routed: Routed, reader: UsageReader | None
    ) -> None:
        self._inner, self._routed, self._reader = inner, routed, reader

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            if self._reader:
                self._reader.feed(part)
            yield part
        if self._reader:
            self._reader.end()

    def close(self) -> None:
        _settle(self._routed, self._reader)
        self._inner.close()


class _AsyncTap(httpx2.AsyncByteStream):
    def __init__(
        self, inner: httpx2.AsyncByteStream, routed: Routed, reader: UsageReader | None
    ) -> None:
        self._inner, self._routed, self._reader = inner, routed, reader

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            if self._reader:
                self._reader.feed(part)
            yield part
        if self._reader:
            self._reader.end()

    async def aclose(self) -> None:
        _settle(self._routed, self._reader)
        await self._inner.aclose()


async def asked(
    routed: Routed, send: Callable[[Target], Awaitable[httpx2.Response]]
) -> httpx2.Response:
    """The answer of the chosen model, or of the other one where that fails.

    Args:
        routed: the request.
        send: sends it to a model.
    """
    try:
        response = await send(routed.target())
    except httpx2.TransportError as error:
        if not routed.fall_back(spent=not isinstance(error, UNSENT)):
            raise
        return await send(routed.target())
    if response.status_code in RETRIED and routed.fall_back():
        await response.aclose()
        return await send(routed.target())
    return response


def _route(router: Router, request: httpx2.Request, content: bytes) -> Routed | None:
    if request.method != "POST":
        return None
    headers = {name.lower(): value for name, value in request.headers.items()}
    return router.route(request.url.path, headers, content)


def _sent(request: httpx2.Request, target: Target) -> httpx2.Request:
    """The request to the chosen model, in place of the one that the agent made."""
    headers = httpx2.Headers(request.headers)
    for name in DROPPED:
        headers.pop(name, None)
    headers.update(target.headers)
    headers["accept-encoding"] = "identity"  # the usage is read from the answer
    return httpx2.Request(
        request.method,
        target.url or request.url,
        headers=headers,
        content=target.content,
        extensions=request.extensions,
    )


def _answer(
    response: httpx2.Response, routed: Routed
) -> tuple[httpx2.Response, UsageReader | None]:
    """The answer with what was decided in its headers; a reader unless it is a refusal."""
    routed.status = response.status_code
    for name, value in routed.headers().items():
        response.headers[name] = value
    if not response.is_success:
        return response, None
    return response, routed.reader(response.headers.get("content-type", ""))


def _settle(routed: Routed, reader: UsageReader | None) -> None:
    """After the last byte, or where nobody reads on."""
    if reader is None:
        routed.release()
    else:
        routed.settle(reader.usage())


@contextmanager
def settled(routed: Routed) -> Iterator[None]:
    """Settle the budget where no answer comes, whatever happens inside."""
    try:
        yield
    except UNSENT:
        routed.release()
        raise
    except BaseException:  # a cancellation among them: the model may have been asked
        routed.settle(None)
        raise
