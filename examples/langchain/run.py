"""The agent of agent.py between two models.

python run.py --base-url http://127.0.0.1:8080/v1 "What is the weather in Paris?"
"""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import closing
from pathlib import Path
from typing import Any

from agent import make_agent
from langchain_openai import ChatOpenAI

import londi
from londi.serve.hosts.langchain import SwitcherMiddleware


async def stream(agent: Any, question: Any, config: Any) -> None:
    async for part, _ in agent.astream(question, config, stream_mode="messages"):
        print(part.text, end="", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--switcher", default=Path(__file__).with_name("switcher.yaml"))
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL"))
    parser.add_argument("--session", default="", help="thread of the graph")
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()

    with closing(londi.StepRouter.read(options.switcher)) as router:
        quick, deepthink = (
            ChatOpenAI(
                model=one.model,
                base_url=one.base_url or options.base_url,
                stream_usage=True,
                max_retries=0,  # where one fails, the other is asked
            )
            for one in (router.config.quick, router.config.deepthink)
        )
        agent = make_agent(quick, [SwitcherMiddleware(router, quick, deepthink)])

        question: Any = {"messages": [("user", options.question)]}
        config: Any = {"configurable": {"thread_id": options.session}}
        if options.stream:
            asyncio.run(stream(agent, question, config))
        else:
            for message in agent.invoke(question, config)["messages"]:
                message.pretty_print()
                print(message.response_metadata.get("londi", ""))


if __name__ == "__main__":
    main()
