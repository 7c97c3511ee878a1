"""An agent of Pydantic AI with two tools. It takes any model."""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.models import Model

FORECASTS = {"Paris": "rain, 14 degrees", "Rome": "sun, 24 degrees"}


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return FORECASTS.get(city, "unknown")


def packing(forecast: str) -> str:
    """Tell what to pack for a forecast."""
    return "an umbrella" if "rain" in forecast else "sunglasses"


def make_agent(model: Model) -> Agent:
    """An agent that answers questions of travellers."""
    prompt = "You advise travellers. Look the weather up before you answer."
    return Agent(model, instructions=prompt, tools=[weather, packing])
