"""A chunk of a text, asked for through OpenAI's chat completions.

The text so far is the beginning of the assistant's answer, which vLLM, SGLang and llama.cpp go on
with; OpenAI's own API refuses to. This file knows the JSON of requests and answers, and no HTTP.
"""

from __future__ import annotations

from typing import Any

from londi.envs.prompt import Chunk, Prompt
from londi.errors import ModelError
from londi.models.usage import Body


def chunk_request(prompt: Prompt, chunk: Chunk) -> dict[str, Any]:
    """The messages, stops and bounds of a request for the next chunk."""
    asked, begun = prompt.chat()
    request: dict[str, Any] = {
        "messages": [{"role": "user", "content": asked}],
        "max_tokens": chunk.tokens,
    }
    if chunk.stops:
        request["stop"] = list(chunk.stops)
    if begun:
        request["messages"].append({"role": "assistant", "content": begun})
        request |= {"continue_final_message": True, "add_generation_prompt": False}
    return request


def chunk_answer(choice: Body, text: str, prompt: Prompt, chunk: Chunk) -> str:
    """The chunk that an answer gives, with the stop that closed it.

    An API leaves out the stop. vLLM and SGLang name it, and llama.cpp shows the model's end token;
    a server that does neither is taken to have stopped at a line break, or, where it wrote
    nothing, at the text's end.

    Args:
        choice: the choice of the answer.
        text: its text.
        prompt: what was asked.
        chunk: bounds of the chunk.

    Raises:
        ModelError: if one of several stops closed the chunk, and the server does not say which.
    """
    _, begun = prompt.chat()
    text = text.removeprefix(begun)  # some servers repeat it
    if not chunk.stops or chunk.goes_on(text) or choice.get("finish_reason") != "stop":
        return text
    named = choice.get("stop_reason", choice.get("matched_stop"))
    if isinstance(named, str):
        return text + named
    if "stop_reason" in choice or "matched_stop" in choice or _shows_end(choice) or not text:
        return text
    if len(chunk.stops) > 1:
        raise ModelError(
            "a server that names the stop of an answer (vLLM, SGLang) is needed for sentences;"
            " with others a text can be written by lines or tokens"
        )
    return text + chunk.stops[0]


def _shows_end(choice: Body) -> bool:
    """Whether the last token of an answer has no text, as a model's end token."""
    try:
        return str(choice["logprobs"]["content"][-1]["token"]) == ""
    except (KeyError, IndexError, TypeError):
        return False
