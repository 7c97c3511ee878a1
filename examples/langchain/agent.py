"""An agent of LangChain with two tools. It takes any chat model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.tools import tool
from langchain_core.language_models import BaseChatModel

FORECASTS = {"Paris": "rain, 14 degrees", "Rome": "sun, 24 degrees"}


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return FORECASTS.get(city, "unknown")


@tool
def packing(forecast: str) -> str:
    """Tell what to pack for a forecast."""
    return "an umbrella" if "rain" in forecast else "sunglasses"


def make_agent(model: BaseChatModel, middleware: Sequence[AgentMiddleware] = ()) -> Any:
    """A graph that answers questions of travellers."""
    prompt = "You advise travellers. Look the weather up before you answer."
    return create_agent(model, [weather, packing], system_prompt=prompt, middleware=middleware)
