"""Shadow answers: what the other model would have said, asked beside the real answer.

Whether a step has one is drawn for each model by its own share, whoever has answered. A shadow
answer has a budget of its own, changes nothing that an agent sees, and is a row of the traces. This
file knows requests and traces, and not how bytes travel.
"""

from __future__ import annotations

import json
import logging
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
from londi.serve.apis import RESPONSES, Api, message_text
from londi.serve.body import RequestBody
from londi.serve.core.budget import NO_CAP, ZERO, Amount, Scope
from londi.serve.core.session import drawing
from londi.serve.step import Step
from londi.serve.steps import StepRouter, amount_of
from londi.storage.trace_tables import Row, usage_row
from londi.storage.traces import TraceStore, as_json, now

_log = logging.getLogger(__name__)

_STREAMED = ("stream", "stream_options")


class Shadows:
    """Draws which steps have a shadow answer, and writes them down.

    Args:
        config: the shares, and the budget.
        steps: whose steps they are.
        traces: where they are written down.

    Attributes:
        models: names of QUICK and DEEPTHINK.
        prices: their prices.

    Raises:
        LondiError: if the encoder cannot be made.
    """

    def __init__(self, config: ShadowConfig, steps: StepRouter, traces: TraceStore) -> None:
        self._config, self._steps, self._traces = config, steps, traces
        self.models, self.prices = steps.sessions.serving.models, steps.sessions.serving.prices
        self._encoder = shadow_encoder(config.encoder)
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
        most = self._most
        scopes = [Scope(f"shadow:{datetime.now(UTC):%Y-%m-%d}", most)] if most != NO_CAP else []
        bound = self._steps.bound(api, body.values, size, other)
        shadow = Shadow(self, step, api, body, other, share, bound, scopes)
        with self._lock:
            free = self._open < self._config.at_once
            self._open += free
        if not free:
            self._skip(shadow, "at once")
            return None
        if not self._steps.sessions.ledger.reserve(scopes, bound):
            self._freed()
            self._skip(shadow, "budget")
            return None
        return shadow

    def ended(self, shadow: Shadow, taken: Amount) -> None:
        """Settle the budget of a shadow answer, and write it down once its step has ended."""
        self._steps.sessions.ledger.settle(shadow.scopes, shadow.bound, taken)

        def write() -> None:
            try:
                self._writer.submit(self._write, shadow)
            except RuntimeError:  # closed meanwhile
                self._write(shadow)

        shadow.step.when_ended(write)

    def close(self) -> None:
        """Write what waits to be written."""
        self._writer.shutdown()

    def _drawn(self, step: Step) -> float:
        """A number in [0, 1) for the step, which does not depend on its choice."""
        decision = step.decision
        draws = drawing(self._steps.sessions.seed, decision.session, decision.step, stream=1)
        return float(draws.random())

    def _skip(self, shadow: Shadow, why: str) -> None:
        """Write down that a shadow answer was drawn and not asked for."""
        self._traces.add("shadows", shadow.row(False) | {"skipped": why})

    def _freed(self) -> None:
        with self._lock:
            self._open -= 1

    def _write(self, shadow: Shadow) -> None:
        try:
            self._traces.add("shadows", self._row(shadow))
        except Exception:  # of an encoder, say
            _log.exception("a shadow answer could not be written down")
        finally:
            self._freed()

    def _row(self, shadow: Shadow) -> Row:
        answers = (shadow.message, shadow.step.message)
        texts = [message_text(shadow.api, answer) for answer in answers]
        row = shadow.row(self._steps.config.keep_texts)
        if self._encoder is not None and all(texts):
            one, other = _embedded(self._encoder, texts)
            row |= {"embedding": one, "answer_embedding": other}
        return row


class Shadow:
    """One shadow answer, from its reservation to its row.

    As a context it ends with its block; one that nobody answered takes all that was held.

    Attributes:
        step: the step that it belongs to.
        api: shape of the request.
        bound: the most that it can take, and what is held for it.
        scopes: of its budget; none without a cap.
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
        share: float,
        bound: Amount,
        scopes: list[Scope],
    ) -> None:
        self._shadows, self._body, self._share = shadows, body, share
        self.step, self.api, self.choice = step, api, choice
        self.bound, self.scopes = bound, scopes
        self._model = shadows.models[choice]
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
        usage = self._reader.usage
        taken = self.bound
        if self._status is not None and self._status >= 400:
            taken = ZERO  # a refusal takes nothing
        elif usage is not None:
            taken = Amount.of(usage, self._shadows.prices[self.choice])
        self._shadows.ended(self, taken)

    @property
    def content(self) -> bytes:
        """The request to the other model: the same, but not as a stream, and not to be kept."""
        given = self._body.values
        values = {name: value for name, value in given.items() if name not in _STREAMED}
        values["model"] = self._model
        if self.api is RESPONSES or given.get("store"):
            values["store"] = False
        return json.dumps(values).encode()

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


def shadow_encoder(spec: str) -> Encoder | None:
    """What embeds shadow answers; None where `spec` is empty.

    Raises:
        LondiError: if it cannot be made.
    """
    if not spec:
        return None
    made = make_prompt_encoder(spec)
    if made is None:
        raise InvalidConfig(
            f"shadow.encoder: expected text, sentence:<model> or model:<name>, got {spec!r}"
        )
    return made


def _embedded(encoder: Encoder, texts: Sequence[str]) -> list[bytes]:
    prompts = [Prompt("", (), (text,), ()) for text in texts]
    rows = encoder.checked_encode(prompts, [])
    return [np.asarray(row, "<f4").tobytes() for row in rows]
