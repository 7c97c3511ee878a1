"""The agent of agent.py between two models."""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import closing
from pathlib import Path

from agent import make_agent
from agents import (
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    set_trace_processors,
)
from agents.tracing import TracingProcessor
from openai import AsyncOpenAI

import londi
from londi.serve.hosts.openai_agents import SwitcherModel

APIS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


class Accounts(TracingProcessor):
    """Gathers who answered; nothing is sent to OpenAI's traces."""

    def __init__(self) -> None:
        self.told = []

    def on_span_end(self, span) -> None:
        if span.span_data.export().get("name") == "londi":
            self.told.append(span.span_data.data)

    def on_trace_start(self, trace) -> None: ...
    def on_trace_end(self, trace) -> None: ...
    def on_span_start(self, span) -> None: ...
    def shutdown(self) -> None: ...
    def force_flush(self) -> None: ...


async def run(options: argparse.Namespace, model: Model) -> None:
    agent = make_agent(model)
    # A stream tells its usage where it is asked to.
    told = ModelSettings(include_usage=True)
    config = RunConfig(group_id=options.session or None, model_settings=told)
    if not options.stream:
        result = await Runner.run(agent, options.question, run_config=config)
        print(result.final_output)
        return
    answer = Runner.run_streamed(agent, options.question, run_config=config)
    async for event in answer.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            print(event.data.delta, end="", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--switcher", default=Path(__file__).with_name("switcher.yaml"))
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL"))
    parser.add_argument("--api", choices=APIS, default="chat")
    parser.add_argument("--session", default="", help="group of the traces")
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()

    with closing(londi.StepRouter.read(options.switcher)) as router:
        quick, deepthink = (
            APIS[options.api](
                one.model,
                # Where one fails, the other is asked.
                AsyncOpenAI(base_url=one.base_url or options.base_url, max_retries=0),
            )
            for one in (router.config.quick, router.config.deepthink)
        )
        accounts = Accounts()
        set_trace_processors([accounts])
        asyncio.run(run(options, SwitcherModel(router, quick, deepthink)))
        print(*accounts.told, sep="\n")


if __name__ == "__main__":
    main()
