"""An agent with two tools on OpenAI's client. It takes any client, and the name of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from openai import OpenAI

FORECASTS = {"Paris": "rain, 14 degrees", "Rome": "sun, 24 degrees"}


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return FORECASTS.get(city, "unknown")


def packing(forecast: str) -> str:
    """Tell what to pack for a forecast."""
    return "an umbrella" if "rain" in forecast else "sunglasses"


TOOLS = {"weather": (weather, "city"), "packing": (packing, "forecast")}
SCHEMAS: Any = [
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


def answer(client: OpenAI, model: str, question: str, stream: bool = False) -> Iterator[str]:
    """The words of the answer; with `stream` as they come."""
    messages: list[Any] = [
        {"role": "system", "content": "You advise travellers. Look the weather up first."},
        {"role": "user", "content": question},
    ]
    while True:
        asked: Any = {"model": model, "messages": messages, "tools": SCHEMAS}
        if stream:
            asked["stream_options"] = {"include_usage": True}
            with client.chat.completions.stream(**asked) as events:
                for event in events:
                    if event.type == "content.delta":
                        yield event.delta
                message = events.current_completion_snapshot.choices[0].message
        else:
            message = client.chat.completions.create(**asked).choices[0].message
            yield message.content or ""
        if not message.tool_calls:
            return
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            function, argument = TOOLS[call.function.name]
            result = function(json.loads(call.function.arguments)[argument])
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
