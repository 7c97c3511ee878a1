"""What the selectors of all frameworks share: asking, falling back, and the account of a step.

It knows steps, and models that can fail. It knows no framework.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, TypeVar

from londi.models.retry import RETRIED
from londi.serve.step import Step
from londi.types import Usage

Model = TypeVar("Model")
Answer = TypeVar("Answer")


def asked(
    step: Step,
    models: tuple[Model, Model],
    ask: Callable[[Model], Answer],
    passing: type[Exception] | tuple[()] = (),
) -> Answer:
    """The answer of the chosen model, or of the other one where that fails.

    Args:
        step: the step that is answered.
        models: QUICK and DEEPTHINK.
        ask: asks one of them.
        passing: exceptions that are no failures.
    """
    while True:
        try:
            return ask(models[step.choice])
        except Exception as error:
            if isinstance(error, passing) or not replaced(step, error):
                raise


async def async_asked(
    step: Step,
    models: tuple[Model, Model],
    ask: Callable[[Model], Awaitable[Answer]],
    passing: type[Exception] | tuple[()] = (),
) -> Answer:
    """The answer of the chosen model, or of the other one; see `asked`."""
    while True:
        try:
            return await ask(models[step.choice])
        except Exception as error:
            if isinstance(error, passing) or not replaced(step, error):
                raise


def streamed(
    step: Step, models: tuple[Model, Model], ask: Callable[[Model], Iterator[Answer]]
) -> Iterator[Answer]:
    """The parts of an answer; see `asked`. After the first one nobody else is asked."""

    def begin(model: Model) -> Iterator[Answer]:
        parts = ask(model)
        return chain(list(islice(parts, 1)), parts)

    parts = asked(step, models, begin)
    step.answers()
    yield from parts


async def async_streamed(
    step: Step, models: tuple[Model, Model], ask: Callable[[Model], AsyncIterator[Answer]]
) -> AsyncIterator[Answer]:
    """The parts of an answer; see `streamed`."""

    async def begin(model: Model) -> tuple[list[Answer], AsyncIterator[Answer]]:
        parts = ask(model)
        try:
            return [await anext(parts)], parts
        except StopAsyncIteration:
            return [], parts

    first, parts = await async_asked(step, models, begin)
    step.answers()
    for part in first:
        yield part
    async for part in parts:
        yield part


def chat_of(messages: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Messages of OpenTelemetry's conventions for generative AI, as chat completions have them."""
    for message in messages:
        texts, calls = [], []
        for part in message["parts"]:
            if part["type"] == "text":
                texts.append({"type": "text", "text": part.get("content", "")})
            elif part["type"] == "tool_call":
                arguments = _json(part.get("arguments", {}))
                function = {"name": part["name"], "arguments": arguments}
                calls.append({"id": part.get("id"), "type": "function", "function": function})
            elif part["type"] == "tool_call_response":
                content = _json(part.get("response", part.get("result", "")))
                yield {"role": "tool", "tool_call_id": part.get("id"), "content": content}
        if texts or calls:
            yield {"role": message["role"], "content": texts, "tool_calls": calls}


def replaced(step: Step, error: Exception) -> bool:
    """Whether the other model is to be asked in place of one that failed.

    A refusal of an API has a status, and spends nothing. Behind any other failure the model may
    have been asked, and all that was held for it is taken.
    """
    status = getattr(error, "status_code", None)
    refused = isinstance(status, int)
    if (not refused or status in RETRIED) and step.fall_back(spent=not refused):
        return True
    if refused:
        step.release()
    return False


def settled(
    step: Step,
    tokens: int | None,
    output_tokens: int | None,
    cached: int | None = 0,
    written: int | None = 0,
) -> dict[str, Any]:
    """Note the usage of an answer, and say who gave it, why, and what is left.

    Args:
        step: the step that was answered.
        tokens: of the prompt, those of the cache included; 0 or None where nobody counted them.
        output_tokens: of the answer.
        cached: tokens of the prompt that were in the provider's cache.
        written: tokens of it that were put there.
    """
    usage = Usage(
        calls=1,
        tokens=tokens or 0,
        output_tokens=output_tokens or 0,
        cached_tokens=cached or 0,
        cache_write_tokens=written or 0,
    )
    step.settle(usage if usage.tokens else None)
    return step.account()


def _json(value: Any) -> str:
    """A text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
