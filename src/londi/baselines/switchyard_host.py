"""Switchyard's `stage_router` as a process: `python switchyard_host.py`.

It is run by the interpreter that has `nemo-switchyard`. A line of its input is a JSON object with
`settings` of the router and `conversations`, each a list of messages; the line that it answers with
says of each conversation whether the `capable` model is to go on, or what `error` there was. It
ends where its input does. This file knows nothing of londi.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

MODELS = {"efficient": ["quick"], "capable": ["deepthink"], "any": ["quick", "deepthink"]}


async def picks_capable(router: Any, messages: list[Any]) -> bool:
    """Whether the router picks the capable model; no model is called."""
    request = {"model": "auto", "messages": messages}
    chosen: str | None = None
    async for step in router.run_stream(request, MODELS):
        chosen = step.outcome.selected_model_ids[0]
    if chosen is None:
        raise RuntimeError("the router ended without a choice")
    return chosen == MODELS["capable"][0]


async def picks(router: Any, conversations: list[list[Any]]) -> list[bool]:
    """The same of several conversations, one after the other."""
    return [await picks_capable(router, messages) for messages in conversations]


def main() -> None:
    """Answer until the input ends."""
    from switchyard.libsy.algorithms import stage_router

    routers: dict[str, Any] = {}
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            name = json.dumps(asked["settings"], sort_keys=True)
            if name not in routers:
                routers[name] = stage_router(**asked["settings"])
            answer: dict[str, Any] = {
                "capable": asyncio.run(picks(routers[name], asked["conversations"]))
            }
        except Exception as error:  # whatever it is, the other side tells it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # its threads may crash where an interpreter ends in the usual way


if __name__ == "__main__":
    main()
