"""A mock upstream: chat completions, whole or as a stream, after a time to think.

    python upstream.py PORT

It is a plain asyncio protocol, so that it is faster than what stands before it. A request for
`/think/SECONDS` sets how long it thinks. This file knows one API, and no gateway.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any, cast

from conversations import MARK
from loops import run

EVENTS, GAP = 20, 0.02
"""Events of a stream, and the seconds between two of them."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAMS = re.compile(rb'"stream": ?true')
_USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
_FRAME = {"id": "chatcmpl-1", "created": 1, "model": "mock"}


def _whole() -> bytes:
    message = {"role": "assistant", "content": f"I changed one line, and {MARK}. " * 10}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = _FRAME | {"object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return _answer(json.dumps(body).encode())


def _answer(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _events() -> list[bytes]:
    """The parts of a stream: its head with the first event, the others, and its end."""

    def event(**more: Any) -> bytes:
        return (
            f"data: {json.dumps(_FRAME | {'object': 'chat.completion.chunk'} | more)}\n\n".encode()
        )

    def delta(said: str, end: str | None = None) -> bytes:
        choice = {"index": 0, "delta": {"content": said}, "finish_reason": end}
        return event(choices=[choice])

    def chunk(data: bytes) -> bytes:
        return f"{len(data):x}\r\n".encode() + data + b"\r\n"

    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    last = delta("", "stop") + event(choices=[], usage=_USAGE) + b"data: [DONE]\n\n"
    parts = [chunk(delta(f"{MARK} ")) for _ in range(EVENTS)]
    return [head + parts[0], *parts[1:], chunk(last) + b"0\r\n\r\n"]


WHOLE, STREAM = _whole(), _events()


class Connection(asyncio.Protocol):
    """A connection of a client, which sends one request after the other."""

    think = 0.0  # of all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._came = b""

    def data_received(self, data: bytes) -> None:
        self._came += data
        head = self._came.find(b"\r\n\r\n")
        if head < 0:
            return
        found = _LENGTH.search(self._came, 0, head)
        end = head + 4 + (int(found[1]) if found else 0)
        if len(self._came) < end:
            return
        request, self._came = self._came[:end], self._came[end:]
        self._take(request)

    def _take(self, request: bytes) -> None:
        path = request.split(b" ", 2)[1].decode()
        if path.startswith("/think/"):
            Connection.think = float(path.rpartition("/")[2])
            self._send(_answer(b"{}"))
        elif not path.endswith("/chat/completions"):
            self._send(_answer(b"{}", "404 Not Found"))
        elif _STREAMS.search(request):
            for k, part in enumerate(STREAM):
                self._later(Connection.think + k * GAP, part)
        else:
            self._later(Connection.think, WHOLE)

    def _later(self, seconds: float, part: bytes) -> None:
        if seconds:
            self._loop.call_later(seconds, self._send, part)
        else:
            self._send(part)

    def _send(self, part: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(part)


async def serve(port: int) -> None:
    """Serve for ever at a port of this machine."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    run(serve(int(sys.argv[1])))
