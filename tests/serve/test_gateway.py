"""The gateway as a process of its own, before a real server, asked by real clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateways import Gateway, Start
from json_values import json_values
from londi.serve.gateway import hash_key
from londi.storage.traces import read_traces
from upstream import OUTPUT, TOKENS, Upstream

ASKED: Any = [{"role": "user", "content": "Who are you?"}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def url(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with a budget of three calls in each session."""
    with Gateway(tmp_path_factory.mktemp("g"), upstream.url, budget={"calls": 3}) as running:
        yield running.url


@pytest.fixture
def chat(url: str, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    """A client whose requests are of one session, that of the test."""
    named = {"x-londi-session": request.node.name}
    with openai.OpenAI(
        base_url=url, api_key="mine", max_retries=0, default_headers=named
    ) as client:
        yield client


def test_a_base_url_is_all_that_an_agent_needs(chat: openai.OpenAI) -> None:
    for wanted in ("large", "large", "large", "small"):
        answer = chat.chat.completions.create(model="londi", messages=ASKED)
        assert answer.choices[0].message.content == f"I am {wanted}"


@pytest.mark.parametrize("stream", [False, True])
def test_responses_pass(chat: openai.OpenAI, stream: bool) -> None:
    answer: Any = chat.responses.create(model="large", input="Who are you?", stream=stream)
    if stream:
        words = [e.delta for e in answer if e.type == "response.output_text.delta"]
        assert "".join(words) == "I am large"
    else:
        assert answer.output_text == "I am large" and answer.usage.input_tokens == TOKENS


def test_a_stream_passes(chat: openai.OpenAI) -> None:
    stream = chat.chat.completions.create(model="londi", messages=ASKED, stream=True)
    words = [c.choices[0].delta.content or "" for c in stream if c.choices]
    assert "".join(words) == "I am large"


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_messages_pass(url: str, stream: bool) -> None:
    with anthropic.Anthropic(
        base_url=url.removesuffix("/v1"), api_key="mine", max_retries=0
    ) as client:
        ask: Any = {"model": "londi", "messages": ASKED, "max_tokens": 9}
        headers = {"x-londi-session": f"anthropic {stream}"}
        if stream:
            with client.messages.stream(**ask, extra_headers=headers) as answer:
                text = "".join(answer.text_stream)
                assert answer.get_final_message().usage.output_tokens == OUTPUT
        else:
            text = client.messages.create(**ask, extra_headers=headers).content[0].text
        assert text == "I am large"


def test_bytes_pass_as_they_are(url: str, upstream: Upstream, web: httpx2.Client) -> None:
    content = b'{"model" :"londi",  "messages":[], "n":1.50, "tools":[{"parameters":{"$ref":"#"}}]}'
    answer = web.post(f"{url}/chat/completions", content=content)
    assert upstream.raw[-1] == content.replace(b'"londi"', b'"large"')
    direct = web.post(f"{upstream.url}/chat/completions", content=upstream.raw[-1])
    assert answer.content == direct.content
    told = {name for name in answer.headers if name.startswith("x-londi-")}
    assert told >= {"x-londi-model", "x-londi-reason", "x-londi-session", "x-londi-calls-left"}


def test_a_path_names_a_session(url: str, web: httpx2.Client) -> None:
    place = url.replace("/v1", "/s/mine/v1")
    answer = web.post(f"{place}/chat/completions", json={"model": "londi", "messages": ASKED})
    assert answer.headers["x-londi-session"] == "mine"


@pytest.mark.parametrize("model", ["broken", "busy"])
def test_the_other_model_answers_for_one_that_fails(
    model: str, start: Start, upstream: Upstream, web: httpx2.Client
) -> None:
    url = start(deepthink={"model": model, "base_url": upstream.url})
    answer = web.post(f"{url}/chat/completions", json={"model": "londi", "messages": ASKED})
    assert answer.json()["model"] == "small"
    assert answer.headers["x-londi-reason"] == "fallback"


def test_where_nobody_answers_the_client_learns_it(start: Start, web: httpx2.Client) -> None:
    with Upstream() as gone:
        nowhere = gone.url
    url = start(
        quick={"model": "small", "base_url": nowhere},
        deepthink={"model": "large", "base_url": nowhere},
        budget={"calls": 1},
    )
    for path, kind in (("/chat/completions", None), ("/messages", "error")):
        answer = web.post(f"{url}{path}", json={"model": "londi", "messages": ASKED})
        assert answer.status_code == 502
        body = answer.json()
        assert (
            body.get("type") == kind and body["error"]["message"] == "the models cannot be reached"
        )
        assert answer.headers["x-londi-calls-left"] == "1", "nothing was asked"


def test_keys_are_asked_for_and_not_sent_on(
    start: Start, upstream: Upstream, web: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "theirs")
    upstreams = {
        "quick": {"model": "small", "base_url": upstream.url, "key": "UPSTREAM_KEY"},
        "deepthink": {"model": "large", "base_url": upstream.url, "key": "UPSTREAM_KEY"},
    }
    url = start(**upstreams, clients={"a": hash_key("key of a"), "b": hash_key("key of b")})
    ask = {"model": "londi", "messages": ASKED}
    for key in ("key of a", "key of b"):
        named = {"authorization": f"Bearer {key}"}
        answer = web.post(f"{url}/chat/completions", json=ask, headers=named)
        assert answer.headers["x-londi-step"] == "0", "sessions of two clients are two"
        _, headers, _ = upstream.asked[-1]
        assert headers["authorization"] == "Bearer theirs"
        told = {"session": answer.headers["x-londi-session"], "value": 1.0}
        assert web.post(f"{url}/feedback", json=told, headers=named).status_code == 200
    asked = len(upstream.asked)
    for headers in ({}, {"authorization": "Bearer key of c"}, {"x-api-key": ""}):
        answer = web.post(f"{url}/chat/completions", json=ask, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "authentication_error"
    assert len(upstream.asked) == asked


def test_metrics_are_for_those_who_know_a_key(start: Start, web: httpx2.Client) -> None:
    root = start(clients={"a": hash_key("key of a")}).removesuffix("/v1")
    for headers in ({}, {"authorization": "Bearer other"}):
        refused = web.get(f"{root}/metrics", headers=headers)
        assert refused.status_code == 401 and "londi_" not in refused.text
    known = web.get(f"{root}/metrics", headers={"authorization": "Bearer key of a"})
    assert known.status_code == 200 and "londi_ledger_failures_total" in known.text
    assert web.get(f"{root}/healthz").status_code == 200


@pytest.mark.parametrize("path", ["chat/completions", "messages", "feedback", "decisions"])
def test_a_web_page_cannot_ask_without_a_key(
    url: str, upstream: Upstream, web: httpx2.Client, path: str
) -> None:
    before = len(upstream.asked)
    body = {"model": "londi", "messages": ASKED}
    for origin in ("https://example.com", "null"):
        answer = web.post(f"{url}/{path}", json=body, headers={"origin": origin})
        assert answer.status_code == 403 and "key" in answer.json()["error"]["message"]
        assert (answer.json().get("type") == "error") is (path == "messages")
    assert len(upstream.asked) == before


def test_a_web_page_with_a_key_can_ask(start: Start, web: httpx2.Client) -> None:
    url = start(clients={"a": hash_key("key of a"), "a/b": hash_key("key of b")})
    sessions = set()
    for key, session in (("key of a", "b/c"), ("key of b", "c")):
        headers = {"authorization": f"Bearer {key}", "x-londi-session": session}
        answer = web.post(
            f"{url}/chat/completions",
            json={"model": "londi", "messages": ASKED},
            headers=headers | {"origin": "https://example.com"},
        )
        assert answer.status_code == 200
        sessions.add(answer.headers["x-londi-session"])
    assert len(sessions) == 2, "a client cannot name a session of another one"


def test_a_session_may_be_named_threads(url: str, web: httpx2.Client) -> None:
    place = url.replace("/v1", "/s/threads/v1")
    assert web.post(f"{place}/messages", json={"model": "londi"}).status_code == 200


def test_no_key_of_a_request_goes_to_a_model_with_a_key_of_its_own(
    start: Start, upstream: Upstream, web: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "theirs")
    url = start(deepthink={"model": "large", "base_url": upstream.url, "key": "UPSTREAM_KEY"})
    mine = {"authorization": "Bearer mine", "x-api-key": "mine", "api-key": "mine"}
    for path in ("chat/completions", "messages"):
        web.post(f"{url}/{path}", json={"model": "londi", "messages": ASKED}, headers=mine)
        _, headers, _ = upstream.asked[-1]
        assert not any("mine" in value for value in headers.values())


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"no json", 400, "request: expected a JSON object"),
        (b"[]", 400, "request: expected a JSON object"),
        (b'{"model":"londi","messages":' + b"[" * 100_000, 400, "nested too deep"),
        (b'{"model":"gpt-9","messages":[]}', 404, "unknown model 'gpt-9'"),
        (b'{"messages":[]}', 404, "unknown model 'None'"),
        (b'{"model":"londi","messages":["' + b"x" * 2_000_000 + b'"]}', 413, "at most 1,000,000"),
    ],
)
@pytest.mark.parametrize("path", ["/chat/completions", "/messages"])
def test_a_bad_request_is_refused_in_the_apis_own_shape(
    path: str, content: bytes, status: int, said: str, small: str, web: httpx2.Client
) -> None:
    answer = web.post(f"{small}{path}", content=content)
    assert answer.status_code == status
    body = answer.json()
    assert said in body["error"]["message"]
    assert (body.get("type") == "error") is (path == "/messages")


