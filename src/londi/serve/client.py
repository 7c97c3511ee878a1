"""A Switcher inside an agent's own process: HTTP clients that ask the model that it chooses.

    OpenAI(http_client=londi.http_client("switcher.yaml"))

The agent goes on naming one model. Each of its requests to a chat completion, a response or a
message is sent to QUICK or DEEPTHINK, and everything else passes as it is. This file knows httpx2,
and no decision.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2

from londi.errors import BudgetSpent
from londi.models.retry import RETRIED
from londi.serve.answers import AnswerReader
from londi.serve.apis import error_body
from londi.serve.asking import SPENT, UNSENT, ShadowTasks, asked, settled
from londi.serve.router import Routed, Router, Target
from londi.serve.shadow import Shadow

DROPPED = ("content-length", "host", "transfer-encoding")
"""Headers of a request that its new body or address makes anew."""


def http_client(
    settings: Path | str | Router, transport: httpx2.BaseTransport | None = None
) -> SwitchingClient:
    """A client for `openai.OpenAI`, `anthropic.Anthropic` and whatever takes one of httpx2.

    Args:
        settings: a YAML file (`londi.config.serve.ServeConfig`), or a router.
        transport: sends the requests; that of httpx2 by default.

    Raises:
        LondiError: if the settings cannot be used.
    """
    router = settings if isinstance(settings, Router) else Router.read(settings)
    return SwitchingClient(router, transport or httpx2.HTTPTransport())


def async_http_client(
    settings: Path | str | Router, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncSwitchingClient:
    """A client for `openai.AsyncOpenAI` and the like; see `http_client`."""
    router = settings if isinstance(settings, Router) else Router.read(settings)
    return AsyncSwitchingClient(router, transport or httpx2.AsyncHTTPTransport())


class SwitchingClient(httpx2.Client):
    """A client of httpx2 whose requests go to the chosen model, and that takes feedback.

    Args:
        router: decides.
        transport: sends the requests.
    """

    def __init__(self, router: Router, transport: httpx2.BaseTransport) -> None:
        super().__init__(transport=SwitchingTransport(router, transport), follow_redirects=True)
        self._router = router

    def feedback(self, session: str, value: float, step: int | None = None) -> None:
        """Note what a session was worth, or one of its steps; see `StepRouter.feedback`."""
        self._router.steps.feedback(session, value, step)


class AsyncSwitchingClient(httpx2.AsyncClient):
    """`SwitchingClient` for asynchronous programs; its feedback waits for nothing either."""

    def __init__(self, router: Router, transport: httpx2.AsyncBaseTransport) -> None:
        transport = AsyncSwitchingTransport(router, transport)
        super().__init__(transport=transport, follow_redirects=True)
        self._router = router

    def feedback(self, session: str, value: float, step: int | None = None) -> None:
        """Note what a session was worth, or one of its steps; see `StepRouter.feedback`."""
        self._router.steps.feedback(session, value, step)


class SwitchingTransport(httpx2.BaseTransport):
    """Sends each request of a known API to the model that a Switcher chooses.

    Args:
        router: decides.
        inner: sends.
    """

    def __init__(self, router: Router, inner: httpx2.BaseTransport) -> None:
        self.router, self._inner = router, inner
        self._shadow_threads = ThreadPoolExecutor(thread_name_prefix="shadow")

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            content = request.read()
            routed = self.router.route(*_parts(request, content)) if _asks(request) else None
        except BudgetSpent as error:
            return _spent(request, error)
        if routed is None:
            return self._inner.handle_request(request)
        with settled(routed):
            response = self._asked(request, routed)
            try:
                reader = _begin(response, routed)
                self._shadow(request, routed)
                assert isinstance(response.stream, httpx2.SyncByteStream)
                return _passed(response, _Tap(response.stream, routed, reader))
            except BaseException:
                response.close()
                raise

    def _asked(self, request: httpx2.Request, routed: Routed) -> httpx2.Response:
        """The answer of the chosen model, or of the other one where that fails."""
        try:
            response = self._inner.handle_request(_sent(request, routed.target()))
        except httpx2.TransportError as error:
            if not routed.step.fall_back(spent=not isinstance(error, UNSENT)):
                raise
            return self._inner.handle_request(_sent(request, routed.target()))
        if response.status_code in RETRIED and routed.step.fall_back():
            response.close()
            return self._inner.handle_request(_sent(request, routed.target()))
        return response

    def _shadow(self, request: httpx2.Request, routed: Routed) -> None:
        """Ask for the shadow answer of a request, if it has one; nobody waits for it."""
        if not (found := routed.shadow()):
            return
        shadow, target = found
        with ExitStack() as stack:
            stack.enter_context(shadow)  # ends here where it is not asked for
            with suppress(RuntimeError):  # the client was closed
                self._shadow_threads.submit(self._ask, request, shadow, target)
                stack.pop_all()

    def _ask(self, request: httpx2.Request, shadow: Shadow, target: Target) -> None:
        """Ask for a shadow answer; a failure is a row without a status."""
        with suppress(httpx2.HTTPError), shadow:
            response = self._inner.handle_request(_sent(request, target))
            try:
                shadow.answered(response.status_code, response.read())
            finally:
                response.close()

    def close(self) -> None:
        self._shadow_threads.shutdown()
        self._inner.close()
        self.router.close()


class AsyncSwitchingTransport(httpx2.AsyncBaseTransport):
    """`SwitchingTransport` for asynchronous clients."""

    def __init__(self, router: Router, inner: httpx2.AsyncBaseTransport) -> None:
        self.router, self._inner = router, inner
        self._shadow_tasks = ShadowTasks()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            content = await request.aread()
            routed = await self.router.aroute(*_parts(request, content)) if _asks(request) else None
        except BudgetSpent as error:
            return _spent(request, error)
        if routed is None:
            return await self._inner.handle_async_request(request)

        def send(target: Target) -> Awaitable[httpx2.Response]:
            return self._inner.handle_async_request(_sent(request, target))

        with settled(routed):
            response = await asked(routed, send)
            try:
                reader = _begin(response, routed)
                self._shadow_tasks.shadow(routed, send)
                assert isinstance(response.stream, httpx2.AsyncByteStream)
                return _passed(response, _AsyncTap(response.stream, routed, reader))
            except BaseException:
                await response.aclose()
                raise

    async def aclose(self) -> None:
        await self._shadow_tasks.aclose()
        await self._inner.aclose()
        self.router.close()


class _Tap(httpx2.SyncByteStream):
    """An answer that passes, while its usage is read; it is settled when it ends or is left."""

    def __init__(
        self, inner: httpx2.SyncByteStream, routed: Routed, reader: AnswerReader | None
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
        try:
            _settle(self._routed, self._reader)
        finally:
            self._inner.close()


class _AsyncTap(httpx2.AsyncByteStream):
    def __init__(
        self, inner: httpx2.AsyncByteStream, routed: Routed, reader: AnswerReader | None
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
        try:
            _settle(self._routed, self._reader)
        finally:
            await self._inner.aclose()


def _asks(request: httpx2.Request) -> bool:
    """Whether it may ask a model for an answer."""
    return request.method == "POST"


def _parts(request: httpx2.Request, content: bytes) -> tuple[str, dict[str, str], bytes]:
    """What a router reads of a request: the path of its address, its headers, and its body."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return request.url.path, headers, content


