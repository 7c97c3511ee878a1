"""The Switcher as a decision model, asked by the official client and in the shape of System One."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from gateways import Start
from upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


NAMES = [{"value": "small"}, {"value": "large"}]


def ask(url: str, *questions: Any, **more: Any) -> openai.types.Decision:
    with openai.OpenAI(base_url=url, api_key="none") as client:
        return client.decisions.create(
            model="londi", input="Where am I?", questions=questions, extra_body=more
        )


def test_the_official_client_asks_the_switcher(start: Start, upstream: Upstream) -> None:
    found = ask(
        start(switcher="random:0.25"),
        {"type": "predicate", "instructions": "Is the large model needed?", "name": "p"},
        {"type": "choice", "instructions": "Who?", "choices": NAMES},
        {"type": "choice", "instructions": "", "choices": [{"value": True}, {"value": False}]},
        {"type": "score", "instructions": "", "levels": [{"label": "easy"}, {"label": "hard"}]},
        {"type": "choice", "instructions": "", "choices": [{"value": "yes"}, {"value": "no"}]},
        {"type": "score", "instructions": "", "levels": [{"label": "a"}] * 3},
    )
    predicate, names, truth, score, *others = found.answers
    assert predicate.type == "predicate" and predicate.probability == 0.25
    assert predicate.name == "p" and names.name is None
    assert names.type == "choice" and names.choice == "small" and names.confidence == 0.5
    assert [(one.value, one.probability) for one in names.probabilities] == [
        ("small", 0.75),
        ("large", 0.25),
    ]
    assert truth.type == "choice" and truth.choice is False
    assert [one.probability for one in truth.probabilities] == [0.25, 0.75]
    assert score.type == "score" and score.score == 0.25
    assert [one.label for one in score.probabilities] == ["easy", "hard"]
    assert [one.type for one in others] == ["refusal", "refusal"]
    assert (found.model, found.usage.total_tokens) == ("random:0.25", 0)
    assert not upstream.asked  # nobody is called


def test_cost_and_budget_come_with_the_request(
    start: Start, web: httpx2.Client, exported: dict[str, str]
) -> None:
    url = start(switcher=exported["universal"])

    def call(**ours: float) -> dict[str, Any]:
        question = {"type": "predicate", "instructions": ""}
        body = {"model": "londi", "input": "hi", "questions": [question], "londi": ours}
        told = web.post(f"{url}/decisions", json=body).json()
        assert told["answers"][0]["probability"] == told["londi"]["probability"]
        return told["londi"]

    free = call(cost=0.1)
    assert free["calls_left"] is None and free["cost"] == pytest.approx(0.1)
    assert free["expected_gain"] is not None and free["expected_calls"] is not None
    assert call(cost=0.1, calls_left=2)["calls_left"] == 2
    spent = call(cost=0.1, calls_left=0)
    assert spent["probability"] == 0.0


def test_a_session_that_is_known_lends_what_it_knows(
    start: Start, web: httpx2.Client, exported: dict[str, str]
) -> None:
    url = start(switcher=exported["universal"])
    body = {"model": "londi", "messages": [{"role": "user", "content": "hi"}]}
    web.post(f"{url}/chat/completions", json=body, headers={"x-londi-session": "mine"})
    question = {"type": "predicate", "instructions": ""}
    asked = {"model": "londi", "input": "hi", "questions": [question]}
    told = [
        web.post(f"{url}/decisions", json=asked, headers={"x-londi-session": name}).json()
        for name in ("mine", "other", "another")
    ]
    known, unknown, another = (one["londi"]["expected_gain"] for one in told)
    assert known != unknown == another
    again = web.post(f"{url}/chat/completions", json=body, headers={"x-londi-session": "mine"})
    assert again.headers["x-londi-step"] == "1"  # asking was no step


def test_system_one_is_answered(start: Start, web: httpx2.Client) -> None:
    url = start(switcher="random:0.75")
    questions = {
        "needed": {"type": "noul", "instructions": "Is the large model needed?"},
        "who": {"type": "choice", "criteria": {"quick": None, "deepthink": "the large one"}},
        "hard": {"type": "score", "criteria": ["easy", "hard"]},
    }
    for state in ("Where?", [{"role": "user", "content": "Where?"}], {"messages": []}, {"a": 1}):
        body = {"model": "auto", "state": state, "questions": questions}
        told = web.post(f"{url}/systemone", json=body).json()
        assert told["answers"] == {
            "needed": {"type": "noul", "noul": 0.75},
            "who": {
                "type": "choice",
                "choice": "deepthink",
                "confidence": 0.5,
                "probabilities": {"quick": 0.25, "deepthink": 0.75},
            },
            "hard": {
                "type": "score",
                "score": 0.75,
                "confidence": 0.5,
                "probabilities": {"0": 0.25, "1": 0.75},
                "legend": {"0": "easy", "1": "hard"},
            },
        }
        assert told["usage"] == {"input_tokens": 0, "output_tokens": 0}


PREDICATE = {"type": "predicate", "instructions": ""}


@pytest.mark.parametrize(
    ("address", "body", "status", "message"),
    [
        ("decisions", {"model": "other"}, 404, "unknown model 'other'"),
        ("decisions", {"input": 1}, 400, "input: expected a text or a list of messages"),
        ("decisions", {"questions": []}, 400, "questions: expected 1 to 400, got 0"),
        ("decisions", {"questions": [1]}, 400, "questions[0]: expected an object"),
        ("decisions", {"londi": {"cost": -1}}, 400, "londi.cost: expected a number >= 0, got -1"),
        ("decisions", {"londi": {"cost": 10**400}}, 400, "londi.cost: expected a finite number"),
        ("decisions", {"londi": {"cost": True}}, 400, "londi.cost: expected a number >= 0"),
        ("decisions", {"londi": {"calls": 1}}, 400, "expected cost and calls_left, got 'calls'"),
        ("systemone", {}, 400, "state: expected the state"),
        ("systemone", {"state": "", "questions": {}}, 400, "expected 1 to 400, got 0"),
        (
            "systemone",
            {"state": "", "questions": {"q": {"type": "score", "criteria": ["a"]}}},
            400,
            "questions.q: expected a noul, a choice between 'small' and 'large', or a score",
        ),
    ],
)
def test_a_bad_question_is_refused(
    start: Start, web: httpx2.Client, address: str, body: Any, status: int, message: str
) -> None:
    asked = {"model": "londi", "input": "hi", "questions": [PREDICATE]} | body
    answer = web.post(f"{start(switcher='random:0.5')}/{address}", json=asked)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize("switcher", ["random:0.5", "universal"])
def test_odd_questions_are_answered_or_refused(
    start: Start, web: httpx2.Client, exported: dict[str, str], switcher: str
) -> None:
    url = start(switcher=exported.get(switcher, switcher))

    def told(address: str, **body: Any) -> httpx2.Response:
        # As text, since JSON of a client has neither half characters nor numbers without end.
        content = json.dumps({"model": "londi"} | body)
        return web.post(f"{url}/{address}", content=content)

    named = told("decisions", input="\ud800", questions=[PREDICATE | {"name": "\ud800"}])
    assert named.json()["answers"][0]["name"] == "\ud800" and named.content.isascii()
    for cost in (float("inf"), float("nan")):
        assert (
            told("decisions", input="", questions=[PREDICATE], londi={"cost": cost})
            .json()["error"]["message"]
            .startswith("londi.cost: expected a")
        )
    for calls in (float("inf"), 1e308, 1e30):
        ours = {"cost": 0.1, "calls_left": calls}
        answer = told("decisions", input="", questions=[PREDICATE], londi=ours)
        assert answer.status_code in (200, 400), answer.text
    score = {"q": {"type": "score", "criteria": [float("nan"), 1]}}
    refused = told("systemone", state=float("nan"), questions=score)
    assert refused.status_code == 400 and "finite" in refused.json()["error"]["message"]
    unknown = told("systemone", state="", questions={"\ud800": {"type": "other"}})
    assert unknown.status_code == 400


def test_a_cost_that_the_switcher_does_not_know_is_refused(
    start: Start, web: httpx2.Client, exported: dict[str, str]
) -> None:
    body = {"model": "londi", "input": "", "questions": [PREDICATE], "londi": {"cost": 5}}
    answer = web.post(f"{start(switcher=exported['fixed'])}/decisions", json=body)
    assert answer.status_code == 400 and "cost: expected" in answer.json()["error"]["message"]
