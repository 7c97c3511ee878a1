"""The gateway: two models behind one address, and a Switcher that chooses between them.

Requests and answers pass as they came, byte by byte, but for the name of the model. This file knows
requests of HTTP. `router.py` decides, `relay.py` passes answers on, and `errors.py` words refusals.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from londi.config.serve import GatewayConfig
from londi.errors import BudgetSpent, InvalidConfig, UnknownName, UnknownSession
from londi.models.usage import Body
from londi.serve.asking import SPENT, ShadowTasks
from londi.serve.body import RequestBody
from londi.serve.core.policy import Judgement
from londi.serve.errors import AsciiJSON, Refusal, refusal
from londi.serve.estimates import read_estimate
from londi.serve.identity import HEADER
from londi.serve.live.view import LiveView
from londi.serve.live.web import DATA, LiveAddresses
from londi.serve.metrics import Metrics
from londi.serve.questions import (
    Asked,
    answer_decisions,
    answer_system_one,
    read_decisions,
    read_system_one,
)
from londi.serve.relay import HOP, Relay
from londi.serve.router import Router, Target, check_model
from londi.serve.transport import AiohttpTransport

PREFIX = "/s/{session}"
"""Before the address of an API: names the session for clients that only take an address."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = b"x-londi-"
"""Beginning of the headers that are for us."""


