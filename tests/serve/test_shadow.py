"""Shadow answers: drawn whatever the choice, within a budget, and never in the way."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import numpy as np
import openai
import pytest

import londi
from gateways import Gateway
from londi.errors import InvalidConfig
from londi.serve.apis import Api
from londi.serve.body import RequestBody
from londi.serve.client import SwitchingTransport
from londi.serve.router import Router, Target
from londi.serve.shadow import Shadow, Shadows
from londi.storage.traces import read_traces
from upstream import CACHED, OUTPUT, TOKENS, Upstream

ASKED: Any = [{"role": "user", "content": "Who are you?"}]


def settings(folder: Path, **changes: Any) -> Path:
    values = {
        "quick": {"model": "small", "price": {"input": 0.1, "output": 0.4}},
        "deepthink": {"model": "large", "price": {"input": 2.0, "output": 8.0}},
        "switcher": "always-deepthink",
        "traces": str(folder / "traces.db"),
        "seed": 0,
        "shadow": {"quick": 1.0},
    }
    file = folder / "switcher.yaml"
    file.write_text(json.dumps(values | changes))
    return file


def rows(folder: Path, table: str = "shadows") -> list[dict[str, Any]]:
    """The rows of a table; of those that were drawn the ones that were asked for."""
    found = read_traces(folder / "traces.db", table)
    return [row for row in found if not row.get("skipped")]


def skipped(folder: Path) -> list[str]:
    found = read_traces(folder / "traces.db", "shadows")
    return [row["skipped"] for row in found if row["skipped"]]


@pytest.fixture
def upstream() -> Any:
    with Upstream() as server:
        yield server


def agent(upstream: Upstream, client: httpx2.Client) -> openai.OpenAI:
    return openai.OpenAI(base_url=upstream.url, api_key="k", http_client=client, max_retries=0)


@pytest.mark.parametrize("stream", [False, True])
def test_the_other_model_is_asked_beside(upstream: Upstream, tmp_path: Path, stream: bool) -> None:
    file = settings(tmp_path, keep_texts=True)
    with agent(upstream, londi.http_client(file)) as client:
        answer: Any = client.chat.completions.create(
            model="any", messages=ASKED, stream=stream, extra_headers={"x-londi-session": "mine"}
        )
        list(answer) if stream else None
    assert sorted(upstream.models) == ["large", "small"]
    (asked,) = (body for _, _, body in upstream.asked if body["model"] == "small")
    assert asked["messages"] == ASKED and "stream" not in asked
    (row,) = rows(tmp_path)
    (step,) = rows(tmp_path, "steps")
    assert (row["session"], row["step"], row["begun"]) == ("mine", 0, step["begun"])
    assert (row["choice"], row["model"], row["share"], row["status"]) == (0, "small", 1.0, 200)
    tokens = (row["prompt_tokens"], row["cached_tokens"], row["output_tokens"])
    assert tokens == (TOKENS, CACHED, OUTPUT)
    assert json.loads(row["answer"])["content"] == "I am small"
    assert json.loads(step["answer"])["content"] == "I am large"
    assert row["seconds"] > 0 and row["embedding"] is None


def test_other_apis_have_shadow_answers_too(upstream: Upstream, tmp_path: Path) -> None:
    http = londi.http_client(settings(tmp_path, keep_texts=True))
    with anthropic.Anthropic(
        base_url=upstream.url.removesuffix("/v1"), api_key="k", http_client=http
    ) as client:
        client.messages.create(model="any", messages=ASKED, max_tokens=9)
    (row,) = rows(tmp_path)
    assert json.loads(row["answer"])["content"] == [{"type": "text", "text": "I am small"}]


def ask(file: Path, upstream: Upstream, times: int) -> None:
    with agent(upstream, londi.http_client(file)) as client:
        for k in range(times):
            client.chat.completions.create(
                model="any", messages=ASKED, extra_headers={"x-londi-session": f"s{k}"}
            )


def test_the_draw_does_not_depend_on_the_choice(upstream: Upstream, tmp_path: Path) -> None:
    drawn = []
    for switcher in ("always-deepthink", "always-quick"):
        folder = tmp_path / switcher
        folder.mkdir()
        shadow = {"quick": 0.3, "deepthink": 0.3}
        ask(settings(folder, switcher=switcher, shadow=shadow), upstream, 60)
        drawn.append({row["session"] for row in rows(folder)})
        assert {row["share"] for row in rows(folder)} == {0.3}
    assert drawn[0] == drawn[1] and 8 < len(drawn[0]) < 30


def test_there_is_none_of_the_model_that_answers(upstream: Upstream, tmp_path: Path) -> None:
    ask(settings(tmp_path, switcher="always-quick"), upstream, 5)
    assert set(upstream.models) == {"small"} and not rows(tmp_path)


@pytest.mark.parametrize(
    ("budget", "most"),
    [({"calls": 2}, 2), ({"calls": 0}, 0), ({"money": 0.0}, 0), ({"tokens": 100}, 0)],
)
def test_they_have_a_budget_of_their_own(
    upstream: Upstream, tmp_path: Path, budget: dict[str, Any], most: int
) -> None:
    shadow = {"quick": 1.0, "budget": budget}
    ask(settings(tmp_path, shadow=shadow, budget={"calls": 1}), upstream, 6)
    assert upstream.models.count("small") == len(rows(tmp_path)) == most
    assert upstream.models.count("large") == 6  # a budget of one call in each session
    assert skipped(tmp_path) == ["budget"] * (6 - most)


def test_both_answers_are_embedded_without_their_texts(upstream: Upstream, tmp_path: Path) -> None:
    shadow = {"quick": 1.0, "encoder": "text"}
    ask(settings(tmp_path, shadow=shadow), upstream, 1)
    (row,) = rows(tmp_path)
    one, other = (np.frombuffer(row[name], "<f4") for name in ("embedding", "answer_embedding"))
    assert one.shape == other.shape and one.any() and (one != other).any()
    assert row["answer"] is None


@pytest.mark.parametrize(("model", "status"), [("broken", 500), ("cut", None), ("html", 200)])
def test_a_failure_is_no_failure_of_the_answer(
    upstream: Upstream, tmp_path: Path, model: str, status: int | None
) -> None:
    quick = {"model": model, "price": {"input": 0.1, "output": 0.4}}
    ask(settings(tmp_path, quick=quick, shadow={"quick": 1.0}), upstream, 1)
    (row,) = rows(tmp_path)
    assert (row["status"], row["answer"], row["prompt_tokens"]) == (status, None, None)


def test_a_slow_shadow_holds_no_answer_up(upstream: Upstream, tmp_path: Path) -> None:
    quick = {"model": "slow"}
    file = settings(tmp_path, quick=quick, shadow={"quick": 1.0, "at_once": 1})
    with agent(upstream, londi.http_client(file)) as client:
        for _ in range(3):
            answer = client.chat.completions.create(model="any", messages=ASKED)
            assert answer.choices[0].message.content == "I am large"
        upstream.waiting.wait()
        upstream.go.set()
    assert len(rows(tmp_path)) == 1 and skipped(tmp_path) == ["at once"] * 2


class Zipped(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that is no gzip, though its header says so."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"no gzip"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"no gzip"


def answered(request: httpx2.Request) -> httpx2.Response:
    """QUICK's answers cannot be unpacked."""
    if json.loads(request.content)["model"] == "small":
        return httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=Zipped())
    return httpx2.Response(200, json={})


