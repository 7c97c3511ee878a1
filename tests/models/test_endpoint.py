"""Models behind an API: a real server, tries, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import exp
from typing import Any

import pytest

from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, ModelError
from londi.models import endpoint as module
from londi.models.address import Endpoint
from londi.models.check import check_model
from londi.models.endpoint import EndpointModel
from londi.models.registry import load_model
from londi.models.retry import FIRST, LONGEST, wait
from upstream import CACHED, OUTPUT, TOKENS, Upstream

PROMPT = Prompt("go home", ("turn left", "turn right"), ("a wall", "go right"), ("turn left",))
FREE = Prompt("go home", (), ("say hello",))


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str | None]]:
    """What was asked of `wait`, which lets nobody wait here."""
    asked: list[tuple[int, str | None]] = []

    def at_once(tried: int, header: str | None) -> float:
        asked.append((tried, header))
        return 0.0

    monkeypatch.setattr(module, "wait", at_once)
    return asked


def connect(upstream: Upstream, model: str = "actor", **settings: Any) -> EndpointModel:
    return EndpointModel(f"openai:{model}@{upstream.url}", **settings)


def test_an_answer_is_the_closest_action(upstream: Upstream) -> None:
    model = connect(upstream)
    # The model says the last word of the state, which is "1:" behind "Action", or "right".
    (reply,) = model.act([Prompt("g", ("turn left", "turn right"), ("x",), ())])
    assert reply.action in ("turn left", "turn right")
    _, headers, body = upstream.asked[0]
    assert body["model"] == "actor" and body["temperature"] == 0
    assert (
        body["messages"][-1]["content"]
        == Prompt("g", ("turn left", "turn right"), ("x",), ()).text()
    )
    assert "authorization" not in headers
    model.close()


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("turn right", "turn right"),
        ("  Turn Right.\nI see a wall", "turn right"),
        ("right", "turn right"),
        ("\n\nleft", "turn left"),
        ("", "turn left"),
    ],
)
def test_the_possible_action_closest_to_the_first_line_is_taken(said: str, wanted: str) -> None:
    assert module._action(said, ("turn left", "turn right")) == wanted


def test_where_any_text_is_an_action_the_first_line_is(upstream: Upstream) -> None:
    model = connect(upstream)
    (reply,) = model.act([FREE])
    assert reply.action == FREE.text().split()[-1]
    assert reply.logprob == -0.75 and reply.confidence == pytest.approx(exp(-0.75))
    assert reply.usage.calls == 1 and reply.usage.seconds > 0
    assert (reply.usage.tokens, reply.usage.cached_tokens) == (TOKENS, CACHED)
    assert reply.usage.output_tokens == OUTPUT
    assert reply.embedding is None
    model.close()


def test_it_keeps_the_contract_of_a_model(upstream: Upstream) -> None:
    model = load_model(f"openai:actor@{upstream.url}")
    assert isinstance(model, EndpointModel)
    check_model(model)
    model.close()


def test_a_batch_is_asked_side_by_side(upstream: Upstream) -> None:
    model = connect(upstream, "slow", parallel=3)

    def let_go() -> None:
        upstream.waiting.wait()
        upstream.go.set()

    import threading

    thread = threading.Thread(target=let_go)
    thread.start()
    assert [reply.action for reply in model.act([FREE] * 7)] == ["I am slow"] * 7
    thread.join()
    model.close()


def test_what_is_busy_is_asked_again(upstream: Upstream, waits: list[Any]) -> None:
    upstream.script = [(429, {"retry-after": "7"}), (500, {}), (0, {}), (503, {})]
    model = connect(upstream)
    model.act([FREE])
    assert len(upstream.asked) == 5
    assert waits == [(0, "7"), (1, None), (2, None), (3, None)]
    model.close()


def test_tries_end(upstream: Upstream, waits: list[Any]) -> None:
    model = connect(upstream, "busy", retries=2)
    with pytest.raises(ModelError, match=r"model 'openai:busy@.*': status 429: .*no") as caught:
        model.act([FREE])
    assert len(str(caught.value).splitlines()) == 1
    assert len(upstream.asked) == 3 and len(waits) == 2
    model.close()


def test_a_wrong_request_is_not_made_again(upstream: Upstream, waits: list[Any]) -> None:
    upstream.script = [(404, {})]
    model = connect(upstream)
    with pytest.raises(ModelError, match="status 404"):
        model.act([FREE])
    assert not waits
    model.close()


def test_an_answer_that_has_begun_is_not_asked_for_again(
    upstream: Upstream, waits: list[Any]
) -> None:
    model = connect(upstream, "cut")
    with pytest.raises(ModelError, match="its answer broke off"):
        model.act([FREE])
    assert len(upstream.asked) == 1 and not waits
    model.close()


def test_a_page_is_no_answer(upstream: Upstream) -> None:
    model = connect(upstream, "html")
    with pytest.raises(ModelError, match="expected a chat completion, got none"):
        model.act([FREE])
    model.close()


def test_nobody_there(waits: list[Any]) -> None:
    with Upstream() as gone:
        url = gone.url
    model = EndpointModel(f"openai:m@{url}", retries=1)
    with pytest.raises(ModelError, match=r"model 'openai:m@.*': ConnectError"):
        model.act([FREE])
    model.close()


def test_the_key_comes_from_the_environment(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    model = connect(upstream)
    model.act([FREE])
    assert upstream.asked[0][1]["authorization"] == "Bearer secret"
    assert "secret" not in repr(vars(model)["fingerprint"]) + model.name
    model.close()


@pytest.mark.parametrize(
    ("spec", "model", "url"),
    [
        ("openai:gpt-5@http://here:1/v1/", "gpt-5", "http://here:1/v1"),
        ("openai:org/m@2@https://here/v1", "org/m@2", "https://here/v1"),
        ("openai:gpt-5", "gpt-5", "https://api.openai.com/v1"),
        ("openai:m@2024", "m@2024", "https://api.openai.com/v1"),
    ],
)
def test_a_name_says_where_a_model_is(
    spec: str, model: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert Endpoint.of(spec) == Endpoint(model, url)
    if url.startswith("https://api"):
        monkeypatch.setenv("OPENAI_BASE_URL", "http://local/v1")
        assert Endpoint.of(spec) == Endpoint(model, "http://local/v1")


@pytest.mark.parametrize("spec", ["openai:", "openai:@http://here", "openai:m@ftp://here/v1"])
def test_a_bad_name_is_refused(spec: str) -> None:
    with pytest.raises(InvalidConfig, match=r"model: expected openai:<model>@<base_url> with an"):
        Endpoint.of(spec)


def test_the_wait_is_what_the_server_asks_for() -> None:
    assert wait(0, "7") == 7.0
    assert wait(0, "-7") == 0.0 and wait(0, "1e9") == LONGEST
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert 20 < wait(0, soon) <= 30
    assert wait(0, "tomorrow, perhaps") == FIRST


def test_without_a_wish_waits_double_at_random() -> None:
    for tried, most in ((0, 0.5), (1, 1.0), (3, 4.0), (50, LONGEST)):
        drawn = {wait(tried, None) for _ in range(50)}
        assert len(drawn) == 50 and most / 2 <= min(drawn) <= max(drawn) <= most


def test_a_process_with_a_model_ends(upstream: Upstream) -> None:
    code = f"""
from londi.envs.prompt import Prompt
from londi.models.endpoint import EndpointModel
print(EndpointModel("openai:actor@{upstream.url}").act([Prompt("g", (), ("hello",))])[0].action)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0 and not ran.stderr, ran.stderr
