"""LiteLLM: a plugin of its router that leaves one of two deployments of a model group.

    litellm.callbacks = [plugin := SwitcherPlugin(router)]
    Router(model_list=[...], plugins=[plugin], num_retries=1)

The plugin chooses, and as a callback it settles: it has to be both. `metadata["session_id"]` of a
request names the session; LiteLLM writes into that dict, so that each request needs its own. A
retry of LiteLLM asks the other model. `metadata["routing_plugin_signals"]["londi"]` says who was
asked. A plugin sees no tools, so that their tokens are in no bound, and hears nothing of a stream
that is left before its end: what was held for it stays held.
"""

from __future__ import annotations

from typing import Any

from londi.errors import extras_named
from londi.serve.apis import CHAT
from londi.serve.hosts.common import replaced
from londi.serve.step import Step
from londi.serve.steps import StepRouter
from londi.types import Usage

with extras_named():
    from litellm.integrations.custom_logger import CustomLogger


class SwitcherPlugin(CustomLogger):
    def __init__(self, router: StepRouter) -> None:
        super().__init__()
        self._router = router
        self._asked, self._failed = dict[str, Step](), dict[str, Step]()

    async def run(self, context: Any) -> Any:
        step = self._failed.pop(_key(context.metadata), None)  # a retry
        if step is None:
            session = str(context.metadata.get("session_id", ""))
            step = self._router.step({"messages": context.structured_messages}, session=session)
        left, name = context.candidate_models, f"/{step.model}"
        context.candidate_models = [model for model in left if f"/{model}".endswith(name)]
        context.signals["londi"] = step.account()
        self._asked[str(context.signals["londi"])] = step
        return context

    async def async_log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        if step := self._asked.pop(_key(kwargs["litellm_params"]["metadata"]), None):
            logged = kwargs["standard_logging_object"]["metadata"]
            used = CHAT.used(Usage(), {"usage": logged["usage_object"]})
            step.settle(used if used.tokens else None)

    async def async_log_failure_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
        metadata, error = kwargs["litellm_params"]["metadata"], kwargs["exception"]
        if step := self._asked.pop(_key(metadata), None):
            refused = hasattr(error, "status_code")
            if refused and metadata["max_retries"] and replaced(step, error):
                self._failed[_key(metadata)] = step
            else:
                step.release() if refused else step.settle(None)


def _key(metadata: Any) -> str:
    return str(metadata.get("routing_plugin_signals", {}).get("londi"))
