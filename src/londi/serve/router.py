"""Requests of an API turned into those of the model that a Switcher chooses.

This file knows requests and their headers. It does not know how bytes travel.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from londi.config.serve import ServeConfig, UpstreamConfig
from londi.errors import InvalidConfig, UnknownName
from londi.models.usage import Body
from londi.serve.answers import AnswerReader
from londi.serve.apis import ANTHROPIC, Api, api_of
from londi.serve.body import RequestBody
from londi.serve.core.policy import Judgement, Policy
from londi.serve.questions import Asked
from londi.serve.shadow import Shadow, Shadows
from londi.serve.step import Step
from londi.serve.steps import StepRouter, made_of

T = TypeVar("T")

_log = logging.getLogger(__name__)

KEYS = ("authorization", "x-api-key", "api-key")
"""Headers that hold a key; none of a request's goes to a model that has a key of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, and how it differs from what came.

    Attributes:
        url: the address; None for that of the request.
        dropped: headers of the request that do not go along, names in lower case.
        headers: in place of the request's headers of these names.
        content: the body.
    """

    url: str | None
    dropped: tuple[str, ...]
    headers: dict[str, str]
    content: bytes


class Router:
    """Decides which model answers a request.

    Args:
        steps: decides, and keeps the account.
        keys: key of each model's API; empty to leave that of the request.
        shadows: draws which steps have a shadow answer; None for no step.
    """

    def __init__(
        self, steps: StepRouter, keys: tuple[str, str], shadows: Shadows | None = None
    ) -> None:
        self.steps, self._keys, self._shadows = steps, keys, shadows
        # One alone: not every encoder may be called by two at once.
        self._thread = ThreadPoolExecutor(1, "decisions")

    @classmethod
    def of(cls, config: ServeConfig, policy: Policy | None = None) -> Self:
        """A router with sessions of its own.

        Args:
            config: the settings.
            policy: decides in place of the Switcher that the settings name.

        Raises:
            LondiError: if the Switcher cannot be loaded or does not fit, or a key is missing.
        """
        keys = (_key("quick", config.quick), _key("deepthink", config.deepthink))
        steps = StepRouter.of(config, policy)
        shadows = None
        if config.shadow.any and steps.traces is not None:
            shadows = Shadows(config.shadow, steps, steps.traces)
        return cls(steps, keys, shadows)

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """The router of a YAML file of settings (`londi.config.serve.ServeConfig`).

        Raises:
            LondiError: if the file cannot be used; see `of`.
        """
        return made_of(Path(file), cls.of)

    def route(
        self,
        path: str,
        headers: Mapping[str, str],
        content: bytes,
        names: Collection[str] | None = None,
        who: str = "",
    ) -> Routed | None:
        """The request with its decision; None where it is of no API that is known.

        Args:
            path: of its address.
            headers: names in lower case.
            content: its body.
            names: models that it may name; None for any.
            who: name of the client, whose sessions are its own.

        Raises:
            InvalidConfig: if the body is no JSON object.
            UnknownName: if it names another model.
        """
        api = api_of(path)
        if api is None:
            return None
        body = RequestBody(content)
        if names is not None:
            check_model(body.values, names)
        step = self.steps.step(body.values, api, headers=headers, client=who, size=len(content))
        return Routed(self, api, body, step, len(content))

    async def aroute(
        self,
        path: str,
        headers: Mapping[str, str],
        content: bytes,
        names: Collection[str] | None = None,
        who: str = "",
    ) -> Routed | None:
        """`route` for an event loop, which goes on while a slow policy decides."""
        decide = partial(self.route, path, headers, content, names, who)
        return await self._decided(decide, _leave)

    async def ajudge(
        self, asked: Asked, headers: Mapping[str, str] | None = None, client: str = ""
    ) -> Judgement:
        """`StepRouter.judge` for an event loop; see `aroute`."""
        judge = partial(self.steps.judge, asked, headers, client)
        return await self._decided(judge, lambda judged: None)

    async def _decided(self, decide: Callable[[], T], leave: Callable[[T], None]) -> T:
        """What `decide` returns.

        Args:
            decide: called on a thread where a policy is slow.
            leave: called with what `decide` has returned where nobody waits for it any more.
        """
        sessions = self.steps.sessions
        if not (sessions.policy.slow or sessions.rollout.slow):
            return decide()
        deciding = self._thread.submit(decide)
        try:
            return await asyncio.wrap_future(deciding)
        except asyncio.CancelledError:

            def ended(late: Future[T]) -> None:
                if not late.cancelled() and late.exception() is None:
                    leave(late.result())

            deciding.add_done_callback(ended)
            raise

    def target(self, api: Api, body: RequestBody, choice: int) -> Target:
        """The request to the model of that choice."""
        config = self.steps.config
        upstream = (config.quick, config.deepthink)[choice]
        url = upstream.base_url.rstrip("/") + api.path if upstream.base_url else None
        content, key = body.with_model(upstream.model), self._keys[choice]
        if not key:
            return Target(url, (), {}, content)
        named = {"x-api-key": key} if api is ANTHROPIC else {"authorization": f"Bearer {key}"}
        return Target(url, KEYS, named, content)

    def shadow(
        self, step: Step, api: Api, body: RequestBody, size: int
    ) -> tuple[Shadow, Target] | None:
        """The shadow answer of a step that is being answered, and the request for it.

        None where it has none, as where the answer would do more than be read (`Api.acts`).
        """
        if self._shadows is None or api.acts(body.values):
            return None
        try:
            shadow = self._shadows.draw(step, api, body, size)
            if shadow is None:
                return None
            with ExitStack() as stack:
                stack.enter_context(shadow)  # ends here where there is no request for it
                target = self.target(api, body, shadow.choice)
                target = replace(target, content=shadow.content)
                stack.pop_all()
        except Exception:  # whatever it is, the real answer goes on
            _log.exception("a shadow answer could not be asked for")
            return None
        return shadow, target

    @property
    def reads_answers(self) -> bool:
        """Whether the messages of answers are read, and not their usage alone."""
        config = self.steps.config
        return config.keep_texts or bool(config.shadow.any and config.shadow.encoder)

    def close(self) -> None:
        """Write what waits to be written, and let go of files and connections."""
        self._thread.shutdown()
        if self._shadows is not None:
            self._shadows.close()
        self.steps.close()


class Routed:
    """One request, and the step that it is.

    Attributes:
        step: its decision, and its account.
    """

    def __init__(self, router: Router, api: Api, body: RequestBody, step: Step, size: int) -> None:
        self._router, self._api, self._body, self._size = router, api, body, size
        self.step = step

    def target(self) -> Target:
        """The request to the model that is asked."""
        return self._router.target(self._api, self._body, self.step.choice)

    def shadow(self) -> tuple[Shadow, Target] | None:
        """The shadow answer, and the request for it; None where the step has none.

        A step that was refused has none: the models are busy enough.
        """
        if self.step.status is None or self.step.status >= 300:
            return None
        return self._router.shadow(self.step, self._api, self._body, self._size)

    def reader(self, content_type: str) -> AnswerReader:
        """What reads the answer while it passes."""
        self.step.answers()
        streams = content_type.startswith("text/event-stream")
        return AnswerReader(self._api, streams, self._router.reads_answers)

    def headers(self) -> dict[str, str]:
        """Headers of the answer: who gave it, why, and what is left."""
        account = self.step.account()
        told = {
            f"x-londi-{name.replace('_', '-')}": f"{value:g}"
            if type(value) is float
            else str(value)
            for name, value in account.items()
        }
        # A header has no other characters, and no space at its ends.
        return {
            name: value
            for name, value in told.items()
            if value.isascii() and value == value.strip()
        }


def _leave(routed: Routed | None) -> None:
    """Give back what a request holds that was given up before any model was asked."""
    if routed is not None:
        routed.step.release()


def check_model(body: Body, names: Collection[str]) -> None:
    """Refuse a request that names another model.

    Raises:
        UnknownName: if it names none of `names`.
    """
    model = body.get("model")
    if not (isinstance(model, str) and model in names):
        raise UnknownName("model", str(model), names)


def _key(name: str, upstream: UpstreamConfig) -> str:
    """The key of an API, from the environment."""
    if not upstream.key:
        return ""
    if not (key := os.environ.get(upstream.key)):
        raise InvalidConfig(f"{name}.key: the environment variable {upstream.key!r} is not set")
    return key