def _spent(request: httpx2.Request, error: BudgetSpent) -> httpx2.Response:
    """The answer to a request that no budget is left for."""
    said = error_body(request.url.path, SPENT, str(error))
    return httpx2.Response(SPENT, json=said, request=request)


def _sent(request: httpx2.Request, target: Target) -> httpx2.Request:
    """The request to the chosen model, in place of the one that the agent made."""
    headers = httpx2.Headers(request.headers)
    for name in (*DROPPED, *target.dropped):
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


def _begin(response: httpx2.Response, routed: Routed) -> AnswerReader | None:
    """What reads the answer, unless it is a refusal; its headers say what was decided."""
    routed.step.status = response.status_code
    for name, value in routed.headers().items():
        response.headers[name] = value
    if not response.is_success:
        return None
    return routed.reader(response.headers.get("content-type", ""))


def _passed(response: httpx2.Response, tap: _Tap | _AsyncTap) -> httpx2.Response:
    """The answer with another body; a new one, since this one may have been read already."""
    return httpx2.Response(
        response.status_code,
        headers=response.headers,
        stream=tap,
        extensions=response.extensions,
    )


def _settle(routed: Routed, reader: AnswerReader | None) -> None:
    """After the last byte, or where nobody reads on."""
    if reader is None:
        routed.step.release()
    else:
        routed.step.settle(reader.usage, reader.message)
