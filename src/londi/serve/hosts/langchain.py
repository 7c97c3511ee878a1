"""LangChain and LangGraph: a middleware that replaces the model of each request of an agent.

    create_agent(quick, tools, middleware=[SwitcherMiddleware(router, quick, deepthink)])

The thread of the graph, or the run, names the session. An answer's `response_metadata["londi"]`
says who gave it. A middleware sees whole answers: where a stream breaks off, the other model
answers after what was shown already.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from londi.errors import extras_named
from londi.serve.hosts.common import asked, async_asked, settled
from londi.serve.step import Step
from londi.serve.steps import StepRouter

with extras_named():
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, convert_to_openai_messages
    from langchain_core.utils.function_calling import convert_to_openai_tool
    from langgraph.errors import GraphBubbleUp  # an interrupt, and no failure


class SwitcherMiddleware(AgentMiddleware):
    def __init__(self, router: StepRouter, quick: BaseChatModel, deepthink: BaseChatModel) -> None:
        self._router, self._models = router, (quick, deepthink)

    def wrap_model_call(self, request: ModelRequest, handler: Any) -> ModelResponse:
        ask = partial(_ask, request, handler)
        with self._step(request) as step:
            return _settled(step, asked(step, self._models, ask, GraphBubbleUp))

    async def awrap_model_call(self, request: ModelRequest, handler: Any) -> ModelResponse:
        ask = partial(_ask, request, handler)
        with self._step(request) as step:
            return _settled(step, await async_asked(step, self._models, ask, GraphBubbleUp))

    def _step(self, request: ModelRequest) -> Step:
        system = [request.system_message] if request.system_message else []
        messages = convert_to_openai_messages([*system, *request.messages])
        tools = [convert_to_openai_tool(tool) for tool in request.tools]
        body = {**request.model_settings, "messages": messages, "tools": tools}
        run = request.runtime.execution_info
        return self._router.step(body, session=(run and (run.thread_id or run.run_id)) or "")


def _ask(request: ModelRequest, handler: Any, model: BaseChatModel) -> Any:
    return handler(request.override(model=model))


def _settled(step: Step, answer: ModelResponse) -> ModelResponse:
    message = next(message for message in answer.result if isinstance(message, AIMessage))
    used: Any = message.usage_metadata or {}
    details = used.get("input_token_details", {})
    cached, written = details.get("cache_read"), details.get("cache_creation")
    tokens = used.get("input_tokens"), used.get("output_tokens"), cached, written
    message.response_metadata["londi"] = settled(step, *tokens)
    return answer
