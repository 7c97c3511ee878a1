"""A router on an event loop, which a slow policy does not hold up."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import numpy as np
import pytest

from londi.config.serve import GatewayConfig, UpstreamConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_prompt_encoder
from londi.envs.prompt import Prompt
from londi.serve.client import AsyncSwitchingTransport
from londi.serve.core.arms import Arm, Arms
from londi.serve.core.budget import Amount
from londi.serve.core.policy import Policy, always_deepthink, load_policy
from londi.serve.core.serving import Serving
from londi.serve.core.sessions import Sessions
from londi.serve.gateway import make_app
from londi.serve.router import Router
from londi.serve.steps import StepRouter
from londi.switching.switcher import ConstantSwitcher
from londi.types import Array, Reply

BODY = {"model": "londi", "messages": [{"role": "user", "content": "hi"}]}
QUESTION = {"model": "londi", "input": "hi", "questions": [{"type": "predicate"}]}
PATH = "/v1/chat/completions"
CONFIG = GatewayConfig(
    quick=UpstreamConfig(model="small", base_url="http://127.0.0.1:1/v1"),
    deepthink=UpstreamConfig(model="large", base_url="http://127.0.0.1:1/v1"),
    switcher="always-deepthink",
)


class WaitingEncoder(Encoder):
    """An encoder that takes until it is let go."""

    size = 1
    spec = "waiting"

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.threads: list[str] = []

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> Array:
        self.threads.append(threading.current_thread().name)
        self.begun.set()
        assert self.go.wait(10), "nobody else was served meanwhile"
        return np.zeros((len(prompts), 1), np.float32)


def router_of(encoder: Encoder) -> Router:
    """A router that calls DEEPTHINK, three times in a session."""
    policy = Policy(ConstantSwitcher(1.0), encoder, "waiting")
    serving = Serving(models=("small", "large"), budget=Amount(3, np.inf, np.inf))
    return Router(StepRouter(CONFIG, Sessions(policy, serving)), ("", ""))


@asynccontextmanager
async def serving(encoder: Encoder) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a gateway in this process."""
    app = make_app(CONFIG, router_of(encoder))
    inner = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=inner, base_url="http://gateway") as client,
    ):
        yield client


@pytest.mark.parametrize(("path", "body"), [(PATH, BODY), ("/v1/decisions", QUESTION)])
def test_others_are_served_while_a_slow_policy_decides(path: str, body: dict[str, Any]) -> None:
    encoder = WaitingEncoder()

    async def ask() -> None:
        async with serving(encoder) as client:
            first = asyncio.create_task(client.post(path, json=body))
            assert await asyncio.to_thread(encoder.begun.wait, 10)
            assert (await client.get("/healthz")).status_code == 200
            assert not first.done()
            encoder.go.set()
            # Nobody listens at the models' address.
            assert (await first).status_code == (502 if path == PATH else 200)

    asyncio.run(ask())


def test_a_quick_policy_decides_at_once() -> None:
    encoder = WaitingEncoder()
    encoder.slow = False
    encoder.go.set()

    async def ask() -> None:
        async with serving(encoder) as client:
            await client.post(PATH, json=BODY)

    asyncio.run(ask())
    assert encoder.threads == ["MainThread"]


def test_the_slow_policy_of_another_arm_has_a_thread_too() -> None:
    encoder, policy = WaitingEncoder(), always_deepthink(load_policy("always-quick"))
    encoder.go.set()
    previous = Policy(ConstantSwitcher(1.0), encoder, "waiting")
    serving = Serving(models=("small", "large"))
    sessions = Sessions(policy, serving, rollout=Arms([Arm("previous", 1.0, previous)]))
    assert not policy.slow
    asyncio.run(ask_router(Router(StepRouter(CONFIG, sessions), ("", ""))))
    assert len(encoder.threads) == 1 and encoder.threads != ["MainThread"]


@pytest.mark.parametrize("spec", ["text", "none"])
def test_words_are_hashed_at_once(spec: str) -> None:
    made = make_prompt_encoder(spec)
    assert made is not None and not made.slow


async def ask_router(router: Router) -> None:
    await router.aroute(PATH, {"x-londi-session": "mine"}, json.dumps(BODY).encode())


async def ask_client(router: Router) -> None:
    inner = httpx2.MockTransport(lambda request: httpx2.Response(200))
    async with httpx2.AsyncClient(transport=AsyncSwitchingTransport(router, inner)) as client:
        await client.post(f"http://model{PATH}", json=BODY, headers={"x-londi-session": "mine"})


@pytest.mark.parametrize("ask", [ask_router, ask_client])
def test_a_request_that_is_given_up_while_it_is_decided_holds_nothing(
    ask: Callable[[Router], Coroutine[Any, Any, None]],
) -> None:
    encoder = WaitingEncoder()
    router = router_of(encoder)

    async def give_up() -> None:
        task = asyncio.create_task(ask(router))
        assert await asyncio.to_thread(encoder.begun.wait, 10)
        task.cancel()
        encoder.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    router.close()
    session = router.steps.sessions.find("mine")
    assert session is not None and session.left.calls == 3 and not session.waits


def test_a_policy_decides_in_place_of_the_switcher_that_the_settings_name() -> None:
    encoder = make_prompt_encoder("none")
    assert encoder is not None
    mine = Policy(ConstantSwitcher(0.0), encoder, "mine")
    decided = []
    for policy in (mine, None):
        router = Router.of(CONFIG, policy)
        decision = router.steps.step(BODY).decision
        decided.append((decision.model, decision.policy))
        router.close()
    assert decided == [("small", "mine"), ("large", "always-deepthink")]
