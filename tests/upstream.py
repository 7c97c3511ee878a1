"""A real HTTP server with the shapes of three APIs, and models that fail in known ways.

The name of a model says what it does: `small` and `large` answer, `broken` refuses with 500, `busy`
with 429, `cut` breaks off in the middle, `slow` waits until it is let go, `silent` tells no usage,
`html` answers with a page, `actor` acts in an environment, `teller` says what it is told to,
`writer-<server>` goes on with a text as vLLM, SGLang, llama.cpp or a plain server does. Where a
request has tools, a model whose name begins with `caller` first calls one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS, CACHED, OUTPUT = 1000, 400, 50
"""Usage of each answer."""


class Upstream(ThreadingHTTPServer):
    """The server; it runs in a thread from `__enter__` to `__exit__`.

    Attributes:
        asked: path, headers and JSON of each request.
        go: lets the slow model answer.
        waiting: a slow model was asked.
        script: status and headers of refusals that come first; status 0 closes the connection.
        says: answers of `teller`, the first one first.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.raw: list[bytes] = []
        self.script: list[tuple[int, dict[str, str]]] = []
        self.says: list[str] = []
        self.go, self.waiting = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def models(self) -> list[str]:
        """The models that were asked, in order."""
        return [body["model"] for _, _, body in self.asked if isinstance(body, dict)]

    def __enter__(self) -> Upstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer in several writes would take 40 ms

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers), None))
        self._send(200, json.dumps({"object": "list", "data": []}).encode())

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(raw)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.raw.append(raw)
        self.server.asked.append((self.path, headers, body))
        model = body.get("model")
        if self.server.script:
            status, told = self.server.script.pop(0)
            if status == 0:
                self.close_connection = True
                return None
            return self._send(status, b"{}", more=told)
        if model in ("broken", "busy"):
            told = {"error": {"message": "no", "type": "server_error"}}
            return self._send({"broken": 500, "busy": 429}[model], json.dumps(told).encode())
        if model == "actor":
            return self._send(200, json.dumps(_act(body)).encode())
        if isinstance(model, str) and model.startswith("writer-"):
            return self._send(200, json.dumps(_write(model, body)).encode())
        if model == "teller":
            whole, _ = _chat(model)
            whole["choices"][0]["message"]["content"] = self.server.says.pop(0)
            return self._send(200, json.dumps(whole).encode())
        if model == "html":
            return self._send(200, b"<html>hello</html>", "text/html")
        if model == "slow":
            self.server.waiting.set()
            self.server.go.wait()
        make = {"chat/completions": _chat, "responses": _response, "messages": _message}
        kind = next(name for name in make if self.path.endswith(name))
        whole, events = make[kind](model, _tool_call(body))
        if not body.get("stream"):
            if model == "silent":
                whole.pop("usage")
            text = json.dumps(whole).encode()
            return self._send(
                200, text[: len(text) // 2] if model == "cut" else text, cut=len(text)
            )
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for k, event in enumerate(events):
            if model == "silent" and "usage" in event:
                continue
            if model == "cut" and k == 2:
                self.close_connection = True
                return None
            self._chunk(f"event: {event['type']}\n" if "type" in event else "")
            self._chunk(f"data: {json.dumps(event)}\n\n")
        self._chunk("data: [DONE]\n\n" if kind == "chat/completions" else "")
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _chunk(self, text: str) -> None:
        if text:
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
            self.wfile.flush()

    def _send(
        self,
        status: int,
        content: bytes,
        kind: str = "application/json",
        cut: int | None = None,
        more: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(cut or len(content)))
        self.end_headers()
        self.wfile.write(content)
        if cut and cut != len(content):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


Answer = tuple[dict[str, Any], Iterator[dict[str, Any]]]
ToolCall = tuple[str, str]
"""Name of a tool, and its arguments as JSON."""


def _tool_call(body: dict[str, Any]) -> ToolCall | None:
    """The call of a model that calls tools: of the first one, before any other answer.

    Each text that the tool takes is the last word of what is asked. A framework that lets a model
    answer by a tool alone, named `final_answer`, gets such a call.
    """
    model = body.get("model")
    if not (isinstance(model, str) and model.startswith("caller")) or not body.get("tools"):
        return None
    functions = {f["name"]: f for f in (tool.get("function", tool) for tool in body["tools"])}
    *_, last = asked = body.get("messages") or body["input"]
    if last.get("role") == "tool" or "output" in last or "Observation" in str(last):
        if "final_answer" not in functions:
            return None
        return "final_answer", json.dumps({"answer": f"I am {model}"})
    name, function = next(iter(functions.items()))
    user = [item["content"] for item in asked if item.get("role") == "user"][-1]
    text = user if isinstance(user, str) else user[-1]["text"]
    word = text.split()[-1].strip("?.'\"`")
    return name, json.dumps({key: word for key in function["parameters"]["properties"]})


def _chat(model: str, call: ToolCall | None = None) -> Answer:
    usage = {
        "prompt_tokens": TOKENS,
        "completion_tokens": OUTPUT,
        "total_tokens": TOKENS + OUTPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED},
    }
    frame = {"id": "c", "created": 0, "model": model}
    message = {"role": "assistant", "content": f"I am {model}"}
    calls: list[dict[str, Any]] = []
    reason = "stop"
    if call:
        function = {"name": call[0], "arguments": call[1]}
        calls, reason = (
            [{"id": f"call-{id(call)}", "type": "function", "function": function}],
            "tool_calls",
        )
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    whole = {
        **frame,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": usage,
    }

    def events() -> Iterator[dict[str, Any]]:
        chunk = {**frame, "object": "chat.completion.chunk"}
        for k, tool_call in enumerate(calls):
            delta = {"role": "assistant", "tool_calls": [{"index": k, **tool_call}]}
            yield {**chunk, "choices": [{"index": 0, "delta": delta}]}
        for word in () if call else ("I ", "am ", model):
            yield {**chunk, "choices": [{"index": 0, "delta": {"content": word}}]}
        yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        yield {**chunk, "choices": [], "usage": usage}

    return whole, events()


