"""A Switcher as a decision model: questions of two APIs, and its answers to them.

`POST /v1/decisions` is OpenAI's shape, `POST /v1/systemone` that of System One. A Switcher knows
one question, whether DEEPTHINK is to act, and reads no instructions: a predicate asks it, and so
does a choice or a score with two options, one of which is QUICK and the other DEEPTHINK. Any other
question is refused. This file knows JSON, and no HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from londi.config.base import INF
from londi.errors import InvalidConfig
from londi.models.usage import Body
from londi.serve.apis import CHAT, RESPONSES, Api
from londi.serve.core.policy import Judgement
from londi.types import CostBudget

OURS = "londi"
"""Key of a request that holds the cost and the budget, and of an answer that holds what else is
said."""
_MOST = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read.

    Attributes:
        body: the conversation in the shape of `api`.
        api: its shape.
        questions: the questions, each with its name.
        cost: c of a call; None for that of the settings.
        calls: DEEPTHINK calls that are left.
    """

    body: Body
    api: Api
    questions: Sequence[tuple[str | None, Body]]
    cost: float | None
    calls: float

    def cost_budget(self, otherwise: float) -> CostBudget:
        """The cost and budget; `otherwise` is the cost of the settings."""
        return CostBudget(otherwise if self.cost is None else self.cost, self.calls)


def read_decisions(body: Body) -> Asked:
    """A request to `/v1/decisions`.

    Raises:
        InvalidConfig: if it has another shape.
    """
    given = body.get("input")
    if not isinstance(given, (str, list)):
        raise InvalidConfig("input: expected a text or a list of messages")
    listed = body.get("questions")
    if not isinstance(listed, list):
        raise InvalidConfig("questions: expected a list of questions")
    questions: list[tuple[str | None, Body]] = []
    for k, question in enumerate(listed):
        name = _object(question, f"questions[{k}]").get("name")
        if name is not None and not isinstance(name, str):
            raise InvalidConfig(f"questions[{k}].name: expected a text, got {name!r}")
        questions.append((name, question))
    return _asked({"input": given}, RESPONSES, questions, body)


def read_system_one(body: Body) -> Asked:
    """A request to `/v1/systemone`.

    Raises:
        InvalidConfig: if it has another shape.
    """
    if "state" not in body:
        raise InvalidConfig("state: expected the state that is asked about")
    state = body["state"]
    if isinstance(state, Mapping) and isinstance(state.get("messages"), list):
        state = state["messages"]
    if isinstance(state, list) and all(isinstance(one, Mapping) and "role" in one for one in state):
        messages = state
    else:
        text = state if isinstance(state, str) else json.dumps(state, ensure_ascii=False)
        messages = [{"role": "user", "content": text}]
    named = _object(body.get("questions"), "questions")
    questions = [(name, _object(one, f"questions.{name}")) for name, one in named.items()]
    return _asked({"messages": messages}, CHAT, questions, body)


def answer_decisions(asked: Asked, judged: Judgement, models: Sequence[str], name: str) -> Body:
    """The answer to a request of `/v1/decisions`."""
    usage = {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }
    answers = [
        {"name": question_name, **_decision(question, judged.probability, models)}
        for question_name, question in asked.questions
    ]
    return {"model": name, "answers": answers, "usage": usage, OURS: _said(judged)}


def answer_system_one(asked: Asked, judged: Judgement, models: Sequence[str], name: str) -> Body:
    """The answer to a request of `/v1/systemone`.

    Raises:
        InvalidConfig: if a question is not the one that a Switcher knows; this API has no refusal.
    """
    answers = {
        question_name: _system_one(str(question_name), question, judged.probability, models)
        for question_name, question in asked.questions
    }
    usage = {"input_tokens": 0, "output_tokens": 0}
    return {"model": name, "answers": answers, "usage": usage, OURS: _said(judged)}


