"""An agent of OpenAI's Agents SDK with two tools. It takes any model."""

from __future__ import annotations

from agents import Agent, Model, function_tool

FORECASTS = {"Paris": "rain, 14 degrees", "Rome": "sun, 24 degrees"}


@function_tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return FORECASTS.get(city, "unknown")


@function_tool
def packing(forecast: str) -> str:
    """Tell what to pack for a forecast."""
    return "an umbrella" if "rain" in forecast else "sunglasses"


def make_agent(model: Model) -> Agent:
    """An agent that answers questions of travellers."""
    return Agent(
        name="Travel adviser",
        instructions="You advise travellers. Look the weather up before you answer.",
        model=model,
        tools=[weather, packing],
    )
