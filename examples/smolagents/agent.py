"""An agent of smolagents with two tools. It takes any model."""

from __future__ import annotations

from smolagents import Model, ToolCallingAgent, tool

FORECASTS = {"Paris": "rain, 14 degrees", "Rome": "sun, 24 degrees"}


@tool
def weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: name of the city.
    """
    return FORECASTS.get(city, "unknown")


@tool
def packing(forecast: str) -> str:
    """Tell what to pack for a forecast.

    Args:
        forecast: the weather.
    """
    return "an umbrella" if "rain" in forecast else "sunglasses"


def make_agent(model: Model, stream: bool = False) -> ToolCallingAgent:
    """An agent that answers questions of travellers."""
    prompt = "You advise travellers. Look the weather up before you answer."
    return ToolCallingAgent(
        [weather, packing], model, instructions=prompt, stream_outputs=stream, max_steps=4
    )
