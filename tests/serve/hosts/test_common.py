"""What the selectors of all frameworks share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from londi.config.serve import BudgetConfig, ServeConfig, UpstreamConfig
from londi.serve.hosts.common import asked, async_asked, async_streamed, chat_of, settled, streamed
from londi.serve.step import Step
from londi.serve.steps import StepRouter

MODELS = ("small", "large")
BODY = {"messages": [{"role": "user", "content": "hello"}]}


class Refused(Exception):
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def step_of(**budget: Any) -> Step:
    """A step at which DEEPTHINK is chosen."""
    config = ServeConfig(
        quick=UpstreamConfig(model="small"),
        deepthink=UpstreamConfig(model="large"),
        switcher="always-deepthink",
        budget=BudgetConfig(**budget),
    )
    return StepRouter.of(config).step(BODY, session="mine")


class Asked:
    """Models of which some fail."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.models: list[str] = []

    def __call__(self, model: str) -> str:
        self.models.append(model)
        if model in self.failures:
            raise self.failures[model]
        return f"I am {model}"

    def stream(self, model: str) -> Iterator[str]:
        yield from self(model).split()

    async def wait(self, model: str) -> str:
        return self(model)

    async def stream_later(self, model: str) -> AsyncIterator[str]:
        for word in self(model).split():
            yield word


def ask_plainly(step: Step, ask: Asked) -> str:
    return asked(step, MODELS, ask)


def ask_later(step: Step, ask: Asked) -> str:
    return asyncio.run(async_asked(step, MODELS, ask.wait))


def ask_in_parts(step: Step, ask: Asked) -> str:
    return " ".join(streamed(step, MODELS, ask.stream))


def ask_in_parts_later(step: Step, ask: Asked) -> str:
    async def collect() -> list[str]:
        return [word async for word in async_streamed(step, MODELS, ask.stream_later)]

    return " ".join(asyncio.run(collect()))


WAYS = [ask_plainly, ask_later, ask_in_parts, ask_in_parts_later]


@pytest.mark.parametrize("way", WAYS)
def test_the_chosen_model_is_asked_alone(way: Any) -> None:
    ask = Asked()
    assert way(step_of(), ask) == "I am large"
    assert ask.models == ["large"]


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_asks_the_other_model_and_spends_nothing(way: Any) -> None:
    ask = Asked(large=Refused(429))
    step = step_of(calls=1)
    assert way(step, ask) == "I am small"
    assert ask.models == ["large", "small"]
    told = settled(step, 10, 5)
    assert (told["model"], told["reason"], told["calls_left"]) == ("small", "fallback", 1)


@pytest.mark.parametrize("way", WAYS)
def test_any_other_failure_takes_what_was_held(way: Any) -> None:
    step = step_of(calls=1)
    assert way(step, Asked(large=ConnectionError())) == "I am small"
    assert settled(step, 10, 5)["calls_left"] == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_bad_request_is_not_asked_again(way: Any) -> None:
    ask = Asked(large=Refused(400))
    step = step_of(calls=1)
    with pytest.raises(Refused):
        way(step, ask)
    assert ask.models == ["large"]
    assert step.account()["calls_left"] == 1, "nobody answered"


@pytest.mark.parametrize("way", WAYS)
def test_where_both_fail_the_second_failure_is_raised(way: Any) -> None:
    ask = Asked(large=Refused(500), small=Refused(503))
    with pytest.raises(Refused) as raised:
        way(step_of(), ask)
    assert raised.value.status_code == 503
    assert ask.models == ["large", "small"]


def test_what_is_no_failure_passes() -> None:
    ask = Asked(large=KeyError())
    with pytest.raises(KeyError):
        asked(step_of(), MODELS, ask, KeyError)
    assert ask.models == ["large"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_behind_the_first_word_nobody_else_is_asked(asynchronous: bool) -> None:
    def stream(model: str) -> Iterator[str]:
        yield "I"
        raise ConnectionError(model)

    async def stream_later(model: str) -> AsyncIterator[str]:
        for word in stream(model):
            yield word

    async def collect(step: Step) -> None:
        async for word in async_streamed(step, MODELS, stream_later):
            assert word == "I"

    with pytest.raises(ConnectionError, match="large"), step_of(calls=1) as step:
        if asynchronous:
            asyncio.run(collect(step))
        else:
            for word in streamed(step, MODELS, stream):
                assert word == "I"
    assert step.account()["calls_left"] == 0


def test_an_answer_without_usage_takes_what_was_held() -> None:
    step = step_of(tokens=100_000)
    held = 100_000 - step.account()["tokens_left"]
    assert settled(step, None, None)["tokens_left"] == 100_000 - held


def test_an_empty_stream_is_an_answer() -> None:
    assert list(streamed(step_of(), MODELS, lambda model: iter(()))) == []


def test_messages_of_telemetry_are_read_as_a_chat() -> None:
    call = {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Paris"}}
    result = {"type": "tool_call_response", "id": "1", "name": "weather", "result": {"rain": 1}}
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}, {"type": "uri"}]},
        {"role": "assistant", "parts": [call]},
        {"role": "user", "parts": [result]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "2", "response": "rain"}]},
    ]
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    called = {"id": "1", "type": "function", "function": function}
    assert list(chat_of(messages)) == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}], "tool_calls": []},
        {"role": "assistant", "content": [], "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "1", "content": '{"rain": 1}'},
        {"role": "tool", "tool_call_id": "2", "content": "rain"},
    ]


HOSTS = {
    "langchain": ("langchain", "langchain"),
    "openai_agents": ("agents", "openai-agents"),
    "pydantic_ai": ("pydantic_ai", "pydantic-ai"),
    "smolagents": ("smolagents", "smolagents"),
    "litellm": ("litellm", "litellm"),
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_selector_without_its_framework_says_what_to_install(host: str) -> None:
    package, extra = HOSTS[host]
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from londi.errors import MissingExtra\n"
        f"try:\n    import londi.serve.hosts.{host}\n"
        "except MissingExtra as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    wanted = f"{package} is not installed; run: pip install 'londi[{extra}]'"
    assert ran.stdout.strip() == wanted, ran.stderr


@pytest.mark.parametrize("host", HOSTS)
def test_a_selector_imports_no_torch(host: str) -> None:
    if find_spec(HOSTS[host][0]) is None:
        pytest.skip(f"{HOSTS[host][0]} is not installed")
    code = f"import sys, londi.serve.hosts.{host}\nprint('torch' in sys.modules)"
    own = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else it asks the network when it is imported
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | own, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "False", ran.stderr
