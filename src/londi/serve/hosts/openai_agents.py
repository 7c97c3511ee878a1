"""OpenAI's Agents SDK: a model that asks one of two others at each turn of an agent.

    Agent(name, model=SwitcherModel(router, quick, deepthink))

The id of the conversation, or the trace's `group_id`, names the session. A span `londi` of the
trace says who answered. Streams tell their usage with `ModelSettings(include_usage=True)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import signature
from typing import Any

from londi.errors import extras_named
from londi.serve.apis import RESPONSES
from londi.serve.hosts.common import async_asked, async_streamed, settled
from londi.serve.step import Step
from londi.serve.steps import StepRouter

with extras_named():
    from agents import Model, custom_span, get_current_trace
    from agents.models.openai_responses import Converter


class SwitcherModel(Model):
    def __init__(self, router: StepRouter, quick: Model, deepthink: Model) -> None:
        self._router = router
        self._models: tuple[Any, Any] = (quick, deepthink)

    async def get_response(self, *args: Any, **kw: Any) -> Any:
        with self._step(*args, **kw) as step:
            answer = await async_asked(step, self._models, lambda m: m.get_response(*args, **kw))
            _settle(step, answer.usage)
            return answer

    async def stream_response(self, *args: Any, **kw: Any) -> AsyncIterator[Any]:
        with self._step(*args, **kw) as step:
            events = async_streamed(step, self._models, lambda m: m.stream_response(*args, **kw))
            async for event in events:
                ended = event.type in ("response.completed", "response.incomplete")
                if ended and event.response.usage:
                    _settle(step, event.response.usage)
                yield event

    def _step(self, *args: Any, **kw: Any) -> Step:
        asked = signature(Model.get_response).bind(self, *args, **kw).arguments
        body = {"instructions": asked["system_instructions"], "input": asked["input"]}
        body["tools"] = Converter.convert_tools(asked["tools"], asked["handoffs"]).tools
        body["max_output_tokens"] = asked["model_settings"].max_tokens
        group = (trace := get_current_trace()) and (trace.export() or {}).get("group_id")
        return self._router.step(body, RESPONSES, session=asked["conversation_id"] or group or "")


def _settle(step: Step, used: Any) -> None:
    tokens, cached = (used.input_tokens, used.output_tokens), used.input_tokens_details
    told = settled(step, *tokens, cached.cached_tokens, cached.cache_write_tokens)
    with custom_span("londi", told):
        pass