class Gateway:
    """Relays requests to the model that the Switcher chooses.

    Args:
        config: the settings.
        router: decides.
        client: asks the models.
    """

    def __init__(self, config: GatewayConfig, router: Router, client: httpx2.AsyncClient) -> None:
        self._config, self._router, self._client = config, router, client
        self._names = {"londi", "auto", config.quick.model, config.deepthink.model}
        self.metrics, self.shadow_tasks = Metrics(router), ShadowTasks()
        self.view = LiveView(config, router, self.metrics)
        self.live = LiveAddresses(self.view, self._client_of, bool(config.clients))

    async def relay(self, request: Request) -> Response:
        """The answer of the chosen model to a request of one of the known APIs."""
        path = request.url.path
        try:
            who = self._client_of(request.headers)
            content = await self._content(request)
            headers = _headers(request)
            routed = await self._router.aroute(path, headers, content, self._names, who)
        except BudgetSpent as error:
            self.metrics.failed("BudgetSpent")
            return refusal(path, SPENT, str(error))
        except (Refusal, InvalidConfig, UnknownName) as error:
            return refused(path, error)
        assert routed is not None  # only addresses of known APIs come here
        return Relay(path, routed, partial(self._send, request), self.metrics, self.shadow_tasks)

    async def feedback(self, request: Request) -> Response:
        """`POST /v1/feedback {"session", "step", "value"}`."""
        try:
            who = self._client_of(request.headers)
            given = json.loads(await self._content(request))
            if not isinstance(given, dict) or given.keys() - {"session", "step", "value"}:
                raise InvalidConfig("feedback: expected the keys session, step and value")
            name, step = given.get("session"), given.get("step")
            value: Any = given.get("value")
            if not isinstance(name, str):
                raise InvalidConfig(f"session: expected a text, got {name!r}")
            if step is not None and type(step) is not int:
                raise InvalidConfig(f"step: expected a whole number or nothing, got {step!r}")
            self._router.steps.feedback(name, value, step, who)
        except Refusal as error:
            return refusal("", error.status, str(error))
        except InvalidConfig as error:
            return refusal("", 404 if isinstance(error, UnknownSession) else 400, str(error))
        except (ValueError, RecursionError):
            return refusal("", 400, "feedback: expected JSON")
        return JSONResponse({"ok": True})

    async def decisions(self, request: Request) -> Response:
        """`POST /v1/decisions`: the Switcher as a decision model, in OpenAI's shape."""
        return await self._judged(request, read_decisions, answer_decisions)

    async def system_one(self, request: Request) -> Response:
        """`POST /v1/systemone`: the same in the shape of System One."""
        return await self._judged(request, read_system_one, answer_system_one)

    async def _judged(
        self,
        request: Request,
        read: Callable[[Body], Asked],
        answer: Callable[[Asked, Judgement, Sequence[str], str], Body],
    ) -> Response:
        path = request.url.path
        try:
            who = self._client_of(request.headers)
            body = RequestBody(await self._content(request)).values
            check_model(body, self._names)
            question = read(body)
            judged = await self._router.ajudge(question, _headers(request), who)
            sessions = self._router.steps.sessions
            told = answer(question, judged, sessions.serving.models, sessions.policy.version)
        except (Refusal, InvalidConfig, UnknownName) as error:
            return refused(path, error)
        try:
            return AsciiJSON(told)
        except ValueError:
            return refusal(path, 400, "request: expected finite numbers, and no huge ones")

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`: the names that a request may have."""
        del request
        listed = [
            {"id": name, "object": "model", "created": 0, "owned_by": "londi"}
            for name in sorted(self._names)
        ]
        return JSONResponse({"object": "list", "data": listed})

    async def health(self, request: Request) -> Response:
        """`GET /healthz`."""
        del request
        sessions = self._router.steps.sessions
        told = {"status": "ok", "policy": sessions.policy.version}
        if off := sessions.rollout.off:
            told["off"] = off
        return JSONResponse(told)

    async def exposed(self, request: Request) -> Response:
        """`GET /metrics`, in Prometheus's format, for those who may ask the models."""
        try:
            self._client_of(request.headers)
        except Refusal as error:
            return refused(request.url.path, error)
        return Response(self.metrics.text(), media_type=self.metrics.media_type)

    async def _send(self, request: Request, target: Target) -> httpx2.Response:
        headers = httpx2.Headers(
            [
                (name, value)
                for name, value in request.headers.raw
                if name not in HOP and not name.startswith(_OURS) and not self._secret(name)
            ]
        )
        for name in target.dropped:
            headers.pop(name, None)
        headers.update({"accept-encoding": "identity"} | target.headers)
        assert target.url is not None  # the settings of a gateway have addresses
        sent = self._client.build_request(
            "POST", target.url, headers=headers, content=target.content
        )
        return await self._client.send(sent, stream=True)

    def _secret(self, name: bytes) -> bool:
        """Whether a header holds the key of one of our own clients."""
        return bool(self._config.clients) and name in (b"authorization", b"x-api-key")

    def _client_of(self, headers: Mapping[str, str]) -> str:
        """The name of the client that asks, by its key; empty where keys are not asked for."""
        if not self._config.clients:
            # Any page of a browser on this machine could ask; each POST of one names its origin.
            if "origin" in headers:
                raise Refusal(403, "web pages can ask with a key only; name it in `clients`")
            return ""
        bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
        given = bearer or headers.get("x-api-key", "")
        digest = hash_key(given)
        for name, known in self._config.clients.items():
            if hmac.compare_digest(known, digest):
                return name
        raise Refusal(401, "the key of this request is unknown")

    async def _content(self, request: Request) -> bytes:
        """The body, as long as it is not too large."""
        most, content = self._config.most_bytes, bytearray()
        try:
            async for part in request.stream():
                content += part
                if len(content) > most:
                    raise Refusal(413, f"a request has at most {most:,} bytes")
        except ClientDisconnect as error:
            raise Refusal(499, "the client went away") from error
        return bytes(content)


def refused(path: str, error: Refusal | InvalidConfig | UnknownName) -> Response:
    """The answer to a request at `path` that cannot be served."""
    if isinstance(error, Refusal):
        return refusal(path, error.status, str(error))
    return refusal(path, 404 if isinstance(error, UnknownName) else 400, str(error))


def hash_key(key: str) -> str:
    """A key as it stands in the settings: its SHA-256."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def make_app(config: GatewayConfig, router: Router | None = None) -> Starlette:
    """The gateway as an ASGI application.

    Raises:
        LondiError: if the settings cannot be used.
    """
    if config.estimate:
        read_estimate(Path(config.estimate).expanduser())
    client = httpx2.AsyncClient(
        timeout=httpx2.Timeout(config.timeout, connect=config.connect_timeout),
        transport=AiohttpTransport(),
        follow_redirects=False,
    )
    router = router or Router.of(config)
    gateway = Gateway(config, router, client)
    _ = router.steps.sessions.rollout.off  # a guard reads the traces before anybody waits

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        try:
            async with client:
                yield
                await gateway.shadow_tasks.aclose()
        finally:
            gateway.view.close()
            router.close()

    routes = [
        Route("/", gateway.live.page),
        Route(DATA, gateway.live.data),
        Route("/healthz", gateway.health),
        Route("/metrics", gateway.exposed),
        *(
            Route(f"{prefix}/v1{path}", handler, methods=[method])
            for prefix in ("", PREFIX)
            for path, handler, method in (
                ("/chat/completions", gateway.relay, "POST"),
                ("/responses", gateway.relay, "POST"),
                ("/messages", gateway.relay, "POST"),
                ("/decisions", gateway.decisions, "POST"),
                ("/systemone", gateway.system_one, "POST"),
                ("/models", gateway.models, "GET"),
                ("/feedback", gateway.feedback, "POST"),
            )
        ),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=_HANDLERS)


def _headers(request: Request) -> dict[str, str]:
    """The headers, names in lower case; a session that the address names is one of them.

    Raises:
        InvalidConfig: if one has a control character, which could not be sent on.
    """
    if any(_CONTROL.search(value) for _, value in request.headers.raw):
        raise InvalidConfig("headers: expected no control characters")
    headers = {name.lower(): value for name, value in request.headers.items()}
    if session := request.path_params.get("session"):
        headers[HEADER] = session
    return headers


async def _no_such_page(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    said = {405: "this address takes another method"}.get(status, "there is no such address")
    return refusal(request.url.path, status, said)


async def _failed(request: Request, error: Exception) -> Response:
    del error  # it is in the log; a client learns nothing of it
    return refusal(request.url.path, 500, "the gateway failed")


_HANDLERS: Any = {404: _no_such_page, 405: _no_such_page, Exception: _failed}
