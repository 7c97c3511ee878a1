"""The agent of agent.py between two models."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from pathlib import Path

from agent import make_agent
from smolagents import OpenAIModel

import londi
from londi.serve.hosts.smolagents import SwitcherModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--switcher", default=Path(__file__).with_name("switcher.yaml"))
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL"))
    parser.add_argument("--session", default="", help="name of the conversation")
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()

    with closing(londi.StepRouter.read(options.switcher)) as router:
        quick, deepthink = (
            OpenAIModel(
                one.model,
                api_base=one.base_url or options.base_url,
                # Where one fails, the other is asked.
                client_kwargs={"max_retries": 0},
                retry=False,
            )
            for one in (router.config.quick, router.config.deepthink)
        )
        model = SwitcherModel(router, quick, deepthink, session=options.session)
        print(make_agent(model, stream=options.stream).run(options.question))
        print(model.told)


if __name__ == "__main__":
    main()
