"""Single faults of what a gateway depends on: its models, its clients, its ledger and the clock."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

import redis_server
from faulty_upstream import FaultyUpstream
from gateways import Gateway
from londi.storage.traces import read_traces

Ask = Callable[..., Awaitable[httpx2.Response]]


@asynccontextmanager
async def served(
    folder: Path, fault: str, **changes: Any
) -> AsyncIterator[tuple[Gateway, FaultyUpstream, Ask]]:
    """A gateway before an upstream with one fault, and what asks it."""
    async with FaultyUpstream(0, {fault: 1}) as upstream, httpx2.AsyncClient(timeout=60) as client:
        gateway = Gateway(folder, upstream.url, traces=str(folder / "traces.db"), **changes)
        await asyncio.to_thread(gateway.start)

        async def ask(path: str = "chat/completions", **more: Any) -> httpx2.Response:
            asked = [{"role": "user", "content": f"request {len(upstream.calls)}"}]
            body = {"model": "londi", "messages": asked, "max_tokens": 20}
            return await client.post(
                f"{gateway.url}/{path}", json=body | more, headers={"x-londi-session": "s"}
            )

        try:
            yield gateway, upstream, ask
            assert "Traceback" not in gateway.log, gateway.log
        finally:
            await asyncio.to_thread(gateway.stop)


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(read_traces(folder / "traces.db", "steps"))


def metric(text: str, name: str) -> float:
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


def test_a_request_ends_with_its_client(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path, "hang", budget={"calls": 2}) as (_, upstream, ask):
            asking = asyncio.ensure_future(ask())
            await upstream.waiting.acquire()
            asking.cancel()
            await asyncio.wait_for(upstream.left.acquire(), 60)  # the model is told to stop
            upstream.faults = {"none": 1}
            answer = await ask()
            assert answer.headers["x-londi-calls-left"] == "0", "the model was asked"

    asyncio.run(run())
    assert [row["status"] for row in rows(tmp_path)] == [None, 200]


@pytest.mark.parametrize("path", ["chat/completions", "messages"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_that_breaks_off_gives_its_hold_back(
    tmp_path: Path, path: str, stream: bool
) -> None:
    async def run() -> None:
        budget = {"calls": 1}
        async with served(tmp_path, "refusal cut", budget=budget) as (_, upstream, ask):
            for _ in range(3):
                with pytest.raises(httpx2.RemoteProtocolError):
                    await ask(path, stream=stream)
            assert [call.model for call in upstream.calls] == ["large"] * 3

    asyncio.run(run())
    assert [row["status"] for row in rows(tmp_path)] == [400] * 3


def test_a_refusal_passes_as_it_came(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path, "refusal zipped") as (_, _, ask):
            answer = await ask()
            assert answer.headers["content-encoding"] == "gzip"
            assert (answer.status_code, answer.json()["error"]["message"]) == (400, "no")

    asyncio.run(run())


@pytest.mark.parametrize("path", ["chat/completions", "messages"])
def test_what_breaks_off_takes_all_that_was_held(tmp_path: Path, path: str) -> None:
    async def run() -> None:
        async with served(tmp_path, "cut", budget={"tokens": 1000}) as (_, upstream, ask):
            with pytest.raises(httpx2.RemoteProtocolError):
                await ask(path, stream=True)
            upstream.faults = {"none": 1}
            answer = await ask(path, stream=True)
            held = len(answer.request.content) + 20
            # The beginning of a stream of Anthropic's says that the answer has one token.
            assert answer.headers["x-londi-tokens-left"] == str(1000 - 2 * held)

    asyncio.run(run())


def test_models_may_come_after_the_gateway(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path, "none", budget={"calls": 1}) as (_, upstream, ask):
            upstream.vanish()
            answer = await ask()
            assert answer.status_code == 502 and answer.headers["x-londi-calls-left"] == "1"
            upstream.listen()
            assert (await ask()).headers["x-londi-model"] == "large"

    asyncio.run(run())
    assert [row["status"] for row in rows(tmp_path)] == [None, 200]


async def closed(gateway: Gateway, ask: Ask, fail: Callable[[], None]) -> None:
    """Let the ledger fail: QUICK answers from then on, and the gateway says so."""
    for _ in range(3):
        assert (await ask()).headers["x-londi-model"] == "large"
    fail()
    answer = await ask()
    while answer.headers["x-londi-model"] == "large":  # there was some room
        answer = await ask()
    for _ in range(3):
        answer = await ask()
        assert (answer.status_code, answer.headers["x-londi-reason"]) == (200, "budget")
    async with httpx2.AsyncClient() as web:
        text = (await web.get(gateway.url.replace("/v1", "/metrics"))).text
    assert metric(text, "londi_ledger_failures_total") > 3
    assert gateway.log.count("the ledger cannot be reached") == 1, "once, and no more"


def test_a_full_disk_gives_no_budget(tmp_path: Path) -> None:
    async def run() -> None:
        ledger, budget = str(tmp_path / "ledger.db"), {"calls": 1000}
        async with served(tmp_path, "none", ledger=ledger, budget=budget) as (gateway, _, ask):
            room = 1 << 16  # bytes to which any file may grow
            await closed(
                gateway,
                ask,
                lambda: resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (room, room)) and None,
            )

    asyncio.run(run())


@pytest.mark.skipif(not redis_server.installed(), reason="redis-server or redis is not installed")
@pytest.mark.parametrize("fail", [redis_server.Server.stop, redis_server.Server.freeze])
def test_without_its_redis_a_gateway_gives_no_budget(
    tmp_path: Path, fail: Callable[[redis_server.Server], None]
) -> None:
    async def run(redis: redis_server.Server) -> None:
        budget = {"calls": 1000}
        async with served(tmp_path, "none", ledger=redis.url, budget=budget) as (gateway, _, ask):
            await closed(gateway, ask, lambda: fail(redis))

    with redis_server.Server(tmp_path) as redis:
        asyncio.run(run(redis))
