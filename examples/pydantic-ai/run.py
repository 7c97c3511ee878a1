"""The agent of agent.py between two models."""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import closing
from pathlib import Path

from agent import make_agent
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import londi
from londi.serve.hosts.pydantic_ai import SwitcherModel


async def stream(agent: Agent, question: str, session: str) -> None:
    async with agent.run_stream(question, conversation_id=session or None) as answer:
        async for text in answer.stream_text(delta=True):
            print(text, end="", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--switcher", default=Path(__file__).with_name("switcher.yaml"))
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL"))
    parser.add_argument("--session", default="", help="id of the conversation")
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()

    with closing(londi.StepRouter.read(options.switcher)) as router:
        quick, deepthink = (
            OpenAIChatModel(
                one.model,
                provider=OpenAIProvider(
                    # Where one fails, the other is asked.
                    openai_client=AsyncOpenAI(
                        base_url=one.base_url or options.base_url, max_retries=0
                    )
                ),
            )
            for one in (router.config.quick, router.config.deepthink)
        )
        agent = make_agent(SwitcherModel(router, quick, deepthink))

        if options.stream:
            asyncio.run(stream(agent, options.question, options.session))
        else:
            answer = agent.run_sync(options.question, conversation_id=options.session or None)
            for message in answer.all_messages():
                print((message.metadata or {}).get("londi", ""))
            print(answer.output)


if __name__ == "__main__":
    main()