def _act(body: dict[str, Any]) -> dict[str, Any]:
    """The answer of a model that says the last word of the state, with its log-probability."""
    word = body["messages"][-1]["content"].split()[-1]
    whole, _ = _chat("actor")
    choice = whole["choices"][0]
    choice["message"]["content"] = f"  {word}\nbecause of it"
    choice["logprobs"] = {"content": [{"token": word, "logprob": -0.5}, {"logprob": -0.25}]}
    return whole


WRITTEN = "One: 1.\n\nIs it two? It is. \nEnd."
"""The text that writers write."""


def _write(model: str, body: dict[str, Any]) -> dict[str, Any]:
    """The next words of a text, up to a stop; a token is a letter."""
    *_, last = body["messages"]
    begun = last["content"] if last["role"] == "assistant" else ""
    assert WRITTEN.startswith(begun)
    rest, stops = WRITTEN[len(begun) :], body.get("stop", [])
    at, stop = min(
        ((rest.find(stop), stop) for stop in stops if stop in rest), default=(None, None)
    )
    said = rest[:at][: body["max_tokens"]]
    long = len(said) == body["max_tokens"]
    ended = not long and stop is None
    tokens = [{"token": letter, "logprob": -0.01} for letter in said]
    whole, _ = _chat(model)
    whole["usage"] |= {"completion_tokens": len(said) + (not long)}
    (choice,) = whole["choices"]
    choice["finish_reason"] = "length" if long else "stop"
    if model == "writer-vllm":
        choice["stop_reason"] = stop if not long else None
    elif model == "writer-sglang":
        choice["matched_stop"] = None if long else stop or 2
    elif model == "writer-llamacpp":
        tokens += [{"token": "", "logprob": -0.01}] * ended
        said = begun + said
    choice["message"]["content"] = said
    choice["logprobs"] = {"content": tokens}
    return whole


def _response(model: str, call: ToolCall | None = None) -> Answer:
    part = {"type": "output_text", "text": f"I am {model}", "annotations": []}
    item = {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    if call:
        item = {
            "type": "function_call",
            "id": "f",
            "call_id": f"call-{id(call)}",
            "name": call[0],
            "arguments": call[1],
            "status": "completed",
        }
    whole = {
        "id": "r",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": model,
        "output": [item],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": TOKENS,
            "output_tokens": OUTPUT,
            "total_tokens": TOKENS + OUTPUT,
            "input_tokens_details": {"cached_tokens": CACHED},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }

    def events() -> Iterator[dict[str, Any]]:
        began = {**whole, "status": "in_progress", "output": [], "usage": None}
        yield {"type": "response.created", "sequence_number": 0, "response": began}
        for k, word in enumerate(() if call else ("I ", "am ", model), 1):
            yield {
                "type": "response.output_text.delta",
                "sequence_number": k,
                "item_id": "m",
                "output_index": 0,
                "content_index": 0,
                "delta": word,
                "logprobs": [],
            }
        yield {"type": "response.completed", "sequence_number": 4, "response": whole}

    return whole, events()


def _message(model: str, call: ToolCall | None = None) -> Answer:
    usage = {
        "input_tokens": TOKENS - CACHED - 100,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": 100,
        "output_tokens": OUTPUT,
    }
    whole = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": f"I am {model}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }

    def events() -> Iterator[dict[str, Any]]:
        began = {**whole, "content": [], "usage": {**usage, "output_tokens": 1}}
        yield {"type": "message_start", "message": began}
        block = {"type": "text", "text": ""}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        for word in ("I ", "am ", model):
            delta = {"type": "text_delta", "text": word}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": OUTPUT}}
        yield {"type": "message_stop"}

    return whole, events()
