"""Shadow answers: what the other model would have said, asked beside the real answer.

Whether a step has one is drawn for each model by its own share, whoever has answered. A shadow
answer has a budget of its own, changes nothing that an agent sees, and is a row of the traces. This
file knows requests and traces, and not how bytes travel.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import numpy as np

from londi.config.serve import ShadowConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_prompt_encoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig
from londi.serve.answers import AnswerReader
from londi.serve.apis import RESPONSES, Api
from londi.serve.body import RequestBody
from londi.serve.core.budget import Amount, Scope
from londi.serve.step import Step
from londi.serve.steps import StepRouter, amount_of
from londi.storage.trace_tables import Row, usage_row
from londi.storage.traces import TraceStore, as_json, now
from londi.types import Usage

_STREAMED = ("stream", "stream_options")


class Shadows:
    """Draws which steps have a shadow answer, and writes them down.

    Args:
        config: the shares, and the budget.
        steps: whose steps they are.
        traces: where they are written down.

    Raises:
        LondiError: if the encoder cannot be made.
    """

    def __init__(self, config: ShadowConfig, steps: StepRouter, traces: TraceStore) -> None:
        self._config, self._steps, self._traces = config, steps, traces
        self._encoder = _encoder(config.encoder)
        self._most = amount_of(config.budget)
        self._open, self._lock = 0, threading.Lock()
        # Embeddings take time that no answer may wait for.
        self._writer = ThreadPoolExecutor(1, "shadows")

    def draw(self, step: Step, api: Api, body: RequestBody, size: int) -> Shadow | None:
        """The shadow answer of a step that is being answered; None where it has none.

        Args:
            step: the step.
            api: shape of the request.
            body: the request.
            size: its bytes.
        """
        other = 1 - step.choice
        share = (self._config.quick, self._config.deepthink)[other]
        if self._drawn(step) >= share:
            return None
        scope = Scope(f"shadow:{datetime.now(UTC):%Y-%m-%d}", self._most)
        bound = self._steps.bound(api, body.values, size, other)
        with self._lock:
            if self._open >= self._config.at_once:
                return None
            if not self._steps.sessions.ledger.reserve([scope], bound):
                return None
            self._open += 1
        model = self._steps.sessions.serving.models[other]
        return Shadow(self, step, api, body, other, model, share, bound, scope)

    def ended(self, shadow: Shadow, usage: Usage | None) -> None:
        """Settle the budget of a shadow answer, and write it down once its step has ended.

        Args:
            shadow: the shadow answer.
            usage: of it; where nobody knows it, all that was held is taken.
        """
        taken = shadow.bound
        if usage is not None:
            taken = Amount.of(usage, self._steps.sessions.serving.prices[shadow.choice])
        self._steps.sessions.ledger.settle([shadow.scope], shadow.bound, taken)
        with self._lock:
            self._open -= 1
        shadow.step.when_ended(lambda: self._writer.submit(self._write, shadow))

    def close(self) -> None:
        """Write what waits to be written."""
        self._writer.shutdown()

    def _drawn(self, step: Step) -> float:
        """A number in [0, 1) for the step, which does not depend on its choice."""
        name = step.decision.session.encode(errors="surrogatepass")
        seeds = np.random.SeedSequence(
            [self._steps.sessions.seed, *name], spawn_key=(1, step.decision.step)
        )
        return float(np.random.default_rng(seeds).random())

    def _write(self, shadow: Shadow) -> None:
        texts = [_text(shadow.api, shadow.message), _text(shadow.api, shadow.step.message)]
        row = shadow.row(self._steps.config.keep_texts)
        if self._encoder is not None and all(texts):
            one, other = _embedded(self._encoder, texts)
            row |= {"embedding": one, "answer_embedding": other}
        self._traces.add("shadows", row)


class Shadow:
    """One shadow answer, from its reservation to its row.

    As a context it ends with its block; one that nobody answered takes all that was held.

    Attributes:
        step: the step that it belongs to.
        api: shape of the request.
        bound: the most that it can take, and what is held for it.
        scope: of its budget.
        choice: the model that is asked, 1 for DEEPTHINK.
        message: the message of its answer as JSON; None where there is none.
    """

    def __init__(
        self,
        shadows: Shadows,
        step: Step,
        api: Api,
        body: RequestBody,
        choice: int,
        model: str,
        share: float,
        bound: Amount,
        scope: Scope,
    ) -> None:
        self._shadows, self._body, self._model, self._share = shadows, body, model, share
        self.step, self.api, self.bound, self.scope, self.choice = step, api, bound, scope, choice
        self._time, self._began, self._seconds = now(), time.perf_counter(), 0.0
        self._status: int | None = None
        self._reader = AnswerReader(api, streams=False, keep=True)
        self.message: object = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._seconds = time.perf_counter() - self._began
        refused = self._status is not None and self._status >= 400
        self._shadows.ended(self, Usage() if refused else self._reader.usage)

    @property
    def content(self) -> bytes:
        """The request to the other model: the same, but not as a stream."""
        values = {n: value for n, value in self._body.values.items() if n not in _STREAMED}
        return json.dumps(values | {"model": self._model}).encode()

    def answered(self, status: int, content: bytes) -> None:
        """Take the answer.

        Args:
            status: of HTTP.
            content: its body.
        """
        self._status = status
        if status < 300:
            self._reader.feed(content)
            self._reader.end()
            self.message = self._reader.message

    def row(self, texts: bool) -> Row:
        """The shadow answer as a row of the traces."""
        decision, usage = self.step.decision, self._reader.usage
        told: dict[str, Any] = {} if usage is None else usage_row(usage)
        if texts and self.message is not None:
            told["answer"] = as_json(self.message)
        return told | {
            "session": decision.session,
            "begun": self.step.begun,
            "step": decision.step,
            "time": self._time,
            "choice": self.choice,
            "model": self._model,
            "share": self._share,
            "status": self._status,
            "seconds": self._seconds,
        }


def _encoder(spec: str) -> Encoder | None:
    if not spec:
        return None
    made = make_prompt_encoder(spec)
    if made is None:
        raise InvalidConfig(
            f"shadow.encoder: expected text, sentence:<model> or model:<name>, got {spec!r}"
        )
    return made


def _text(api: Api, message: object) -> str:
    """The words of an answer, and the tools that it calls."""
    body = {"input": message} if api is RESPONSES else {"messages": [message]}
    read = api.read(body)
    return "\n".join(part for one in read for part in (one.text, *one.calls) if part)


def _embedded(encoder: Encoder, texts: Sequence[str]) -> list[bytes]:
    prompts = [Prompt("", (), (text,), ()) for text in texts]
    rows = encoder.encode(prompts, [])
    return [np.asarray(row, "<f4").tobytes() for row in rows]
