"""smolagents: a model that asks one of two others at each step of an agent.

    ToolCallingAgent(tools, SwitcherModel(router, quick, deepthink))

`session` names the session, for a model of one conversation; without it the session is a hash of
how a task begins. `told` says who gave the last answer. smolagents counts no cached tokens, so that
they are priced as others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from londi.errors import extras_named
from londi.serve.hosts.common import asked, settled, streamed
from londi.serve.step import Step
from londi.serve.steps import StepRouter

with extras_named():
    from smolagents.models import ChatMessage, MessageRole, Model

ROLES = {role: role.value for role in MessageRole} | {
    MessageRole.TOOL_CALL: "assistant",
    MessageRole.TOOL_RESPONSE: "tool",
}


class SwitcherModel(Model):  # type: ignore[misc]  # smolagents ships no types
    def __init__(
        self, router: StepRouter, quick: Model, deepthink: Model, session: str = ""
    ) -> None:
        super().__init__(model_id=f"{quick.model_id} or {deepthink.model_id}")
        self._router, self._session = router, session
        self._models: tuple[Any, Any] = (quick, deepthink)
        self.told: dict[str, Any] = {}

    def generate(self, *args: Any, **kw: Any) -> ChatMessage:
        with self._step(*args, **kw) as step:
            answer = asked(step, self._models, lambda model: model.generate(*args, **kw))
            self._settle(step, answer.token_usage)
            return answer

    def generate_stream(self, *args: Any, **kw: Any) -> Iterator[Any]:
        with self._step(*args, **kw) as step:
            for delta in streamed(step, self._models, lambda m: m.generate_stream(*args, **kw)):
                if delta.token_usage:
                    self._settle(step, delta.token_usage)
                yield delta

    def _step(self, *args: Any, **kw: Any) -> Step:
        body = self._prepare_completion_kwargs(*args, **kw, custom_role_conversions=ROLES)
        return self._router.step(body, session=self._session)

    def _settle(self, step: Step, used: Any) -> None:
        self.told = settled(step, used and used.input_tokens, used and used.output_tokens)