@pytest.fixture(scope="module")
def small(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway that takes small requests only."""
    with Gateway(tmp_path_factory.mktemp("s"), upstream.url, most_bytes=1_000_000) as running:
        yield running.url


def test_other_addresses_and_methods_are_refused(url: str, web: httpx2.Client) -> None:
    assert web.get(f"{url}/nothing").status_code == 404
    assert web.get(f"{url}/nothing").json()["error"]["message"] == "there is no such address"
    assert web.get(f"{url}/messages").status_code == 405


def test_models_health_and_metrics(url: str, web: httpx2.Client, chat: openai.OpenAI) -> None:
    assert {model.id for model in chat.models.list()} == {"auto", "londi", "small", "large"}
    root = url.removesuffix("/v1")
    assert web.get(f"{root}/healthz").json() == {"status": "ok", "policy": "always-deepthink"}
    chat.chat.completions.create(model="londi", messages=ASKED)
    text = web.get(f"{root}/metrics").text
    assert 'londi_answers_total{model="large",reason="policy",status="200"}' in text


def test_feedback_is_taken_once(url: str, web: httpx2.Client, chat: openai.OpenAI) -> None:
    raw = chat.chat.completions.with_raw_response.create(model="londi", messages=ASKED)
    session = raw.headers["x-londi-session"]

    def give(**body: Any) -> tuple[int, Any]:
        answer = web.post(f"{url}/feedback", content=json.dumps(body))
        return answer.status_code, answer.json().get("error", {}).get("message")

    assert give(session=session, step=0, value=0.5) == (200, None)
    assert give(session=session, value=1) == (200, None)
    status, said = give(session=session, step=0, value=0.5)
    assert status == 400 and "has one for its step 0 already" in said
    unknown = "session: expected one that was begun, got 'unknown'"
    assert give(session="unknown", value=1) == (404, unknown)
    assert give(session=1, value=1) == (400, "session: expected a text, got 1")
    for wrong in (
        {"session": session, "step": 1, "value": float("nan")},
        {"session": session, "step": 99, "value": 1},
        {"session": session, "step": "0", "value": 1},
        {"session": session, "value": True},
        {"session": session, "value": 1, "more": 1},
        {"value": 1},
    ):
        assert give(**wrong)[0] == 400, wrong


JSON = json_values(
    st.integers(), ("role", "content", "type", "text", "tool_calls", "input", "tools"), 10
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(("chat/completions", "responses", "messages", "feedback")),
    st.dictionaries(
        st.sampled_from(
            ("messages", "input", "system", "tools", "metadata", "max_tokens", "session")
        ),
        JSON,
    ),
)
def test_no_request_makes_the_gateway_fail(
    url: str, web: httpx2.Client, path: str, body: dict[str, Any]
) -> None:
    answer = web.post(f"{url}/{path}", json={"model": "londi"} | body)
    assert answer.status_code != 500, answer.text


def test_sessions_side_by_side_keep_their_budgets(url: str, upstream: Upstream) -> None:
    before = len(upstream.asked)

    def ask(k: int) -> str:
        with httpx2.Client() as client:
            answer = client.post(
                f"{url}/chat/completions",
                json={"model": "londi", "messages": ASKED},
                headers={"x-londi-session": f"side by side {k % 5}"},
            )
        return str(answer.json()["model"])

    with ThreadPoolExecutor(16) as pool:
        models = list(pool.map(ask, range(60)))
    assert models.count("large") == 15 and len(upstream.asked) == before + 60


def test_a_client_that_goes_away_leaves_its_budget_settled(
    start: Start, upstream: Upstream, web: httpx2.Client
) -> None:
    url = start(deepthink={"model": "slow", "base_url": upstream.url}, budget={"calls": 2})
    ask = {"model": "londi", "messages": ASKED}
    with pytest.raises(httpx2.ReadTimeout):
        web.post(f"{url}/chat/completions", json=ask, timeout=0.5)
    upstream.go.set()
    answer = web.post(f"{url}/chat/completions", json=ask, timeout=60)
    assert answer.headers["x-londi-calls-left"] == "0"


def test_steps_and_feedback_are_traced(
    start: Start, upstream: Upstream, web: httpx2.Client, tmp_path: Path
) -> None:
    file = tmp_path / "traces.db"
    url = start(traces=str(file), switcher="random:0.5", exploration=0.2, keep_texts=True)
    for k in range(6):
        web.post(
            f"{url}/chat/completions",
            json={"model": "londi", "messages": ASKED},
            headers={"x-londi-session": f"s{k % 2}"},
        )
    web.post(f"{url}/feedback", json={"session": "s0", "value": 1.0})
    web.post(f"{url}/feedback", json={"session": "s1", "step": 2, "value": 0.25})
    while len(list(read_traces(file, "feedback"))) < 2 or len(list(read_traces(file, "steps"))) < 6:
        pass
    steps = list(read_traces(file, "steps"))
    assert [(row["session"], row["step"]) for row in steps] == [
        (f"s{k % 2}", k // 2) for k in range(6)
    ]
    for row in steps:
        call = 0.8 * 0.5 + 0.2 * 0.5
        assert row["propensity"] == pytest.approx(call)
        assert (row["probability"], row["exploration"], row["reason"]) == (0.5, 0.2, "policy")
        assert json.loads(row["candidates"]) == ["small", "large"]
        assert row["model"] == ("small", "large")[row["choice"]]
        assert (row["status"], row["api"]) == (200, "/chat/completions")
        assert (row["prompt_tokens"], row["output_tokens"]) == (TOKENS, OUTPUT)
        assert row["calls_left"] is None and 0 < row["first_byte"] <= row["seconds"]
        again = row["step"] > 0  # the same messages once more: nothing is new
        assert (row["follows"], row["kept"]) == ((row["step"] - 1, 1) if again else (None, 0))
        assert json.loads(row["messages"]) == ([] if again else ASKED)
        assert json.loads(row["answer"])["content"] == f"I am {row['model']}"
    found = [(row["session"], row["step"], row["value"]) for row in read_traces(file, "feedback")]
    assert found == [("s0", None, 1.0), ("s1", 2, 0.25)]


def test_texts_are_kept_on_request_alone(start: Start, web: httpx2.Client, tmp_path: Path) -> None:
    file = tmp_path / "traces.db"
    url = start(traces=str(file))
    secret = "the secret of the conversation"
    ask = {"model": "londi", "messages": [{"role": "user", "content": secret}]}
    web.post(f"{url}/chat/completions", json=ask, headers={"authorization": "Bearer my-key"})
    while not list(read_traces(file, "steps")):
        pass
    written = b"".join(part.read_bytes() for part in tmp_path.glob("traces.db*"))
    assert secret.encode() not in written and b"my-key" not in written


def test_a_budget_that_is_spent_can_stop_a_session(start: Start, web: httpx2.Client) -> None:
    url = start(budget={"calls": 1}, when_spent="stop")
    ask = {"model": "londi", "messages": ASKED}
    answers = [web.post(f"{url}/chat/completions", json=ask) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 402, 402]
    assert answers[1].json()["error"]["type"] == "billing_error"
    metrics = web.get(f"{url.removesuffix('/v1')}/metrics").text
    assert 'londi_failures_total{kind="BudgetSpent"} 2.0' in metrics
