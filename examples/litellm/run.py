"""The agent of agent.py between two models."""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import closing
from pathlib import Path

import litellm
from agent import answer
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

import londi
from londi.serve.hosts.litellm import SwitcherPlugin


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--switcher", default=Path(__file__).with_name("switcher.yaml"))
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL"))
    parser.add_argument("--session", default="", help="name of the conversation")
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()

    with closing(londi.StepRouter.read(options.switcher)) as router:
        plugin = SwitcherPlugin(router)
        litellm.callbacks = [plugin]
        models = [
            {
                "model_name": "adviser",
                "litellm_params": {
                    "model": f"openai/{one.model}",
                    "api_base": one.base_url or options.base_url,
                    "max_retries": 0,
                },
            }
            for one in (router.config.quick, router.config.deepthink)
        ]
        # Where one model fails, the retry asks the other.
        agent = litellm.Router(models, plugins=[plugin], num_retries=1, disable_cooldowns=True)

        try:
            async for word in answer(
                agent, "adviser", options.question, options.session, options.stream
            ):
                print(word, end="", flush=True)
            print()
        finally:
            # LiteLLM tells of an answer in a task of its own.
            await asyncio.sleep(0)
            await GLOBAL_LOGGING_WORKER.flush()


if __name__ == "__main__":
    asyncio.run(main())
