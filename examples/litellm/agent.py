"""An agent with two tools on LiteLLM's router. It takes any router, and the name of a model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from litellm import Router, stream_chunk_builder

FORECASTS = {"Paris": "rain, 14 degrees", "Rome": "sun, 24 degrees"}


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return FORECASTS.get(city, "unknown")


def packing(forecast: str) -> str:
    """Tell what to pack for a forecast."""
    return "an umbrella" if "rain" in forecast else "sunglasses"


TOOLS = {"weather": (weather, "city"), "packing": (packing, "forecast")}
SCHEMAS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": function.__doc__,
            "parameters": {
                "type": "object",
                "properties": {argument: {"type": "string"}},
                "required": [argument],
            },
        },
    }
    for name, (function, argument) in TOOLS.items()
]


async def answer(
    router: Router, model: str, question: str, session: str = "", stream: bool = False
) -> AsyncIterator[str]:
    """The words of the answer; with `stream` as they come."""
    messages: list[Any] = [
        {"role": "system", "content": "You advise travellers. Look the weather up first."},
        {"role": "user", "content": question},
    ]
    told: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    while True:
        response: Any = await router.acompletion(
            model, messages, tools=SCHEMAS, metadata={"session_id": session}, **told
        )
        if stream:
            chunks = []
            async for chunk in response:
                chunks.append(chunk)
                yield chunk.choices[0].delta.content or "" if chunk.choices else ""
            response = stream_chunk_builder(chunks, messages)
        message = response.choices[0].message
        if not message.tool_calls:
            if not stream:
                yield message.content
            return
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            function, argument = TOOLS[call.function.name]
            result = function(json.loads(call.function.arguments)[argument])
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
