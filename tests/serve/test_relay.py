"""A relay on its own: whatever fails after an answer has begun, nothing stays open or held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from londi.serve.asking import ShadowTasks
from londi.serve.metrics import Metrics
from londi.serve.relay import Relay
from londi.serve.router import Routed, Router, Target


class Body(httpx2.AsyncByteStream):
    """The body of an answer, which knows whether it was closed."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{}"

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("place", ["headers", "shadow", "reader"])
def test_whatever_fails_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("a fault")

    values = {
        "quick": {"model": "small"},
        "deepthink": {"model": "large"},
        "switcher": "always-deepthink",
        "budget": {"calls": 3},
    }
    file, path, body = tmp_path / "switcher.yaml", "/v1/chat/completions", Body()
    file.write_text(json.dumps(values))
    router = Router.read(file)
    routed = router.route(path, {}, b'{"messages": []}')
    assert routed
    monkeypatch.setattr(Routed, place, fail)

    async def ask(_: Target) -> httpx2.Response:
        return httpx2.Response(200, stream=body)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_: Any) -> None:
        pass

    relay = Relay(path, routed, ask, Metrics(router), ShadowTasks())
    with pytest.raises(OSError, match="a fault"):
        asyncio.run(relay({"type": "http"}, receive, send))
    router.close()
    assert body.closed
    (session,) = router.steps.sessions._sessions.values()
    assert session.left.calls == 2 and not session.waits