def _asked(
    conversation: Body, api: Api, questions: Sequence[tuple[str | None, Body]], body: Body
) -> Asked:
    if not 1 <= len(questions) <= _MOST:
        raise InvalidConfig(f"questions: expected 1 to {_MOST}, got {len(questions)}")
    ours = _object(body.get(OURS, {}), OURS)
    if unknown := ours.keys() - {"cost", "calls_left"}:
        raise InvalidConfig(f"{OURS}: expected cost and calls_left, got {min(unknown)!r}")
    cost = _number(ours, "cost", None)
    if cost == INF:
        raise InvalidConfig(f"{OURS}.cost: expected a finite number")
    calls = _number(ours, "calls_left", inf)
    return Asked(conversation, api, questions, cost, inf if calls is None else calls)


def _decision(question: Body, call: float, models: Sequence[str]) -> dict[str, Any]:
    """One answer of `/v1/decisions`, but for its name."""
    kind = question.get("type")
    if kind == "predicate":
        return {"type": kind, "probability": call}
    shares = (1 - call, call)
    if kind == "choice":
        listed = question.get("choices")
        values = [one.get("value") if isinstance(one, Mapping) else None for one in _list(listed)]
        if order := _order(values, models):
            probabilities = [
                {"value": value, "probability": shares[who]}
                for value, who in zip(values, order, strict=True)
            ]
            choice = values[order.index(int(call >= 0.5))]
            return {
                "type": kind,
                "choice": choice,
                "confidence": abs(2 * call - 1),
                "probabilities": probabilities,
            }
    levels = _list(question.get("levels"))
    if kind == "score" and len(levels) == 2 and all(isinstance(one, Mapping) for one in levels):
        return {
            "type": kind,
            "score": call,
            "confidence": abs(2 * call - 1),
            "probabilities": [
                {"value": k, "label": str(level.get("label")), "probability": shares[k]}
                for k, level in enumerate(levels)
            ],
        }
    return {"type": "refusal"}


def _system_one(name: str, question: Body, call: float, models: Sequence[str]) -> dict[str, Any]:
    """One answer of `/v1/systemone`."""
    kind, criteria = question.get("type"), question.get("criteria")
    shares, confidence = (1 - call, call), abs(2 * call - 1)
    if kind == "noul":
        return {"type": kind, "noul": call}
    if kind == "choice" and isinstance(criteria, Mapping):
        values = list(criteria)
        if order := _order(values, models):
            return {
                "type": kind,
                "choice": values[order.index(int(call >= 0.5))],
                "confidence": confidence,
                "probabilities": {v: shares[who] for v, who in zip(values, order, strict=True)},
            }
    if kind == "score" and isinstance(criteria, list) and len(criteria) == 2:
        return {
            "type": kind,
            "score": call,
            "confidence": confidence,
            "probabilities": {str(k): share for k, share in enumerate(shares)},
            "legend": {str(k): text for k, text in enumerate(criteria)},
        }
    raise InvalidConfig(
        f"questions.{name}: expected a noul, a choice between {models[0]!r} and {models[1]!r}, or a"
        " score of two levels"
    )


def _order(values: Sequence[object], models: Sequence[str]) -> list[int] | None:
    """Which of two values is QUICK, 0, and which DEEPTHINK, 1; None where they are others."""
    names = {"quick": 0, "deepthink": 1, models[0]: 0, models[1]: 1}
    # A boolean answers the predicate: DEEPTHINK is to act, or is not.
    found = [
        int(value) if isinstance(value, bool) else names.get(value, -1)
        for value in values
        if isinstance(value, (str, bool))
    ]
    return found if len(values) == 2 and sorted(found) == [0, 1] else None


def _said(judged: Judgement) -> dict[str, Any]:
    """What else the Switcher says."""
    left = judged.shown.remaining
    return {
        "probability": judged.probability,
        "expected_gain": judged.expected_gain,
        "expected_calls": judged.expected_calls,
        "cost": judged.shown.cost,
        "calls_left": left if left < INF else None,
    }


def _object(value: object, name: str) -> Body:
    if not isinstance(value, Mapping):
        raise InvalidConfig(f"{name}: expected an object")
    return value


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(body: Body, name: str, otherwise: float | None) -> float | None:
    value = body.get(name, otherwise)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise InvalidConfig(f"{OURS}.{name}: expected a number >= 0, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        return INF
