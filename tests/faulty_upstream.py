"""An upstream on which nothing can be relied, and which keeps account of what it has given.

It serves three APIs on the event loop of the test. What it does with a request depends on its seed
and on the request alone.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import socket
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

FAULTS = {
    "none": 30,
    "slow": 8,
    "busy": 6,
    "failed": 6,
    "refusal cut": 4,
    "refusal zipped": 3,
    "no byte": 6,
    "cut": 8,
    "html": 4,
    "no usage": 5,
    "zipped": 5,
    "vanish": 2,
}
"""What may happen to a request, and how often."""
UNSPENT = frozenset(("busy", "failed", "refusal cut", "refusal zipped"))
"""After these the model has not worked."""
PAUSE = 0.02
"""Seconds between the parts of a slow answer, and for which nobody listens."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has come.

    Attributes:
        said: the last message, which names it.
        model: that was asked.
        fault: what was done with it.
        prompt: tokens of the prompt.
        output: tokens of the answer, whether the client read them or not.
    """

    said: str
    model: str
    fault: str
    prompt: int
    output: int


class FaultyUpstream:
    """The server; it listens from `__aenter__` to `__aexit__`.

    Args:
        seed: of what happens.
        faults: in place of `FAULTS`.

    Attributes:
        calls: all requests, in order.
        left: requests whose client went away before the answer; `waiting` are those that hang.
    """

    def __init__(self, seed: int, faults: dict[str, int] | None = None) -> None:
        self._seed, self.faults = seed, faults or FAULTS
        self.calls: list[Call] = []
        self.waiting, self.left = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> FaultyUpstream:
        self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.vanish()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # connections are closed at the next turn

    def listen(self) -> None:
        """Take connections, at the port of before."""
        self._listening = socket.create_server(("127.0.0.1", self._port), backlog=2048)
        self._listening.setblocking(False)
        self._port = self._listening.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def vanish(self) -> None:
        """Refuse connections."""
        if self._listening.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection, _ = self._listening.accept()
            task = asyncio.ensure_future(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split()[0])
                body = json.loads(await reader.readexactly(length))
                if not await self._answer(head.split()[1], body, length, reader, writer):
                    break

    async def _answer(
        self,
        path: str,
        body: dict[str, Any],
        length: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Do something with a request; False where the connection ends."""
        said = body.get("messages", body.get("input"))[-1]["content"]
        drawn = random.Random(f"{self._seed} {said} {body['model']}")
        (fault,) = drawn.choices([*self.faults], [*self.faults.values()])
        prompt, output = drawn.randint(1, length), drawn.randint(1, body["max_tokens"])
        self.calls.append(Call(said, body["model"], fault, prompt, output))
        if fault == "vanish" and self._listening.fileno() >= 0:
            self.vanish()
            asyncio.get_running_loop().call_later(PAUSE, self.listen)
        if fault in ("no byte", "vanish"):
            return False
        if fault == "hang":
            self.waiting.release()
            await reader.read()
            self.left.release()
            return False
        if fault in UNSPENT:
            return await self._refuse(fault, writer)
        known = fault != "no usage"
        events = _events(path, said, prompt, output, known)
        kind = "text/html" if fault == "html" else "application/json"
        parts = [b"<html>" if fault == "html" else json.dumps(_merged(events)).encode()]
        if body.get("stream") and fault != "html":
            kind, parts = "text/event-stream", [_event(event) for event in events]
            parts += [b"data: [DONE]\n\n"] if path.endswith("completions") else []
        coding = ""
        if fault == "zipped":
            coding, parts = "content-encoding: gzip\r\n", [gzip.compress(b"".join(parts))]
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{coding}"
        writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        if fault == "cut":
            parts = [*parts[:-1], parts[-1][: len(parts[-1]) // 2]][: drawn.randint(1, len(parts))]
        for part in parts:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            if fault == "slow":
                await asyncio.sleep(PAUSE)
        if fault == "cut":
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _refuse(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        status = {"busy": "429 Too Many Requests", "failed": "500 Internal Server Error"}
        content, coding = b'{"error": {"message": "no"}}', ""
        if fault == "refusal zipped":
            content, coding = gzip.compress(content), "content-encoding: gzip\r\n"
        size = len(content) + (99 if fault == "refusal cut" else 0)
        head = f"HTTP/1.1 {status.get(fault, '400 Bad Request')}\r\n{coding}"
        writer.write(f"{head}content-length: {size}\r\n\r\n".encode() + content)
        await writer.drain()
        return fault != "refusal cut"


def _events(path: str, said: str, prompt: int, output: int, known: bool) -> list[dict[str, Any]]:
    """The answer of an API as events, of which the last ones tell the usage."""
    if path.endswith("/chat/completions"):
        used = {"usage": {"prompt_tokens": prompt, "completion_tokens": output}}
        return [{"choices": [{"delta": {"content": said}}]}, used if known else {}]
    used = {"usage": {"input_tokens": prompt, "output_tokens": output}} if known else {}
    if path.endswith("/responses"):
        begun = {"type": "response.created", "response": {"usage": None}}
        return [begun, {"type": "response.completed", "response": {"output": said} | used}]
    before = {"usage": {"input_tokens": prompt, "output_tokens": 1}} if known else {}
    return [
        {"type": "message_start", "message": {"content": []} | before},
        {"type": "content_block_delta", "delta": {"text": said}},
        {"type": "message_delta", "delta": {}}
        | ({"usage": {"output_tokens": output}} if known else {}),
        {"type": "message_stop"},
    ]


def _merged(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The events as one answer."""
    whole: dict[str, Any] = {}
    for event in events:
        inner = event.get("message", event.get("response", event))
        usage = whole.get("usage") or {}
        whole |= inner
        if usage or inner.get("usage"):
            whole["usage"] = usage | (inner.get("usage") or {})
    return whole


def _event(event: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()
