"""The agent of agent.py between two models."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from agent import answer
from openai import OpenAI

import londi


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--switcher", default=Path(__file__).with_name("switcher.yaml"))
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL"))
    parser.add_argument("--session", default="", help="name of the conversation")
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()

    with londi.http_client(options.switcher) as http_client:
        client = OpenAI(
            base_url=options.base_url,
            http_client=http_client,
            default_headers={"x-londi-session": options.session},
            max_retries=0,  # where one model fails, the other is asked
        )
        for word in answer(client, "any", options.question, options.stream):
            print(word, end="", flush=True)
        print()


if __name__ == "__main__":
    main()
