"""The built-in ScienceWorld pair as a server with OpenAI's chat completions.

    python models.py --cache answers.db

It prints its address. Answers are cached in a file. An answer from the cache is held back for the
seconds that it took when it was made, so that a second run measures what a first one did.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from turns import read_turn

from londi.envs.prompt import Prompt
from londi.envs.scienceworld.prompt import ScienceHistory
from londi.models.cache import AnswerStore, CachedModel
from londi.models.meter import MeteredModel
from londi.models.registry import load_model
from londi.types import Reply

QUICK, DEEPTHINK = "builtin:scienceworld-quick", "builtin:scienceworld-deepthink"
COMMIT = 200
"""Answers between two writings of the cache's file."""


def prompt_of(messages: Sequence[dict[str, Any]]) -> Prompt:
    """The state after a conversation, as the environment itself would tell it.

    Raises:
        ValueError: if it is no conversation of the agent.
    """
    if len(messages) < 3 or [m["role"] for m in messages[:3]] != ["system", "user", "user"]:
        raise ValueError("expected a system message, the goal, and an observation")
    common = {"goal": messages[1]["content"], "actions": ()}
    observation, info = read_turn(messages[2]["content"])
    history = ScienceHistory(observation, common | info)
    for said, told in zip(messages[3::2], messages[4::2], strict=True):
        observation, info = read_turn(told["content"])
        history.add(said["content"], observation, common | info)
    return history.prompt()


class Models:
    """The two models on one thread, one answer after the other, behind one cache.

    Args:
        cache: file of the answers.
    """

    def __init__(self, cache: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._thread.submit(self._load, cache).result()

    def _load(self, cache: Path) -> None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        self._store = AnswerStore(cache)
        self._models = {
            name: CachedModel(MeteredModel(load_model(name)), self._store)
            for name in (QUICK, DEEPTHINK)
        }
        self._asked = 0

    async def answer(self, name: str, prompt: Prompt) -> Reply:
        """The action of a model.

        Raises:
            KeyError: if there is no model of that name.
        """
        model, began = self._models[name], time.perf_counter()
        loop = asyncio.get_running_loop()
        reply = await loop.run_in_executor(self._thread, self._act, model, prompt)
        await asyncio.sleep(max(0.0, reply.usage.seconds - (time.perf_counter() - began)))
        return reply

    def close(self) -> None:
        """Write the cache's file, and end."""
        self._thread.submit(self._store.close).result()
        self._thread.shutdown()

    def _act(self, model: CachedModel, prompt: Prompt) -> Reply:
        (reply,) = model.act([prompt])
        self._asked += 1
        if self._asked % COMMIT == 0:
            self._store.commit()
        return reply


def make_app(models: Models) -> Starlette:
    """The server as an ASGI application."""

    async def complete(request: Request) -> JSONResponse:
        body = await request.json()
        try:
            reply = await models.answer(body["model"], prompt_of(body["messages"]))
        except (KeyError, TypeError, ValueError) as error:
            said = {"message": f"{type(error).__name__}: {error}", "type": "invalid_request_error"}
            return JSONResponse({"error": said}, 400)
        used = reply.usage
        return JSONResponse(
            {
                "id": "chatcmpl-local",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": reply.action},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": used.tokens,
                    "completion_tokens": used.output_tokens,
                    "total_tokens": used.tokens + used.output_tokens,
                },
            }
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        models.close()

    route = Route("/v1/chat/completions", complete, methods=["POST"])
    return Starlette(routes=[route], lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="file of the answers")
    parser.add_argument("--port", type=int, default=0, help="by default any that is free")
    options = parser.parse_args()
    app = make_app(Models(options.cache))
    with socket.create_server(("127.0.0.1", options.port)) as ours:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else answers wait 40 ms
        print(f"serving at http://127.0.0.1:{ours.getsockname()[1]}/v1", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([ours])


if __name__ == "__main__":
    main()
