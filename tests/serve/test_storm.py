"""Hundreds of sessions, an upstream that fails in all ways, and gateways that are killed.

Whatever happens, no session takes more of DEEPTHINK than its budget, as the upstream counts it, and
each answer has one row in the traces.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from math import ceil
from pathlib import Path
from typing import Any

import httpx2
import pytest

import redis_server
from faulty_upstream import UNSPENT, Call, FaultyUpstream
from gateways import Gateway
from londi.storage.traces import read_traces

SESSIONS = 500
STEPS = 4
MOST = {"calls": 2, "tokens": 350, "money": 0.0008}
"""Budget of a session."""
INPUT, OUTPUT = 2.0, 8.0
"""Price of DEEPTHINK."""
CANCELLED = 0.15
"""Share of the requests whose client goes away."""
PATIENCE = 0.2
"""Most seconds after which it does."""


@pytest.fixture(autouse=True)
def _sockets_of_cancelled_requests() -> Iterator[None]:
    """Close what the tests' own client leaves: a request that is cancelled while it connects has a
    socket that nobody holds, and another test would be warned of it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def settings(folder: Path, upstream: FaultyUpstream, ledger: str) -> dict[str, Any]:
    return {
        "quick": {"model": "small", "base_url": upstream.url, "price": {"input": 0.1}},
        "deepthink": {
            "model": "large",
            "base_url": upstream.url,
            "price": {"input": INPUT, "output": OUTPUT},
        },
        "switcher": "random:0.7",
        "budget": MOST,
        "ledger": ledger,
        "traces": str(folder / "traces.db"),
        "keep_texts": True,
    }


class Storm:
    """Clients, all at once.

    Args:
        gateways: each request goes to one of them, at random.
        client: of all requests.

    Attributes:
        answered: what was said in each request whose answer was read to its end.
        half: half of the requests have ended.
        up: set while the gateways run.
    """

    def __init__(self, gateways: list[Gateway], client: httpx2.AsyncClient) -> None:
        self._gateways, self._client = gateways, client
        self.answered: list[str] = []
        self.ended, self.half, self.up = 0, asyncio.Event(), asyncio.Event()
        self.up.set()

    async def blow(self) -> None:
        """Run all sessions to their ends."""
        await asyncio.gather(*(self._session(f"session {k}") for k in range(SESSIONS)))

    async def _session(self, name: str) -> None:
        drawn = random.Random(name)
        for step in range(STEPS):
            await self.up.wait()
            # Cut off, gone away, or nobody there.
            with suppress(httpx2.TransportError, TimeoutError):
                await self._ask(name, f"{name} step {step}", drawn)
            self.ended += 1
            if self.ended >= SESSIONS * STEPS / 2:
                self.half.set()

    async def _ask(self, name: str, said: str, drawn: random.Random) -> None:
        path, key = drawn.choice(
            (("chat/completions", "messages"), ("responses", "input"), ("messages", "messages"))
        )
        bound = "max_output_tokens" if path == "responses" else "max_tokens"
        body = {"model": "londi", key: [{"role": "user", "content": said}], "max_tokens": 20}
        body |= {bound: 20, "stream": drawn.random() < 0.5}
        patience = drawn.uniform(0, PATIENCE) if drawn.random() < CANCELLED else None
        gateway = drawn.choice(self._gateways)
        async with asyncio.timeout(patience):
            answer = await self._client.post(
                f"{gateway.url}/{path}", json=body, headers={"x-londi-session": name}
            )
        assert answer.status_code in (200, 400, 429, 500, 502, 504), answer.text
        if "x-londi-step" in answer.headers:
            self.answered.append(said)


def check(folder: Path, answered: list[str], calls: list[Call], gateways: list[Gateway]) -> None:
    """Nobody took too much, and each answer is in the books once."""
    taken: dict[str, Counter[str]] = {}
    for call in calls:
        if call.model == "large" and call.fault not in UNSPENT:
            money = ceil(1000 * (call.prompt * INPUT + call.output * OUTPUT))
            spent = {"calls": 1, "tokens": call.prompt + call.output, "money": money}
            taken.setdefault(call.said.split(" step ")[0], Counter()).update(spent)
    most = MOST | {"money": MOST["money"] * 1e9}
    over = {
        name: spent
        for name, spent in taken.items()
        if any(spent[unit] > most[unit] for unit in most)
    }
    assert not over
    assert max(spent["calls"] for spent in taken.values()) == most["calls"], "budgets were of use"
    rows = Counter(
        json.loads(row["messages"])[-1]["content"]
        for row in read_traces(folder / "traces.db", "steps")
    )
    assert max(rows.values()) == 1, "no row is there twice"
    assert len(answered) > SESSIONS * STEPS / 3
    assert not [said for said in answered if rows[said] != 1], "no answer is without a row"
    for gateway in gateways:
        assert "Traceback" not in gateway.log, gateway.log


async def storm(
    folder: Path, gateways: list[Gateway], upstream: FaultyUpstream, kill: Callable[[], None]
) -> list[str]:
    """Let all sessions run, and kill something in the middle."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
        blowing = Storm(gateways, client)
        running = asyncio.create_task(blowing.blow())
        await blowing.half.wait()
        blowing.up.clear()
        await asyncio.to_thread(kill)
        blowing.up.set()
        await running
    return blowing.answered


async def killed_and_started_again(folder: Path) -> None:
    async with FaultyUpstream(1) as upstream:
        one = settings(folder, upstream, str(folder / "ledger.db"))
        with Gateway(folder, upstream.url, **one) as gateway:

            def kill() -> None:
                gateway.kill()
                gateway.start()

            answered = await storm(folder, [gateway], upstream, kill)
            await asyncio.to_thread(gateway.stop)
    check(folder, answered, upstream.calls, [gateway])


def test_a_gateway_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    asyncio.run(killed_and_started_again(tmp_path))


async def one_of_two_killed(folder: Path, redis: str) -> None:
    async with FaultyUpstream(2) as upstream:
        both = [
            Gateway(folder, upstream.url, **settings(folder, upstream, redis)) for _ in range(2)
        ]
        with ExitStack() as stack:
            for gateway in both:
                stack.enter_context(gateway)
            answered = await storm(folder, both, upstream, both[0].kill)
            await asyncio.to_thread(both[1].stop)
    check(folder, answered, upstream.calls, both)


@pytest.mark.skipif(not redis_server.installed(), reason="redis-server or redis is not installed")
def test_two_gateways_share_budgets_when_one_is_killed(tmp_path: Path) -> None:
    with redis_server.Server(tmp_path) as redis:
        asyncio.run(one_of_two_killed(tmp_path, redis.url))
