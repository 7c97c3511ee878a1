"""One request on its way: asked of a model, its answer passed on, its budget settled at the end.

The end is whatever comes first: the last byte, a model that breaks off, or a client that goes away.
This file knows HTTP, and neither settings nor decisions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import httpx2
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from londi.serve.asking import ShadowTasks, asked, settled
from londi.serve.errors import refusal
from londi.serve.metrics import Metrics
from londi.serve.router import Routed, Target

HOP = frozenset(
    b"""
    accept-encoding connection content-length expect host keep-alive proxy-authenticate
    proxy-authorization te trailer transfer-encoding upgrade
    """.split()
)
"""Headers that are of one connection, or made anew; names in lower case."""
LAST_STATUS = 599
"""Highest status that a server of HTTP can send."""


class Relay(Response):
    """The answer of the model that was chosen for a request, byte by byte as it comes.

    Args:
        path: of the request.
        routed: its decision; settled whatever happens.
        ask: sends the request to a model.
        metrics: where the answer is counted.
        shadow_tasks: asks for its shadow answer.
    """

    def __init__(
        self,
        path: str,
        routed: Routed,
        ask: Callable[[Target], Awaitable[httpx2.Response]],
        metrics: Metrics,
        shadow_tasks: ShadowTasks,
    ) -> None:
        super().__init__()
        self._path, self._routed, self._ask, self._metrics = path, routed, ask, metrics
        self._shadow_tasks = shadow_tasks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with heard(receive):
            try:
                with settled(self._routed):
                    response = await asked(self._routed, self._ask)
            except httpx2.TransportError as error:
                self._metrics.failed(type(error).__name__)
                status = 504 if isinstance(error, httpx2.TimeoutException) else 502
                said, headers = "the models cannot be reached", self._routed.headers()
                await refusal(self._path, status, said, headers)(scope, receive, send)
            else:
                await self._pass_on(response, send)

    async def _pass_on(self, response: httpx2.Response, send: Send) -> None:
        routed = self._routed
        async with aclosing(response):
            with settled(routed):
                routed.step.status = response.status_code
                self._metrics.answered(routed, response.status_code)
                self._shadow_tasks.shadow(routed, self._ask)
                kind = response.headers.get("content-type", "")
                reader = routed.reader(kind) if response.is_success else None
                start = _start(response, routed)
            try:
                await send(start)
                async for part in response.aiter_raw():
                    if reader:
                        reader.feed(part)
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                if reader:
                    reader.end()
            except httpx2.TransportError as error:
                self._metrics.failed(type(error).__name__)
                return  # without a last chunk: so the client learns that the answer is not whole
            finally:
                if reader:
                    routed.step.settle(reader.usage, reader.message)
                else:
                    routed.step.release()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def heard(receive: Receive) -> AsyncIterator[None]:
    """Run the body as long as the client is there, and cancel it where it goes away."""
    task, gone = asyncio.current_task(), False
    assert task

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not gone or task.uncancel() > 0:
            raise  # cancelled by somebody else
    finally:
        watching.cancel()


def _start(response: httpx2.Response, routed: Routed) -> dict[str, object]:
    """The beginning of an answer: the model's headers as they came, and ours."""
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in HOP]
    headers += [(name.encode(), value.encode()) for name, value in routed.headers().items()]
    status = min(response.status_code, LAST_STATUS)
    return {"type": "http.response.start", "status": status, "headers": headers}