URL = "http://nowhere.invalid/v1/chat/completions"


def test_an_answer_that_cannot_be_unpacked_is_no_failure(
    upstream: Upstream, tmp_path: Path
) -> None:
    failures: list[object] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(told))
        client = londi.async_http_client(settings(tmp_path), httpx2.MockTransport(answered))
        async with client:
            answer = await client.post(URL, json={"messages": ASKED})
            assert answer.status_code == 200
        gc.collect()

    asyncio.run(run())
    gc.collect()
    assert not failures
    (row,) = rows(tmp_path)
    assert row["answer"] is None


@pytest.mark.parametrize("place", ["draw", "target", "content"])
def test_a_shadow_that_cannot_be_asked_for_holds_nothing(
    upstream: Upstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    router = Router.read(settings(tmp_path))
    target = router.target

    def fail(*_: object) -> None:
        raise OSError("a fault")

    def aimed(api: Api, body: RequestBody, choice: int) -> Target:
        return target(api, body, choice) if choice else fail()  # type: ignore[return-value]

    if place == "draw":
        monkeypatch.setattr(Shadows, "draw", fail)
    elif place == "target":
        monkeypatch.setattr(router, "target", aimed)
    else:
        monkeypatch.setattr(Shadow, "content", property(fail))
    with londi.http_client(router, httpx2.MockTransport(answered)) as client:
        for _ in range(3):
            assert client.post(URL, json={"messages": ASKED}).status_code == 200
    assert router._shadows and router._shadows._open == 0
    assert "a shadow answer could not be asked for" in caplog.text
    assert len(rows(tmp_path)) == (0 if place == "draw" else 3)


def test_a_client_that_is_closed_asks_for_none(upstream: Upstream, tmp_path: Path) -> None:
    router = Router.read(settings(tmp_path))
    transport = SwitchingTransport(router, httpx2.MockTransport(answered))
    transport._shadow_threads.shutdown()
    with httpx2.Client(transport=transport) as client:
        assert client.post(URL, json={"messages": ASKED}).status_code == 200
    assert router._shadows and router._shadows._open == 0


@pytest.mark.parametrize(
    ("path", "body", "shadows"),
    [
        ("responses", {"input": "hi"}, 1),
        ("responses", {"input": "hi", "store": True, "previous_response_id": "r"}, 1),
        ("responses", {"input": "hi", "conversation": "c"}, 0),
        ("responses", {"input": "hi", "background": True}, 0),
        ("responses", {"input": "hi", "tools": [{"type": "web_search"}]}, 0),
        ("chat/completions", {"messages": ASKED, "store": True}, 1),
        ("chat/completions", {"messages": ASKED, "conversation": "mine"}, 1),
    ],
)
def test_a_shadow_answer_is_read_and_does_nothing(
    upstream: Upstream, tmp_path: Path, path: str, body: dict[str, Any], shadows: int
) -> None:
    with londi.http_client(settings(tmp_path)) as client:
        client.post(f"{upstream.url}/{path}", json=body)
    asked = [found for _, _, found in upstream.asked if found["model"] == "small"]
    assert len(asked) == shadows
    for found in asked:
        kept = path == "responses"  # what an API does where a request does not say
        assert not found.get("store", kept)


def test_a_gateway_has_them_too(upstream: Upstream, tmp_path: Path) -> None:
    gateway = Gateway(
        tmp_path,
        upstream.url,
        traces=str(tmp_path / "traces.db"),
        shadow={"quick": 1.0},
        keep_texts=True,
    )
    with gateway, openai.OpenAI(base_url=gateway.url, api_key="k") as client:
        answer = client.chat.completions.create(model="londi", messages=ASKED)
        assert answer.choices[0].message.content == "I am large"
    (row,) = rows(tmp_path)
    assert json.loads(row["answer"])["content"] == "I am small"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"traces": ""}, "shadow: expected traces as well"),
        ({"shadow": {"quick": 1.5}}, "shadow.quick: expected a number from 0 to 1, got 1.5"),
        ({"shadow": {"quik": 1}}, "shadow: unknown key 'quik'; did you mean 'quick'?"),
        (
            {"shadow": {"quick": 1, "encoder": "words"}},
            "shadow.encoder: expected text, sentence:<model> or model:<name>, got 'words'",
        ),
        (
            {"shadow": {"quick": 1, "budget": {"money": 1}}, "quick": {"model": "small"}},
            "shadow.budget.money: expected a price of both models as well",
        ),
    ],
)
def test_bad_settings_are_refused(
    upstream: Upstream, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((InvalidConfig, londi.LondiError)) as refused:
        Router.read(settings(tmp_path, **changes))
    assert message in str(refused.value)
