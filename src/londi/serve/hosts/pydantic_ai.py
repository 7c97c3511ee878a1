"""Pydantic AI: a model that asks one of two others at each request of an agent.

    Agent(SwitcherModel(router, quick, deepthink))

The conversation's id names the session. A response's `metadata["londi"]` says who gave it; a stream
has it when it ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from londi.errors import extras_named
from londi.serve.hosts.common import chat_of, replaced, settled
from londi.serve.step import Step
from londi.serve.steps import StepRouter

with extras_named():
    from pydantic_ai.models import Model
    from pydantic_ai.models.fallback import FallbackModel
    from pydantic_ai.models.instrumented import InstrumentationSettings


class SwitcherModel(FallbackModel):
    def __init__(self, router: StepRouter, quick: Model, deepthink: Model) -> None:
        super().__init__(quick, deepthink)
        self._router = router

    async def request(self, *args: Any) -> Any:
        with self._step(*args) as step:
            return _settled(step, await self._asked(step).request(*args))

    @asynccontextmanager
    async def request_stream(self, *args: Any) -> AsyncIterator[Any]:
        with self._step(*args) as step:
            async with self._asked(step).request_stream(*args) as stream:
                step.answers()
                yield stream
            _settled(step, stream)

    def _asked(self, step: Step) -> FallbackModel:
        chosen, other = self.models[step.choice], self.models[1 - step.choice]
        return FallbackModel(chosen, other, fallback_on=lambda error: replaced(step, error))

    def _step(self, messages: Any, settings: Any, params: Any, *_: Any) -> Step:
        system = [{"role": "system", "content": p.content} for p in params.instruction_parts or ()]
        chat = chat_of(InstrumentationSettings().messages_to_otel_messages(messages))
        tools = [{tool.name: tool.parameters_json_schema} for tool in params.tool_defs.values()]
        body = {**(settings or {}), "messages": [*system, *chat], "tools": tools}
        return self._router.step(body, session=messages[-1].conversation_id or "")


def _settled(step: Step, answer: Any) -> Any:
    used = answer.usage
    cached = used.cache_read_tokens, used.cache_write_tokens
    told = settled(step, used.input_tokens, used.output_tokens, *cached)
    answer.metadata = {**(answer.metadata or {}), "londi": told}
    return answer
