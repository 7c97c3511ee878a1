"""Language models behind an API that speaks OpenAI's chat completions.

    openai:<model>@<base_url>        such as openai:qwen3@http://localhost:8000/v1

vLLM, llama.cpp, Ollama, LiteLLM and the commercial APIs are reached so. This file knows HTTP and
retries. It does not know how a Switcher decides.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from difflib import get_close_matches
from math import exp
from typing import Any

import httpx2
from anyio.from_thread import start_blocking_portal

from londi.envs.prompt import Prompt
from londi.errors import ModelError, one_line
from londi.models.address import ENDPOINT, Endpoint
from londi.models.base import BaseModel
from londi.models.continued import chunk_answer, chunk_request
from londi.models.retry import RETRIED, wait
from londi.models.usage import member, openai_usage
from londi.types import Reply

KEY = "OPENAI_API_KEY"
"""Environment variable with the key; a local server needs none."""

_ACT = (
    "You act in a text environment. Read the state and answer with the next action only, in one"
    " line and without any explanation."
)


class EndpointModel(BaseModel):
    """A chat model behind an API; it is asked for one action a prompt, at temperature 0.

    Its answers are taken for a function of the prompt and cached as those of any model; a run with
    `cache: none` asks every time. Where a state lists its possible actions, the closest one to the
    answer is taken. Of a text that is written chunk by chunk it is asked for the next chunk, behind
    what stands. Replies have no embedding: a Switcher in front of it reads text.

    Args:
        spec: ``openai:<model>@<base_url>``.
        parallel: most requests at a time.
        max_new_tokens: most tokens of an action.
        timeout: seconds for one try.
        retries: tries after the first one.

    Raises:
        InvalidConfig: if `spec` has another form.
    """

    def __init__(
        self,
        spec: str,
        *,
        parallel: int = 64,
        max_new_tokens: int = 64,
        timeout: float = 120.0,
        retries: int = 5,
    ) -> None:
        self.name = spec
        self.endpoint = Endpoint.of(spec)
        self.fingerprint = (
            f"{ENDPOINT}{self.endpoint.model}@{self.endpoint.base_url}/{max_new_tokens}"
        )
        self._most, self._retries, self._parallel = max_new_tokens, retries, parallel
        key = os.environ.get(KEY)
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._limits = httpx2.Limits(max_connections=parallel, max_keepalive_connections=parallel)
        self._timeout = httpx2.Timeout(timeout)
        # One loop in a thread of its own, so that connections outlive a batch.
        stack = ExitStack()
        self._portal = stack.enter_context(start_blocking_portal())
        self._client = self._portal.call(self._connect)
        stack.callback(self._portal.call, self._client.aclose)
        self.close = weakref.finalize(self, stack.close)

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order; all are asked for side by side.

        Raises:
            ModelError: if the API cannot be reached, refuses, or gives no answer.
        """
        return self._portal.call(self._act, prompts)

    async def _connect(self) -> httpx2.AsyncClient:
        self._slots = asyncio.Semaphore(self._parallel)
        return httpx2.AsyncClient(headers=self._headers, limits=self._limits, timeout=self._timeout)

    async def _act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        asking = [asyncio.ensure_future(self._one(prompt)) for prompt in prompts]
        try:
            return list(await asyncio.gather(*asking))
        finally:
            for task in asking:  # of a batch that failed nothing goes on
                task.cancel()

    async def _one(self, prompt: Prompt) -> Reply:
        body = {
            "model": self.endpoint.model,
            "messages": self._messages(prompt),
            "temperature": 0,
            "max_tokens": self._most,
            "logprobs": True,
        }
        if prompt.chunk:
            body |= chunk_request(prompt, prompt.chunk)
        async with self._slots:
            began = time.perf_counter()
            found = await self._ask(body)
            seconds = time.perf_counter() - began
        try:
            choice = found["choices"][0]
            text = choice["message"]["content"] or ""
        except (KeyError, IndexError, TypeError) as error:
            raise ModelError(f"{self._where}: expected a chat completion, got none") from error
        if prompt.chunk:
            try:
                action = chunk_answer(choice, text, prompt, prompt.chunk)
            except ModelError as error:
                raise ModelError(f"{self._where}: {error}") from error
        else:
            action = _action(text, prompt.actions)
        logprob = _logprob(choice)
        used = member(found, "usage")
        usage = openai_usage(used, "prompt_tokens", "completion_tokens", "prompt_tokens_details")
        return Reply(
            action,
            logprob or 0.0,
            1.0 if logprob is None else min(1.0, exp(logprob)),
            replace(usage, seconds=seconds),
        )

    def _messages(self, prompt: Prompt) -> list[dict[str, str]]:
        return [
            {"role": "system", "content": _ACT},
            {"role": "user", "content": prompt.text()},
        ]

    async def _ask(self, body: dict[str, Any]) -> Any:
        """The JSON of the answer, after as many tries as it takes.

        A try whose answer has begun is not made again: the model has worked for it.
        """
        url = f"{self.endpoint.base_url}/chat/completions"
        for left in range(self._retries, -1, -1):
            request = self._client.build_request("POST", url, json=body)
            try:
                response = await self._client.send(request, stream=True)
            except httpx2.TransportError as error:
                if not left:
                    raise ModelError(f"{self._where}: {one_line(error)}") from error
                await asyncio.sleep(wait(self._retries - left, None))
                continue
            try:
                content = await response.aread()
            except httpx2.TransportError as error:
                raise ModelError(f"{self._where}: its answer broke off") from error
            finally:
                await response.aclose()
            if response.is_success:
                return _json(content)
            if response.status_code not in RETRIED or not left:
                said = " ".join(response.text.split())[:200]
                raise ModelError(f"{self._where}: status {response.status_code}: {said}")
            await asyncio.sleep(wait(self._retries - left, response.headers.get("retry-after")))
        raise AssertionError("a last try returns or raises")

    @property
    def _where(self) -> str:
        return f"model {self.name!r}"


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _action(text: str, actions: Sequence[str]) -> str:
    """The action that an answer names: its first line, or the possible action closest to that."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not actions:
        return line
    lowered = {action.lower(): action for action in actions}
    near = get_close_matches(line.lower().rstrip(". "), lowered, n=1, cutoff=0.0) if line else []
    return lowered[near[0]] if near else actions[0]


def _logprob(choice: Any) -> float | None:
    """The answer's log-probability; None where the API does not tell."""
    try:
        return float(sum(token["logprob"] for token in choice["logprobs"]["content"]))
    except (KeyError, TypeError, ValueError):
        return None
