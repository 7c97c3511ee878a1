"""Chunks of a text from models behind an API, as several servers answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from londi.envs.generate.env import LINE, SENTENCE
from londi.envs.generate.prompt import WritingPrompt
from londi.envs.prompt import Chunk
from londi.errors import ModelError
from londi.models.endpoint import EndpointModel
from upstream import WRITTEN, Upstream

LINES = ["One: 1.\n", "\n", "Is it two? It is. \n", "End."]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def text(begun: str, chunk: Chunk) -> WritingPrompt:
    return WritingPrompt("Write!", (), (begun,), chunk=chunk)


def whole(upstream: Upstream, server: str, chunk: Chunk) -> list[str]:
    """The chunks of a text up to its end, as the environment would ask for them."""
    model = EndpointModel(f"openai:writer-{server}@{upstream.url}")
    chunks: list[str] = []
    try:
        while not chunks or chunk.goes_on(chunks[-1]):
            (reply,) = model.act([text("".join(chunks), chunk)])
            chunks.append(reply.action)
    finally:
        model.close()
    return chunks


def test_the_text_so_far_is_the_beginning_of_the_answer(upstream: Upstream) -> None:
    model = EndpointModel(f"openai:writer-vllm@{upstream.url}")
    first, second = model.act([text("", Chunk(LINE, 9)), text(LINES[0], Chunk((), 3))])
    bodies = {len(body["messages"]): body for _, _, body in upstream.asked}
    task = {"role": "user", "content": "Write!"}
    assert bodies[1]["messages"] == [task]
    assert bodies[1]["stop"] == ["\n"] and bodies[1]["max_tokens"] == 9
    assert "continue_final_message" not in bodies[1]
    assert bodies[2]["messages"] == [task, {"role": "assistant", "content": "One: 1.\n"}]
    assert bodies[2]["continue_final_message"] is True
    assert bodies[2]["add_generation_prompt"] is False
    assert "stop" not in bodies[2] and bodies[2]["max_tokens"] == 3
    assert first.action == "One: 1.\n" and second.action == "\nIs"
    assert first.logprob == pytest.approx(-0.07) and first.usage.output_tokens == 8
    model.close()


@pytest.mark.parametrize("server", ["vllm", "sglang"])
def test_a_server_that_names_the_stop_writes_a_text_as_it_is(
    upstream: Upstream, server: str
) -> None:
    assert whole(upstream, server, Chunk(LINE, 50)) == LINES
    sentences = ["One: 1.\n", "\n", "Is it two? ", "It is. ", "\n", "End."]
    assert whole(upstream, server, Chunk(SENTENCE, 50)) == sentences
    # Chunks of tokens end with an empty one.
    assert whole(upstream, server, Chunk((), 20)) == [WRITTEN[:20], WRITTEN[20:], ""]


def test_llama_cpp_shows_the_end_of_a_text_and_repeats_what_stands(upstream: Upstream) -> None:
    model = EndpointModel(f"openai:writer-llamacpp@{upstream.url}")
    (reply,) = model.act([text("".join(LINES[:3]), Chunk(LINE, 50))])
    assert reply.action == "End.", "no line break that was not written"
    model.close()
    # It writes nothing before a blank line, which ends the text.
    assert whole(upstream, "llamacpp", Chunk(LINE, 50)) == ["One: 1.\n", ""]
    assert whole(upstream, "llamacpp", Chunk((), 20)) == [WRITTEN[:20], WRITTEN[20:], ""]


def test_a_plain_server_is_asked_once_more_at_the_end(upstream: Upstream) -> None:
    model = EndpointModel(f"openai:writer-plain@{upstream.url}")
    last = "".join(LINES[:3])
    replies = model.act([text(last, Chunk(LINE, 50)), text(WRITTEN, Chunk(LINE, 50))])
    assert [reply.action for reply in replies] == ["End.\n", ""]
    model.close()


@pytest.mark.parametrize("server", ["plain", "llamacpp"])
def test_sentences_need_a_server_that_names_the_stop(upstream: Upstream, server: str) -> None:
    with pytest.raises(ModelError) as caught:
        whole(upstream, server, Chunk(SENTENCE, 50))
    said = str(caught.value)
    assert said.startswith(f"model 'openai:writer-{server}@") and "\n" not in said
    assert "a server that names the stop of an answer (vLLM, SGLang) is needed" in said


def test_a_line_that_is_too_long_is_not_closed(upstream: Upstream) -> None:
    model = EndpointModel(f"openai:writer-vllm@{upstream.url}")
    (reply,) = model.act([text("", Chunk(LINE, 4))])
    assert reply.action == "One:"
    model.close()
