"""How a model is asked for a request that has been decided, in a client and in a gateway alike.

Where the chosen model fails the other one is asked, a budget is settled where no answer comes, and
shadow answers are asked for beside. This file knows the answers and failures of httpx2. It does not
know where requests come from, nor how answers are passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2

from londi.models.retry import RETRIED
from londi.serve.router import Routed, Target
from londi.serve.shadow import Shadow

SPENT = 402
"""Status of a refusal where a budget is spent; clients do not try again behind it."""
LAST = 30.0
"""Seconds for shadow answers that are still asked for when a client is closed."""
UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Failures at which no model was asked, so that nothing is spent."""


@contextmanager
def settled(routed: Routed) -> Iterator[None]:
    """Settle the budget where no answer comes, whatever happens inside."""
    try:
        yield
    except UNSENT:
        routed.step.release()
        raise
    except BaseException:  # a cancellation among them: the model may have been asked
        routed.step.settle(None)
        raise


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
        if not routed.step.fall_back(spent=not isinstance(error, UNSENT)):
            raise
        return await send(routed.target())
    if response.status_code in RETRIED and routed.step.fall_back():
        await response.aclose()
        return await send(routed.target())
    return response


class ShadowTasks:
    """Shadow answers that are being asked for, beside the real ones."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def shadow(self, routed: Routed, send: Callable[[Target], Awaitable[httpx2.Response]]) -> None:
        """Ask for the shadow answer of a request, if it has one; nobody waits for it.

        Args:
            routed: the request, whose answer has begun.
            send: sends it to a model.
        """
        if found := routed.shadow():
            task = asyncio.create_task(self._ask(send, *found))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(
        self,
        send: Callable[[Target], Awaitable[httpx2.Response]],
        shadow: Shadow,
        target: Target,
    ) -> None:
        with suppress(httpx2.HTTPError), shadow:
            response = await send(target)
            try:
                shadow.answered(response.status_code, await response.aread())
            finally:
                await response.aclose()

    async def aclose(self) -> None:
        """Wait for those that are asked for, and give up those that take too long."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
