"""Every example of a framework, with the real package and real servers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import llama
from hosts import DEEPTHINK, QUICK, Ran
from upstream import OUTPUT, TOKENS, Upstream

HOSTS = {
    "openai": "openai",
    "langchain": "langchain_openai",
    "openai-agents": "agents",
    "pydantic-ai": "pydantic_ai",
    "smolagents": "smolagents",
    "litellm": "litellm",
}
"""The examples, and the package that each needs."""


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    if find_spec(HOSTS[request.param]) is None:
        pytest.skip(f"{HOSTS[request.param]} is not installed")
    return str(request.param)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def test_both_models_are_asked_and_their_usage_is_settled(
    host: str, upstream: Upstream, tmp_path: Path
) -> None:
    # The draws depend on the seed and on the session's name alone.
    changes = {"switcher": "random:0.5", "seed": 4}
    ran = Ran(host, tmp_path, upstream.url, "--session", "mine", **changes)
    assert ran.code == 0, ran.err
    assert set(upstream.models) == {QUICK, DEEPTHINK}
    assert ran.column("model") == upstream.models
    assert ran.column("propensity") == [0.5, 0.5]
    assert ran.column("prompt_tokens") == [TOKENS, TOKENS]
    assert ran.column("output_tokens") == [OUTPUT, OUTPUT]


def test_a_budget_of_one_call_is_one_call(host: str, upstream: Upstream, tmp_path: Path) -> None:
    ran = Ran(host, tmp_path, upstream.url, budget={"calls": 1})
    assert ran.code == 0, ran.err
    assert upstream.models == [DEEPTHINK, QUICK]
    assert ran.column("reason") == ["policy", "budget"]
    assert f"I am {QUICK}" in ran.out, "the answer"


def test_an_answer_is_streamed_and_settled(host: str, upstream: Upstream, tmp_path: Path) -> None:
    ran = Ran(host, tmp_path, upstream.url, "--stream", budget={"calls": 1})
    assert ran.code == 0, ran.err
    assert upstream.models == [DEEPTHINK, QUICK]
    assert all(body["stream"] for _, _, body in upstream.asked)
    assert f"I am {QUICK}" in ran.out
    assert ran.column("prompt_tokens") == [TOKENS, TOKENS]
    assert ran.column("output_tokens") == [OUTPUT, OUTPUT]


@pytest.mark.parametrize("options", [[], ["--stream"]])
def test_the_other_model_answers_for_one_that_refuses(
    host: str, options: list[str], upstream: Upstream, tmp_path: Path
) -> None:
    busy = {"model": "busy"}
    ran = Ran(host, tmp_path, upstream.url, *options, deepthink=busy, budget={"calls": 1})
    assert ran.code == 0, ran.err
    assert upstream.models == ["busy", QUICK] * 2
    assert ran.column("model") == [QUICK] * 2
    assert ran.column("calls_left") == [1, 1], "a refusal is no call"
    assert f"I am {QUICK}" in ran.out


def test_one_that_cannot_be_reached_is_replaced(
    host: str, upstream: Upstream, tmp_path: Path
) -> None:
    with Upstream() as gone:
        nowhere = gone.url
    large = {"model": "large", "base_url": nowhere}
    ran = Ran(host, tmp_path, upstream.url, deepthink=large)
    assert ran.code == 0, ran.err
    assert upstream.models == [QUICK] * 2


def test_an_answer_that_breaks_off_takes_all_that_was_held(
    host: str, upstream: Upstream, tmp_path: Path
) -> None:
    if host == "langchain":
        pytest.skip("a middleware sees an answer when it is whole")
    ran = Ran(host, tmp_path, upstream.url, "--stream", deepthink={"model": "cut"})
    assert ran.code != 0
    assert upstream.models == ["cut"], "words came already"
    assert ran.column("prompt_tokens") == [None]


@pytest.fixture(scope="session")
def real() -> Iterator[str]:
    """The address of a real model."""
    if llama.weights() is None:
        pytest.skip("no llama.cpp server with its small model")
    with llama.served() as url:
        yield url


def test_a_real_model_is_asked(host: str, real: str, upstream: Upstream, tmp_path: Path) -> None:
    large = {"model": "SmolLM2", "base_url": real}
    ran = Ran(host, tmp_path, upstream.url, "--stream", deepthink=large, budget={"calls": 1})
    assert ran.code == 0, ran.err
    assert ran.steps[0]["model"] == "SmolLM2"
    assert ran.steps[0]["prompt_tokens"] > 10 and ran.steps[0]["output_tokens"] > 0
    assert ran.column("choice")[1:] == [0] * len(ran.steps[1:])


@pytest.mark.parametrize("options", [[], ["--stream"]])
def test_responses_are_read_as_chat_completions_are(
    options: list[str], upstream: Upstream, tmp_path: Path
) -> None:
    pytest.importorskip("agents")
    options = [*options, "--api", "responses", "--session", "mine"]
    ran = Ran("openai-agents", tmp_path, upstream.url, *options, budget={"calls": 1})
    assert ran.code == 0, ran.err
    assert [path for path, _, _ in upstream.asked] == ["/v1/responses"] * 2
    assert upstream.models == [DEEPTHINK, QUICK]
    assert ran.column("session") == ["mine", "mine"]
    assert ran.column("prompt_tokens") == [TOKENS, TOKENS]
    assert f"I am {QUICK}" in ran.out


def test_a_thread_names_the_session(host: str, upstream: Upstream, tmp_path: Path) -> None:
    ran = Ran(host, tmp_path, upstream.url, "--session", "mine")
    assert ran.code == 0, ran.err
    assert ran.column("session") == ["mine", "mine"]
    assert ran.column("step") == [0, 1]
